"""The linear autoencoder of "Direction is what you need": trained for the rows' directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.methods.base import Method, Preview, option, register
from compress_lib.methods.low_rank import low_rank, low_rank_preview
from compress_lib.progress import Progress, no_progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from compress_lib.calibration import Statistics
    from compress_lib.matrices import CompressedMatrix, LowRankMatrix
    from compress_lib.training import LinearAutoencoder

CRITERIA = ("perplexity", "direction_error", "relative_error", "loss", "none")


@register
@dataclass(frozen=True, kw_only=True)
class Autoencoder(Method):
    """Stores each row's latent and a linear decoder with a bias.

    Source: Bałazy et al. 2021, arXiv 2106.08181. Loss, Adam, learning rate, its steps and the
    epochs are the paper's. Batches are larger, because 46,000 steps of 32 rows leave two cores
    idle, and the best epoch is looked for at every third: `batch_size=32, check_epochs=1,
    initialization=random` is the paper to the letter.
    """

    name: ClassVar[str] = "autoencoder"
    label: ClassVar[str] = "Linear autoencoder"
    summary: ClassVar[str] = "Trains encoder and decoder so that rows keep their directions."
    paper: ClassVar[str] = "Bałazy et al. 2021"
    effort: ClassVar[float] = 0.65

    epochs: int = option(30, "Epochs", "Passes over all rows.", minimum=1, maximum=1000)
    batch_size: int = option(
        512, "Batch size", "Rows in a training step; the paper has 32.", minimum=1
    )
    learning_rate: float = option(
        1e-3, "Learning rate", "Of Adam, at the start.", minimum=1e-7, maximum=1
    )
    decay: float = option(
        0.5, "Decay", "Factor on the learning rate at every step.", minimum=0.01, maximum=1
    )
    decay_epochs: int = option(4, "Decay every", "Epochs between the steps.", minimum=1)
    cosine: float = option(0.9975 / 5, "Cosine loss", "Weight of 1 − cos.", minimum=0)
    power_l1: float = option(
        0.0025, "Power L1 loss", "Weight of |error| ^ α, α falling from 1 to 0.1.", minimum=0
    )
    anneal_epochs: int = option(20, "Anneal over", "Epochs in which α falls.", minimum=1)
    rmse: float = option(0.0, "RMSE loss", "Weight of the root mean squared error.", minimum=0)
    initialization: str = option(
        "svd", "Start", "From the SVD, or from random numbers.", choices=("svd", "random")
    )
    keep_best: str = option(
        "perplexity",
        "Keep the epoch with the best",
        "Perplexity is that on calibration text; none keeps the last epoch.",
        choices=CRITERIA,
    )
    check_epochs: int = option(
        3, "Look every", "Epochs between looks for the best; the paper has 1.", minimum=1
    )
    patience: int = option(
        0, "Patience", "Stop after so many looks without a better one; 0 never stops.", minimum=0
    )
    seed: int = option(0, "Seed", "Of the order of the rows and of a random start.", minimum=0)

    @property
    def needs(self) -> frozenset[str]:
        """Perplexity, if the best epoch is chosen by it."""
        return frozenset({"perplexity"} if self.keep_best == "perplexity" else ())

    def preview(self, shape: tuple[int, int], *, budget: int, itemsize: int) -> Preview:
        """See `Method.preview`: latents, decoder, and its bias."""
        return low_rank_preview(shape, budget=budget, itemsize=itemsize, offset=True)

    def compress(
        self,
        weight: Tensor,
        *,
        budget: int,
        statistics: Statistics,
        progress: Progress = no_progress,
    ) -> CompressedMatrix:
        """See `Method.compress`."""
        import torch

        from compress_lib.factorization import check_finite
        from compress_lib.training import LinearAutoencoder

        check_finite(weight)
        rows, cols = weight.shape
        size = weight.element_size()
        width = low_rank((rows, cols), budget=budget, itemsize=size, offset=True)
        data = weight.float()
        generator = torch.Generator().manual_seed(self.seed)
        with torch.enable_grad():
            model = LinearAutoencoder(cols, width, generator).to(data.device)
            if self.initialization == "svd":
                model.start_from_svd(data)
            return self._best(model, data, weight.dtype, generator, statistics, progress)

    def _best(
        self,
        model: LinearAutoencoder,
        data: Tensor,
        dtype: torch.dtype,
        generator: torch.Generator,
        statistics: Statistics,
        progress: Progress,
    ) -> LowRankMatrix:
        """Train, and return the best epoch's matrix among those looked at."""
        from compress_lib.training import Mix, Schedule, train

        loss = Mix(cosine=self.cosine, power_l1=self.power_l1, rmse=self.rmse)
        schedule = Schedule(
            self.epochs,
            self.anneal_epochs,
            self.batch_size,
            self.learning_rate,
            self.decay,
            self.decay_epochs,
        )
        report = "Training the autoencoder"
        best: LowRankMatrix | None = None
        score, waited = float("inf"), 0
        steps = train(model, data, loss, schedule, generator, lambda share: progress(share, report))
        for epoch, value in enumerate(steps, start=1):
            report = f"Epoch {epoch} of {self.epochs}: loss {value:.5f}"
            if epoch % self.check_epochs and epoch != self.epochs:
                continue
            matrix = _store(model, data, dtype)
            new = self._score(matrix, data, value, statistics)
            if self.keep_best not in ("none", "loss"):
                report += f", {self.keep_best.replace('_', ' ')} {new:.5g}"
            waited += 1
            if best is None or new < score or self.keep_best == "none":
                best, score, waited = matrix, new, 0
            if self.patience and waited >= self.patience:
                break
        assert best is not None
        return best

    def _score(
        self, matrix: LowRankMatrix, rows: Tensor, loss: float, statistics: Statistics
    ) -> float:
        """Return what the best epoch is chosen by; lower is better."""
        from compress_lib.evaluation.direction import row_errors

        if self.keep_best == "perplexity":
            return float(statistics.require("perplexity")(matrix))
        if self.keep_best in ("loss", "none"):
            return loss
        errors = row_errors(rows, matrix)
        if self.keep_best == "relative_error":
            return errors.relative
        return float(errors.direction.mean())


def _store(model: LinearAutoencoder, rows: Tensor, dtype: torch.dtype) -> LowRankMatrix:
    """Encode every row and keep latents and decoder, the norms shared out between them."""
    from compress_lib.factorization import balance, low_rank_matrix

    latents, decoder = balance(model.encoder(rows).detach(), model.decoder.weight.detach().T)
    return low_rank_matrix(latents, decoder, dtype, offset=model.decoder.bias)
