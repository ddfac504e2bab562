"""What calibration text says about a weight: only what the chosen methods need is gathered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from compress_lib.errors import CompressionError

if TYPE_CHECKING:
    from torch import Tensor

    from compress_lib.matrices import CompressedMatrix


@dataclass(frozen=True)
class Statistics:
    """What is known about one target.

    Attributes:
        num_tokens: How many calibration tokens were seen.
        row_counts: `[rows]`, how often each row of a token table was used.
        perplexity: Gives the perplexity on calibration text of the model in which only this
            weight is replaced; for methods that choose by it.
    """

    num_tokens: int = 0
    row_counts: Tensor | None = None
    perplexity: Callable[[CompressedMatrix], float] | None = None

    def require(self, name: str) -> Any:
        """Return a field that a method needs.

        Raises:
            CompressionError: It was not gathered.
        """
        value = getattr(self, name)
        if value is None:
            raise CompressionError(
                f"This method needs {name}, which was not gathered: calibration text is missing. "
                "Use compress_model, or fill in Statistics."
            )
        return value


KINDS = frozenset(field.name for field in fields(Statistics)) - {"num_tokens"}
"""Everything that a method's `needs` may name."""


def count_rows(ids: Tensor, rows: int) -> Tensor:
    """Count how often each token occurs.

    Args:
        ids: Token ids, any shape.
        rows: Size of the vocabulary's table.

    Returns:
        `[rows]` counts.
    """
    return ids.flatten().bincount(minlength=rows)[:rows]
