"""Autoencoder fitting: train on a weight's rows and return the best epoch's stored matrix."""

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
"""Metrics recorded at every evaluation, besides the epoch, the loss and any perplexity."""


def fit(
    options: AutoencoderOptions,
    weight: Tensor,
    shape: Shape,
    statistics: Statistics,
    report: Report,
) -> CompressedMatrix:
    """Train an autoencoder and return the matrix of the best evaluated epoch.

    Args:
        options: Hyperparameters.
        weight: `[rows, cols]`.
        shape: Layer sizes solved for the budget.
        statistics: Calibration statistics that the options require.
        report: Receives the progress of the epochs; may raise `StoppedError`.

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
    """Training loop that evaluates the matrix every few epochs and keeps the best."""

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
        """Train and return the matrix of the best evaluated epoch.

        Args:
            generator: Shuffles the rows.
            report: Receives the progress of the epochs; may raise `StoppedError`.
        """
        options = self._options
        latest = Event(0.0, "Training the autoencoder")
        best: CompressedMatrix | None = None
        best_score, waited = float("inf"), 0
        steps = train(
            self._model,
            self._rows,
            _loss(options, self._rows, self._statistics),
            _schedule(options),
            generator,
            weights=_weights(options, self._rows, self._statistics),
            step=lambda fraction: report(replace(latest, fraction=fraction)),
        )
        for epoch, loss in enumerate(steps, start=1):
            message = f"Epoch {epoch} of {options.epochs}: loss {loss:.5f}"
            latest = TrainingProgress(epoch / options.epochs, message, epoch, loss)
            report(latest)
            if epoch % options.eval_every and epoch != options.epochs:
                continue
            matrix = matrix_of(options, self._model, self._rows, self._dtype)
            score = self._evaluate(matrix, epoch, loss)
            if options.select_best_by not in ("none", "loss"):
                message += f", {options.select_best_by.replace('_', ' ')} {score:.5g}"
                latest = replace(latest, message=message)
            waited += 1
            if best is None or score < best_score or options.select_best_by == "none":
                best, best_score, waited = matrix, score, 0
            if options.patience and waited >= options.patience:
                break
        assert best is not None
        best.history = self._history
        return best

    def _evaluate(self, matrix: CompressedMatrix, epoch: int, loss: float) -> float:
        """Record every metric and return the one that selects the best epoch."""
        errors = row_errors(self._rows, matrix, control=False)
        metrics = {"epoch": float(epoch), "loss": loss, **_metrics(errors)}
        if self._options.select_best_by == "perplexity":
            metrics["perplexity"] = float(self._statistics.require("perplexity")(matrix))
        for name, value in metrics.items():
            self._history.setdefault(name, []).append(value)
        return metrics[
            "loss" if self._options.select_best_by == "none" else self._options.select_best_by
        ]


def _metrics(errors: RowErrors) -> dict[str, float]:
    means = {"direction_error": float(errors.direction.mean()), "relative_error": errors.relative}
    return means | {name: getattr(errors, name) for name in METRICS[2:]}


def _loss(options: AutoencoderOptions, rows: Tensor, statistics: Statistics) -> CombinedLoss:
    half_moment = None
    if options.output:
        moment = statistics.require("second_moment").to(rows.device).double()
        values, vectors = torch.linalg.eigh(moment)
        half_moment = (vectors * values.clamp_min(0).sqrt()).float()
    return CombinedLoss(
        cosine=options.cosine,
        power_l1=options.power_l1,
        rmse=options.rmse,
        output=options.output,
        half_moment=half_moment,
    )


def _weights(options: AutoencoderOptions, rows: Tensor, statistics: Statistics) -> Tensor | None:
    if options.row_weights == "none":
        return None
    if options.row_weights == FREQUENCY:
        importance = smoothed_counts(statistics.require("row_counts").to(rows.device))
    else:
        importance = statistics.require(options.row_weights).to(rows.device)
    weights = normalize_weights(importance, options.normalization, options.exponent)
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
    """Return the matrix that a checkpoint stores for a trained autoencoder.

    Norms are restored last, from the rounded latents and decoder, so that rounding does not
    change them. Folding them into the latents relies on a homogeneous decoder: D(c z) = c D(z)
    for c > 0.

    Args:
        options: Hyperparameters: whether norms fold into the latents, and the storage bits.
        model: The trained autoencoder.
        rows: `[rows, cols]`, the original weight.
        dtype: Type of the checkpoint's numbers.
    """
    with torch.no_grad():
        latents = model.latents(rows)
        first, *rest = [layer.weight for layer in model.decoder.linear]
        latents, start = balance(latents, first.T)
        weights = [start.T, *rest]
        biases = [layer.bias for layer in model.decoder.linear if layer.bias is not None]

        def build(latents: Tensor, scale: Tensor | None) -> CompressedMatrix:
            if model.shape.flat:
                offset = biases[0] if biases else None
                return encode(latents, weights[0].T, dtype, options.factor_storage, offset=offset)
            return DecoderMatrix.from_tensors(
                latents,
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
        norms = decoded.norm(dim=1).clamp_min(1e-12)
        scale = lengths(decoded / norms[:, None], rows, model.norms) / norms
        if options.norms == "folded":
            return build(latents * scale[:, None], None)
        return build(latents, scale)
