"""Training of linear autoencoders on the rows of a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_lib.errors import CompressionError
from compress_lib.factorization import top_right_vectors

COSINE_EPSILON = 1e-6
POWER_EPSILON = 1e-10
FINAL_POWER = 0.1


@dataclass(frozen=True)
class Mix:
    """A sum of losses with non-negative coefficients.

    Source: Bałazy et al. 2021, arXiv 2106.08181, section 3.
    """

    cosine: float
    power_l1: float
    rmse: float

    def __call__(self, original: Tensor, decoded: Tensor, power: float) -> Tensor:
        """Return the loss of rows `[batch, cols]`; `power` is the exponent of the L1 term."""
        total = original.new_zeros(())
        if self.cosine:
            cosine = nn.functional.cosine_similarity(original, decoded, eps=COSINE_EPSILON)
            total = total + self.cosine * (1 - cosine).mean()
        if self.power_l1:
            distance = (original - decoded).abs() + POWER_EPSILON
            total = total + self.power_l1 * distance.pow(power).mean()
        if self.rmse:
            total = total + self.rmse * (original - decoded).square().mean().sqrt()
        return total


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: Passes over all rows.
        anneal_epochs: The L1 term's exponent falls from 1.0 to 0.1 over so many epochs.
        batch_size: Rows in a step.
        learning_rate: Of Adam, at the start.
        decay: The learning rate is multiplied by it …
        decay_epochs: … every so many epochs.
    """

    epochs: int
    anneal_epochs: int
    batch_size: int
    learning_rate: float
    decay: float
    decay_epochs: int

    def power(self, epoch: int) -> float:
        """Return the exponent of the L1 term in an epoch, counted from 0."""
        if self.anneal_epochs <= 1:
            return FINAL_POWER
        share = min(epoch / (self.anneal_epochs - 1), 1.0)
        return 1.0 + (FINAL_POWER - 1.0) * share


class LinearAutoencoder(nn.Module):
    """`x → x Eᵀ + e → (x Eᵀ + e) Dᵀ + d`, all rows of one matrix."""

    def __init__(self, cols: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.Linear(cols, width)
        self.decoder = nn.Linear(width, cols)
        with torch.no_grad():
            for layer in (self.encoder, self.decoder):
                bound = layer.in_features**-0.5
                for tensor in (layer.weight, layer.bias):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) * 2 * bound - bound)

    def start_from_svd(self, rows: Tensor) -> None:
        """Begin at the best projection of the rows: the answer that training has to beat."""
        basis = top_right_vectors(rows, self.encoder.out_features).float()
        with torch.no_grad():
            self.encoder.weight.copy_(basis)
            self.decoder.weight.copy_(basis.T)
            self.encoder.bias.zero_()
            self.decoder.bias.zero_()

    def forward(self, rows: Tensor) -> Tensor:
        """Encode and decode `[batch, cols]`."""
        decoded: Tensor = self.decoder(self.encoder(rows))
        return decoded


def train(
    model: LinearAutoencoder,
    rows: Tensor,
    loss: Mix,
    schedule: Schedule,
    generator: torch.Generator,
    step: Callable[[float], None] = lambda fraction: None,
) -> Iterator[float]:
    """Train in place with Adam, yielding the mean loss after every epoch.

    Args:
        model: The autoencoder.
        rows: `[rows, cols]` in float32.
        loss: What to minimise.
        schedule: How long and how fast.
        generator: Shuffles the rows.
        step: Told the share of the training that is done; may raise `StoppedError`.

    Raises:
        CompressionError: The loss is not finite.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.StepLR(optimizer, schedule.decay_epochs, schedule.decay)
    batches = -(-len(rows) // schedule.batch_size)
    for epoch in range(schedule.epochs):
        order = torch.randperm(len(rows), generator=generator).to(rows.device)
        total = torch.zeros((), dtype=torch.float64, device=rows.device)
        for index, ids in enumerate(order.split(schedule.batch_size)):
            batch = rows[ids]
            optimizer.zero_grad(set_to_none=True)
            value = loss(batch, model(batch), schedule.power(epoch))
            value.backward()
            optimizer.step()
            total += value.detach() * len(ids)
            if index % 16 == 0:
                step((epoch + index / batches) / schedule.epochs)
        mean = float(total) / len(rows)
        if mean != mean or mean == float("inf"):
            raise CompressionError(
                f"Training diverged in epoch {epoch + 1}: the loss is not finite. Lower the "
                f"learning rate (it is {schedule.learning_rate:g})."
            )
        decay.step()
        yield mean
