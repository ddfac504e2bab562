"""Train an autoencoder on the rows of a matrix with Adam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from compress_lib.errors import CompressionError
from compress_lib.methods.autoencoder.losses import CombinedLoss
from compress_lib.methods.autoencoder.network import Autoencoder

FINAL_POWER = 0.1
"""Final exponent of the L1 term."""

MIN_BATCH, MIN_STEPS = 16, 32
"""Small matrices get smaller batches, down to 16 rows, so that an epoch has 32 steps."""


@dataclass(frozen=True)
class Schedule:
    """Training schedule: epochs, batch size, learning rate and annealing.

    Attributes:
        epochs: Passes over all rows.
        anneal_epochs: Epochs over which the L1 term's exponent falls from 1.0 to 0.1.
        batch_size: Maximum rows per step.
        learning_rate: Adam's initial learning rate.
        decay: Factor of the learning rate at every decay.
        decay_epochs: Epochs between decays.
        latent_epochs: Final epochs that train the latents directly instead of the encoder.
    """

    epochs: int
    anneal_epochs: int
    batch_size: int
    learning_rate: float
    decay: float
    decay_epochs: int
    latent_epochs: int = 0

    def l1_exponent(self, epoch: int) -> float:
        """Return the exponent of the L1 term in a zero-based epoch."""
        if self.anneal_epochs <= 1:
            return FINAL_POWER
        share = min(epoch / (self.anneal_epochs - 1), 1.0)
        return 1.0 + (FINAL_POWER - 1.0) * share

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate in a zero-based epoch."""
        return float(self.learning_rate * self.decay ** (epoch // self.decay_epochs))

    def batch_size_for(self, rows: int) -> int:
        """Return the batch size for a matrix with `rows` rows."""
        return min(self.batch_size, max(MIN_BATCH, rows // MIN_STEPS))


def train(
    model: Autoencoder,
    rows: Tensor,
    loss: CombinedLoss,
    schedule: Schedule,
    generator: torch.Generator,
    *,
    weights: Tensor | None = None,
    step: Callable[[float], None] = lambda fraction: None,
) -> Iterator[float]:
    """Train in place with Adam and yield the mean loss after every epoch.

    Args:
        model: The autoencoder.
        rows: `[rows, cols]` in float32.
        loss: Objective to minimise.
        schedule: Epochs, batch size and learning rate.
        generator: Shuffles the rows.
        weights: `[rows]` loss weights with mean 1; None weights all rows equally.
        step: Called with the completed fraction of the training; may raise `StoppedError`.

    Raises:
        CompressionError: The loss is not finite.
    """
    size = schedule.batch_size_for(len(rows))
    batches = -(-len(rows) // size)
    optimizers = _optimizers(model, schedule)
    for epoch in range(schedule.epochs):
        if epoch == schedule.epochs - schedule.latent_epochs:
            model.train_latents(rows)
            optimizers = _optimizers(model, schedule)
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = schedule.learning_rate_at(epoch)
        order = torch.randperm(len(rows), generator=generator).to(rows.device)
        total = torch.zeros((), dtype=torch.float64, device=rows.device)
        for index, ids in enumerate(order.split(size)):
            batch = rows[ids]
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=True)
            decoded = model.decode(model.latents(batch, ids), batch)
            batch_weights = None if weights is None else weights[ids]
            value = loss(batch, decoded, schedule.l1_exponent(epoch), batch_weights)
            value.backward()
            for optimizer in optimizers:
                optimizer.step()
            total += value.detach() * len(ids)
            if index % 16 == 0:
                step((epoch + index / batches) / schedule.epochs)
        yield _check_finite(float(total) / len(rows), epoch, schedule)


def _optimizers(model: Autoencoder, schedule: Schedule) -> list[torch.optim.Optimizer]:
    if model.table is None:
        return [torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)]
    return [
        torch.optim.Adam(model.decoder.parameters(), lr=schedule.learning_rate, fused=True),
        torch.optim.SparseAdam(model.table.parameters(), lr=schedule.learning_rate),
    ]


def _check_finite(mean: float, epoch: int, schedule: Schedule) -> float:
    if mean != mean or mean == float("inf"):
        raise CompressionError(
            f"Training diverged in epoch {epoch + 1}: the loss is not finite. Lower the "
            f"learning rate (currently {schedule.learning_rate:g})."
        )
    return mean
