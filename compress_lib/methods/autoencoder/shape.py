"""The largest autoencoder that a budget holds. Knows no torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from compress_lib.errors import BudgetError, CompressionError, check_number
from compress_lib.methods.low_rank.storage_sizes import FactorStorage
from compress_lib.utils.formatting import format_keep

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
        flat: Whether it is stored as two factors, nothing following its only layer.
    """

    rows: int
    cols: int
    latent: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]
    bias: bool
    norms: bool
    flat: bool = False

    @property
    def decoder_layers(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the decoder's layers."""
        widths = (self.latent, *self.decoder, self.cols)
        return tuple(itertools.pairwise(widths))

    @property
    def numbers(self) -> int:
        """How many numbers are stored: latents, decoder and norms; the encoder is not."""
        decoder = sum(a * b for a, b in self.decoder_layers)
        return self.rows * self.latent + decoder + self._vectors

    @property
    def _vectors(self) -> int:
        """Numbers of biases and norms."""
        biases = sum(outputs for _, outputs in self.decoder_layers) if self.bias else 0
        return biases + (self.rows if self.norms else 0)

    def nbytes(self, itemsize: int, storage: FactorStorage) -> int:
        """The bytes of latents and decoder in their storage, and of biases and norms."""
        if self.flat:
            return self._vectors * itemsize + storage.nbytes(
                (self.rows, self.cols), self.latent, itemsize
            )
        sizes = [(self.rows, self.latent), *((b, a) for a, b in self.decoder_layers)]
        matrices = sum(storage.matrix_bytes(*size, itemsize) for size in sizes)
        return self._vectors * itemsize + matrices


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
    flat: bool = False,
    storage: FactorStorage | None = None,
) -> Shape:
    """Return the autoencoder with the widest latent that a budget holds.

    Args:
        size: `[rows, cols]` of the matrix.
        numbers: How many numbers of the checkpoint's type could be stored.
        encoder: Widths of its hidden layers in units of the latent.
        decoder: Likewise.
        bias: Whether the decoder has biases.
        norms: Whether norms are stored.
        fill: Spend what is left on wider hidden layers of the decoder, the last one first.
        itemsize: Bytes of a number.
        flat: Whether the result is stored as two factors.
        storage: How latents and weights are stored; as numbers, if left out.

    Raises:
        BudgetError: Not even a latent of one number fits.

    Source: the budget equation of Banaei et al. 2023, arXiv 2302.04045, solved for whole numbers.
    """
    rows, cols = size
    how, budget = storage or FactorStorage(), numbers * itemsize

    def of(latent: int) -> Shape:
        hidden = [
            tuple(max(1, round(width * latent)) for width in widths)
            for widths in (encoder, decoder)
        ]
        return Shape(rows, cols, latent, hidden[0], hidden[1], bias, norms, flat)

    def fits(shape: Shape) -> bool:
        return shape.nbytes(itemsize, how) <= budget

    least = of(1).nbytes(itemsize, how)
    if least > budget:
        raise BudgetError(
            f"{budget:,} bytes hold no autoencoder of a {rows} × {cols} matrix: a latent of one "
            f"number needs at least {least:,} bytes, a keep of "
            f"{format_keep(least / (rows * cols * itemsize))}."
        )
    shape = of(_largest(1, min(rows, cols), lambda latent: fits(of(latent))))
    return _widen(shape, budget, fits) if fill else shape


def _widen(shape: Shape, budget: int, fits: Callable[[Shape], bool]) -> Shape:
    """Widen the decoder's hidden layers while what is left allows it, the last one first."""
    for index in reversed(range(len(shape.decoder))):
        shape = _widest(shape, index, budget, fits)
    return shape


def _widest(shape: Shape, index: int, budget: int, fits: Callable[[Shape], bool]) -> Shape:
    """Make one hidden layer of the decoder as wide as fits."""

    def of(width: int) -> Shape:
        hidden = (*shape.decoder[:index], width, *shape.decoder[index + 1 :])
        return replace(shape, decoder=hidden)

    # No unit takes less than a bit.
    low = shape.decoder[index]
    return of(_largest(low, low + 8 * budget, lambda width: fits(of(width))))


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number from `low`, which fits, to `high` that fits."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
