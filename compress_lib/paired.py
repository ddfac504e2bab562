"""Two runs on the same text, compared block by block. Knows no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from compress_lib.errors import CompressionError
from compress_lib.results import RunRecord
from compress_lib.spread import ratio_error

INTERVAL = 1.96
"""Standard errors on either side of a 95 % interval of a normal variable."""


@dataclass(frozen=True)
class Paired:
    """How a second run differs from a first.

    Attributes:
        ratio: Perplexity of the second ÷ that of the first.
        ratio_interval: 95 %, from differences block by block; None where blocks are not known,
            or only one is.
        kl: KL of the second − that of the first, in nats a token.
        kl_interval: Likewise.
        bytes: Of the second − of the first.
    """

    ratio: float
    ratio_interval: tuple[float, float] | None
    kl: float
    kl_interval: tuple[float, float] | None
    bytes: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out that both are equally good."""
        ends = self.ratio_interval
        return ends is not None and not ends[0] <= 1 <= ends[1]


def paired(first: RunRecord, second: RunRecord) -> Paired:
    """Compare two runs.

    Raises:
        CompressionError: They were not measured on the same tokens.
    """
    one, other = first.perplexity, second.perplexity
    if (one.digest, one.tokens, one.context, one.protocol) != (
        other.digest,
        other.tokens,
        other.context,
        other.protocol,
    ):
        raise CompressionError("The two runs were measured on different tokens.")
    nll = kl = None
    blocks = list(zip(one.blocks, other.blocks, strict=False))
    same = len(one.blocks) == len(other.blocks)
    if same and all(a.predictions == b.predictions for a, b in blocks):
        counts = [a.predictions for a, _ in blocks]
        nll = ratio_error([b.nll - a.nll for a, b in blocks], counts)
        kl = ratio_error([b.kl - a.kl for a, b in blocks], counts)
    difference = math.log(other.compressed) - math.log(one.compressed)
    divergence = second.agreement.kl - first.agreement.kl
    return Paired(
        ratio=math.exp(difference),
        ratio_interval=None if nll is None else _around(difference, nll, math.exp),
        kl=divergence,
        kl_interval=None if kl is None else _around(divergence, kl, float),
        bytes=second.memory.compressed_bytes - first.memory.compressed_bytes,
    )


def _around(value: float, error: float, shown: Callable[[float], float]) -> tuple[float, float]:
    """Return both ends of an interval, as they are shown."""
    return shown(value - INTERVAL * error), shown(value + INTERVAL * error)
