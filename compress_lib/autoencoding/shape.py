"""The largest autoencoder that a budget holds. Knows no torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from compress_lib.errors import BudgetError, CompressionError, check_number
from compress_lib.formatting import format_keep

MAX_LAYERS = 6


@dataclass(frozen=True)
class Shape:
    """Sizes of an autoencoder for a matrix `[rows, cols]`.

    Attributes:
        rows: Rows, each with a latent of its own.
        cols: Width of a row.
        latent: Width of a latent.
        encoder: Widths of the encoder's hidden layers, from the row inwards; none if linear.
        decoder: Widths of the decoder's hidden layers, from the latent outwards.
        bias: Whether the decoder's layers have biases.
        norms: Whether a number is stored for every row.
    """

    rows: int
    cols: int
    latent: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    bias: bool
    norms: bool

    @property
    def decoder_layers(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the decoder's layers."""
        widths = (self.latent, *self.decoder, self.cols)
        return tuple(itertools.pairwise(widths))

    @property
    def numbers(self) -> int:
        """How many numbers are stored: latents, decoder and norms; the encoder is not."""
        decoder = sum(a * b + (b if self.bias else 0) for a, b in self.decoder_layers)
        return self.rows * (self.latent + self.norms) + decoder


def parse_widths(text: str, name: str) -> tuple[float, ...]:
    """Read widths of hidden layers in units of the latent, such as `2,4`; nothing if empty.

    Raises:
        CompressionError: One is not a number above 0, or there are too many.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_LAYERS:
        raise CompressionError(
            f"The option {name} has {len(parts)} layers; at most {MAX_LAYERS} are used."
        )
    return tuple(check_number(f"The option {name}", p, minimum=0.1, maximum=64) for p in parts)


def solve_shape(
    size: tuple[int, int],
    numbers: int,
    *,
    encoder: Sequence[float],
    decoder: Sequence[float],
    bias: bool,
    norms: bool,
    fill: bool,
    itemsize: int,
) -> Shape:
    """Return the autoencoder with the widest latent that a budget holds.

    Args:
        size: `[rows, cols]` of the matrix.
        numbers: How many numbers may be stored.
        encoder: Widths of its hidden layers in units of the latent.
        decoder: Likewise.
        bias: Whether the decoder has biases.
        norms: Whether norms are stored.
        fill: Spend what is left on wider hidden layers of the decoder, the last one first.
        itemsize: Bytes of a number, for the message.

    Raises:
        BudgetError: Not even a latent of one number fits.

    Source: the budget equation of Banaei et al. 2023, arXiv 2302.04045, solved for whole numbers.
    """
    rows, cols = size

    def of(latent: int) -> Shape:
        hidden = [
            tuple(max(1, round(width * latent)) for width in widths)
            for widths in (encoder, decoder)
        ]
        return Shape(rows, cols, latent, hidden[0], hidden[1], bias, norms)

    least = of(1).numbers
    if least > numbers:
        raise BudgetError(
            f"{numbers * itemsize:,} bytes hold no autoencoder of a {rows} × {cols} matrix: a "
            f"latent of one number needs at least {least * itemsize:,} bytes, a keep of "
            f"{format_keep(least / (rows * cols))}."
        )
    low, high = 1, min(rows, cols)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if of(middle).numbers <= numbers else (low, middle - 1)
    shape = of(low)
    return _filled(shape, numbers) if fill else shape


def _filled(shape: Shape, numbers: int) -> Shape:
    """Widen hidden layers while the budget allows it."""
    hidden = list(shape.decoder)
    for index in reversed(range(len(hidden))):
        widths = (shape.latent, *hidden, shape.cols)
        unit = widths[index] + widths[index + 2] + shape.bias
        now = Shape(**{**vars(shape), "decoder": tuple(hidden)})
        hidden[index] += max(0, numbers - now.numbers) // unit
    return Shape(**{**vars(shape), "decoder": tuple(hidden)})
