"""From a weight to the stored form of an autoencoder trained on its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from compress_lib.autoencoding.losses import Mix
from compress_lib.autoencoding.network import Autoencoder, lengths
from compress_lib.autoencoding.shape import Shape
from compress_lib.autoencoding.training import Schedule, train
from compress_lib.calibration import Statistics
from compress_lib.evaluation.direction import RowErrors, row_errors
from compress_lib.factorization import balance, check_finite
from compress_lib.low_rank_storage import stored, stored_matrix
from compress_lib.matrices import CompressedMatrix
from compress_lib.matrices.decoder import DecoderMatrix
from compress_lib.methods.row_weights import FREQUENCY, normalized, smoothed_counts
from compress_lib.progress import Look, Progress

if TYPE_CHECKING:
    from compress_lib.methods.autoencoder import AutoencoderMethod

METRICS = ("direction_error", "relative_error", "rmse", "mae", "powered_mae")
"""What is noted at every look, beside the epoch, the loss and perhaps the perplexity."""


def fit(
    method: AutoencoderMethod,
    weight: Tensor,
    shape: Shape,
    statistics: Statistics,
    progress: Progress,
) -> CompressedMatrix:
    """Train an autoencoder and return the best epoch's matrix among those looked at.

    Args:
        method: Its options.
        weight: `[rows, cols]`.
        shape: What the budget holds.
        statistics: What the options need.
        progress: Told about the epochs; may raise `StoppedError`.

    Raises:
        CompressionError: The weight or the loss is not finite.
    """
    check_finite(weight)
    rows = weight.float()
    generator = torch.Generator().manual_seed(method.seed)
    with torch.enable_grad():
        model = _model(method, shape, generator).to(rows.device)
        if method.initialization == "svd":
            model.start_from_svd(rows)
        return _Looks(method, model, rows, weight.dtype, statistics).best(generator, progress)


def _model(method: AutoencoderMethod, shape: Shape, generator: torch.Generator) -> Autoencoder:
    return Autoencoder(
        shape,
        activation=method.activation,
        latent_activation=method.latent_activation,
        tanh=method.tanh,
        norms="none" if method.norms == "none" else method.length,
        unit_rows=method.norms == "folded",
        generator=generator,
    )


class _Looks:
    """Trains, looks at the matrix every few epochs, and remembers the best."""

    def __init__(
        self,
        method: AutoencoderMethod,
        model: Autoencoder,
        rows: Tensor,
        dtype: torch.dtype,
        statistics: Statistics,
    ) -> None:
        self._method, self._model, self._rows, self._dtype = method, model, rows, dtype
        self._statistics = statistics
        self._history: dict[str, list[float]] = {}

    def best(self, generator: torch.Generator, progress: Progress) -> CompressedMatrix:
        method = self._method
        report = "Training the autoencoder"
        best: CompressedMatrix | None = None
        score, waited = float("inf"), 0
        steps = train(
            self._model,
            self._rows,
            _loss(method, self._rows, self._statistics),
            _schedule(method),
            generator,
            weights=_weights(method, self._rows, self._statistics),
            step=lambda share: progress(share, report),
        )
        for epoch, loss in enumerate(steps, start=1):
            words = f"Epoch {epoch} of {method.epochs}: loss {loss:.5f}"
            report = Look(words, epoch, loss)
            progress(epoch / method.epochs, report)
            if epoch % method.check_epochs and epoch != method.epochs:
                continue
            matrix = matrix_of(method, self._model, self._rows, self._dtype)
            new = self._note(matrix, epoch, loss)
            if method.keep_best not in ("none", "loss"):
                words += f", {method.keep_best.replace('_', ' ')} {new:.5g}"
                report = Look(words, epoch, loss)
            waited += 1
            if best is None or new < score or method.keep_best == "none":
                best, score, waited = matrix, new, 0
            if method.patience and waited >= method.patience:
                break
        assert best is not None
        best.history = self._history
        return best

    def _note(self, matrix: CompressedMatrix, epoch: int, loss: float) -> float:
        """Note every metric, and return the one that the best epoch is chosen by."""
        errors = row_errors(self._rows, matrix, control=False)
        noted = {"epoch": float(epoch), "loss": loss, **_metrics(errors)}
        if self._method.keep_best == "perplexity":
            noted["perplexity"] = float(self._statistics.require("perplexity")(matrix))
        for name, value in noted.items():
            self._history.setdefault(name, []).append(value)
        return noted["loss" if self._method.keep_best == "none" else self._method.keep_best]


def _metrics(errors: RowErrors) -> dict[str, float]:
    found = {"direction_error": float(errors.direction.mean()), "relative_error": errors.relative}
    return found | {name: getattr(errors, name) for name in METRICS[2:]}


def _loss(method: AutoencoderMethod, rows: Tensor, statistics: Statistics) -> Mix:
    half = None
    if method.output:
        moment = statistics.require("second_moment").to(rows.device).double()
        values, vectors = torch.linalg.eigh(moment)
        half = (vectors * values.clamp_min(0).sqrt()).float()
    return Mix(
        cosine=method.cosine,
        power_l1=method.power_l1,
        rmse=method.rmse,
        output=method.output,
        half_moment=half,
    )


def _weights(method: AutoencoderMethod, rows: Tensor, statistics: Statistics) -> Tensor | None:
    if method.row_weights == "none":
        return None
    if method.row_weights == FREQUENCY:
        found = smoothed_counts(statistics.require("row_counts").to(rows.device))
    else:
        found = statistics.require(method.row_weights).to(rows.device)
    weights = normalized(found, method.normalization, method.number)
    return (weights / weights.mean()).float()


def _schedule(method: AutoencoderMethod) -> Schedule:
    return Schedule(
        method.epochs,
        method.anneal_epochs,
        method.batch_size,
        method.learning_rate,
        method.decay,
        method.decay_epochs,
        method.latent_epochs,
    )


def matrix_of(
    method: AutoencoderMethod, model: Autoencoder, rows: Tensor, dtype: torch.dtype
) -> CompressedMatrix:
    """Return what a checkpoint would hold of a trained autoencoder.

    Norms are enforced after everything else is rounded, so that they come out right. Where they
    fold into the latents, the decoder is homogeneous: D(c z) = c D(z) for c > 0.

    Args:
        method: Its options: whether norms fold into the latents, and in how many bits to store.
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
                return stored(own, weights[0].T, dtype, method.factor_storage, offset=offset)
            return DecoderMatrix.from_tensors(
                own,
                weights,
                biases,
                dtype,
                activation=model.decoder.activation,
                tanh=model.tanh,
                scale=scale,
                store=lambda tensor: stored_matrix(tensor, dtype, method.factor_storage),
            )

        if model.norms == "none":
            return build(latents, None)
        decoded = build(latents, None).dense()
        size = decoded.norm(dim=1).clamp_min(1e-12)
        scale = lengths(decoded / size[:, None], rows, model.norms) / size
        if method.norms == "folded":
            return build(latents * scale[:, None], None)
        return build(latents, scale)
