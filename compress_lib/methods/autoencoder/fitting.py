"""From a weight to the stored form of an autoencoder trained on its rows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.autoencoder import DecoderMatrix
from compress_lib.matrices.reconstruction_error import RowErrors, row_errors
from compress_lib.methods.autoencoder.losses import CombinedLoss
from compress_lib.methods.autoencoder.network import Autoencoder, lengths
from compress_lib.methods.autoencoder.options import AutoencoderOptions
from compress_lib.methods.autoencoder.shape import Shape
from compress_lib.methods.autoencoder.training import Schedule, train
from compress_lib.methods.linalg import balance, check_finite
from compress_lib.methods.low_rank.encoding import encode, encode_matrix
from compress_lib.methods.row_importance import FREQUENCY, normalize_weights, smoothed_counts
from compress_lib.methods.statistics import Statistics
from compress_lib.utils.progress import Event, Report, TrainingProgress

METRICS = ("direction_error", "relative_error", "rmse", "mae", "powered_mae")
"""What is noted at every look, beside the epoch, the loss and perhaps the perplexity."""


def fit(
    options: AutoencoderOptions,
    weight: Tensor,
    shape: Shape,
    statistics: Statistics,
    report: Report,
) -> CompressedMatrix:
    """Train an autoencoder and return the best epoch's matrix among those looked at.

    Args:
        options: Its options.
        weight: `[rows, cols]`.
        shape: What the budget holds.
        statistics: What the options need.
        report: Told about the epochs; may raise `StoppedError`.

    Raises:
        CompressionError: The weight or the loss is not finite.
    """
    check_finite(weight)
    rows = weight.float()
    generator = torch.Generator().manual_seed(options.seed)
    with torch.enable_grad():
        model = _model(options, shape, generator).to(rows.device)
        if options.initialization == "svd":
            model.start_from_svd(rows)
        return BestEpochTracker(options, model, rows, weight.dtype, statistics).best(
            generator, report
        )


def _model(options: AutoencoderOptions, shape: Shape, generator: torch.Generator) -> Autoencoder:
    return Autoencoder(
        shape,
        activation=options.activation,
        latent_activation=options.latent_activation,
        tanh=options.tanh,
        norms="none" if options.norms == "none" else options.norm_target,
        unit_rows=options.norms == "folded",
        generator=generator,
    )


class BestEpochTracker:
    """Trains, looks at the matrix every few epochs, and remembers the best."""

    def __init__(
        self,
        options: AutoencoderOptions,
        model: Autoencoder,
        rows: Tensor,
        dtype: torch.dtype,
        statistics: Statistics,
    ) -> None:
        self._options, self._model, self._rows, self._dtype = options, model, rows, dtype
        self._statistics = statistics
        self._history: dict[str, list[float]] = {}

    def best(self, generator: torch.Generator, report: Report) -> CompressedMatrix:
        """Train, and return the matrix of the best epoch that was evaluated."""
        options = self._options
        latest = Event(0.0, "Training the autoencoder")
        best: CompressedMatrix | None = None
        score, waited = float("inf"), 0
        steps = train(
            self._model,
            self._rows,
            _loss(options, self._rows, self._statistics),
            _schedule(options),
            generator,
            weights=_weights(options, self._rows, self._statistics),
            step=lambda share: report(replace(latest, fraction=share)),
        )
        for epoch, loss in enumerate(steps, start=1):
            words = f"Epoch {epoch} of {options.epochs}: loss {loss:.5f}"
            latest = TrainingProgress(epoch / options.epochs, words, epoch, loss)
            report(latest)
            if epoch % options.eval_every and epoch != options.epochs:
                continue
            matrix = matrix_of(options, self._model, self._rows, self._dtype)
            new = self._note(matrix, epoch, loss)
            if options.select_best_by not in ("none", "loss"):
                words += f", {options.select_best_by.replace('_', ' ')} {new:.5g}"
                latest = replace(latest, message=words)
            waited += 1
            if best is None or new < score or options.select_best_by == "none":
                best, score, waited = matrix, new, 0
            if options.patience and waited >= options.patience:
                break
        assert best is not None
        best.history = self._history
        return best

    def _note(self, matrix: CompressedMatrix, epoch: int, loss: float) -> float:
        """Note every metric, and return the one that the best epoch is chosen by."""
        errors = row_errors(self._rows, matrix, control=False)
        noted = {"epoch": float(epoch), "loss": loss, **_metrics(errors)}
        if self._options.select_best_by == "perplexity":
            noted["perplexity"] = float(self._statistics.require("perplexity")(matrix))
        for name, value in noted.items():
            self._history.setdefault(name, []).append(value)
        return noted[
            "loss" if self._options.select_best_by == "none" else self._options.select_best_by
        ]


def _metrics(errors: RowErrors) -> dict[str, float]:
    found = {"direction_error": float(errors.direction.mean()), "relative_error": errors.relative}
    return found | {name: getattr(errors, name) for name in METRICS[2:]}


def _loss(options: AutoencoderOptions, rows: Tensor, statistics: Statistics) -> CombinedLoss:
    half = None
    if options.output:
        moment = statistics.require("second_moment").to(rows.device).double()
        values, vectors = torch.linalg.eigh(moment)
        half = (vectors * values.clamp_min(0).sqrt()).float()
    return CombinedLoss(
        cosine=options.cosine,
        power_l1=options.power_l1,
        rmse=options.rmse,
        output=options.output,
        half_moment=half,
    )


def _weights(options: AutoencoderOptions, rows: Tensor, statistics: Statistics) -> Tensor | None:
    if options.row_weights == "none":
        return None
    if options.row_weights == FREQUENCY:
        found = smoothed_counts(statistics.require("row_counts").to(rows.device))
    else:
        found = statistics.require(options.row_weights).to(rows.device)
    weights = normalize_weights(found, options.normalization, options.exponent)
    return (weights / weights.mean()).float()


def _schedule(options: AutoencoderOptions) -> Schedule:
    return Schedule(
        options.epochs,
        options.anneal_epochs,
        options.batch_size,
        options.learning_rate,
        options.decay,
        options.decay_epochs,
        options.latent_epochs,
    )


def matrix_of(
    options: AutoencoderOptions, model: Autoencoder, rows: Tensor, dtype: torch.dtype
) -> CompressedMatrix:
    """Return what a checkpoint would hold of a trained autoencoder.

    Norms are enforced after everything else is rounded, so that they come out right. Where they
    fold into the latents, the decoder is homogeneous: D(c z) = c D(z) for c > 0.

    Args:
        options: Its options: whether norms fold into the latents, and in how many bits to store.
        model: The autoencoder.
        rows: `[rows, cols]`.
        dtype: Of the checkpoint.
    """
    with torch.no_grad():
        latents = model.latents(rows)
        first, *rest = [layer.weight for layer in model.decoder.linear]
        latents, start = balance(latents, first.T)
        weights = [start.T, *rest]
        biases = [layer.bias for layer in model.decoder.linear if layer.bias is not None]

        def build(own: Tensor, scale: Tensor | None) -> CompressedMatrix:
            if model.shape.flat:
                offset = biases[0] if biases else None
                return encode(own, weights[0].T, dtype, options.factor_storage, offset=offset)
            return DecoderMatrix.from_tensors(
                own,
                weights,
                biases,
                dtype,
                activation=model.decoder.activation,
                tanh=model.tanh,
                scale=scale,
                store=lambda tensor: encode_matrix(tensor, dtype, options.factor_storage),
            )

        if model.norms == "none":
            return build(latents, None)
        decoded = build(latents, None).to_dense()
        size = decoded.norm(dim=1).clamp_min(1e-12)
        scale = lengths(decoded / size[:, None], rows, model.norms) / size
        if options.norms == "folded":
            return build(latents * scale[:, None], None)
        return build(latents, scale)
