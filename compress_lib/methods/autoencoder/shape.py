"""Solve for the largest autoencoder that fits a byte budget."""

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
    """Layer sizes of an autoencoder for a matrix `[rows, cols]`.

    Attributes:
        rows: Number of rows; each has its own latent vector.
        cols: Width of a row.
        latent: Width of a latent vector.
        encoder: Hidden layer widths of the encoder, from input to latent; empty if linear.
        decoder: Hidden layer widths of the decoder, from latent to output; empty if linear.
        bias: Whether the decoder's layers have biases.
        norms: Whether one norm is stored per row.
        flat: Whether it is stored as two factors: a linear decoder with nothing after its layer.
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
        """Input and output widths of each decoder layer."""
        widths = (self.latent, *self.decoder, self.cols)
        return tuple(itertools.pairwise(widths))

    @property
    def numbers(self) -> int:
        """Count of stored numbers: latents, decoder and norms; the encoder is not stored."""
        decoder = sum(a * b for a, b in self.decoder_layers)
        return self.rows * self.latent + decoder + self._vectors

    @property
    def _vectors(self) -> int:
        """Count of biases and norms."""
        biases = sum(outputs for _, outputs in self.decoder_layers) if self.bias else 0
        return biases + (self.rows if self.norms else 0)

    def nbytes(self, itemsize: int, storage: FactorStorage) -> int:
        """Return the stored bytes of latents, decoder, biases and norms.

        Args:
            itemsize: Bytes of a number in the checkpoint's type.
            storage: Storage format of the latents and the decoder's weights.
        """
        if self.flat:
            return self._vectors * itemsize + storage.nbytes(
                (self.rows, self.cols), self.latent, itemsize
            )
        sizes = [(self.rows, self.latent), *((b, a) for a, b in self.decoder_layers)]
        matrices = sum(storage.matrix_bytes(*size, itemsize) for size in sizes)
        return self._vectors * itemsize + matrices


def parse_widths(text: str, name: str) -> tuple[float, ...]:
    """Parse hidden layer widths in multiples of the latent width, such as `2,4`.

    Args:
        text: Comma-separated numbers; an empty text has none.
        name: Name of the option, for error messages.

    Raises:
        CompressionError: A width is not a number from 0.1 to 64, or there are over `MAX_LAYERS`.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_LAYERS:
        raise CompressionError(
            f"The option {name} has {len(parts)} layers; at most {MAX_LAYERS} are allowed."
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
    """Return the autoencoder with the widest latent that fits the budget.

    Args:
        size: `[rows, cols]` of the matrix.
        numbers: Budget, in numbers of the checkpoint's type.
        encoder: Hidden layer widths of the encoder in multiples of the latent width.
        decoder: Hidden layer widths of the decoder, likewise.
        bias: Whether the decoder has biases.
        norms: Whether row norms are stored.
        fill: Spend leftover bytes on wider hidden layers of the decoder, the last layer first.
        itemsize: Bytes of a number in the checkpoint's type.
        flat: Whether the result is stored as two factors.
        storage: Storage format of latents and weights; the checkpoint's type by default.

    Raises:
        BudgetError: Not even a latent of width 1 fits.

    Source: the budget equation of Banaei et al. 2023, arXiv 2302.04045, solved for integers.
    """
    rows, cols = size
    stored_as, budget = storage or FactorStorage(), numbers * itemsize

    def with_latent(latent: int) -> Shape:
        hidden = [
            tuple(max(1, round(width * latent)) for width in widths)
            for widths in (encoder, decoder)
        ]
        return Shape(rows, cols, latent, hidden[0], hidden[1], bias, norms, flat)

    def fits(shape: Shape) -> bool:
        return shape.nbytes(itemsize, stored_as) <= budget

    _check_smallest(with_latent(1), budget, itemsize, stored_as)
    shape = with_latent(_largest(1, min(rows, cols), lambda latent: fits(with_latent(latent))))
    return _widen(shape, budget, fits) if fill else shape


def _check_smallest(shape: Shape, budget: int, itemsize: int, storage: FactorStorage) -> None:
    rows, cols, least = shape.rows, shape.cols, shape.nbytes(itemsize, storage)
    if least > budget:
        raise BudgetError(
            f"{budget:,} bytes are too few for an autoencoder of a {rows} × {cols} matrix: a "
            f"latent of width 1 needs at least {least:,} bytes, a keep of "
            f"{format_keep(least / (rows * cols * itemsize))}."
        )


def _widen(shape: Shape, budget: int, fits: Callable[[Shape], bool]) -> Shape:
    """Spend leftover bytes on the decoder's hidden layers, the last one first."""
    for index in reversed(range(len(shape.decoder))):
        shape = _widest(shape, index, budget, fits)
    return shape


def _widest(shape: Shape, index: int, budget: int, fits: Callable[[Shape], bool]) -> Shape:
    """Make one hidden layer of the decoder as wide as the budget allows."""

    def with_width(width: int) -> Shape:
        hidden = (*shape.decoder[:index], width, *shape.decoder[index + 1 :])
        return replace(shape, decoder=hidden)

    # A unit takes at least one bit, which bounds the search.
    low = shape.decoder[index]
    return with_width(_largest(low, low + 8 * budget, lambda width: fits(with_width(width))))


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number in [low, high] that fits, by bisection; `low` must fit."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
