"""Two runs on the same text, compared block by block. Knows no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compress_lib.errors import CompressionError
from compress_lib.results.confidence import Ends, exponential, interval_around, ratio_standard_error
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord


@dataclass(frozen=True)
class PairedDifference:
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
    ratio_interval: Ends | None
    kl: float
    kl_interval: Ends | None
    bytes: int

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out that both are equally good."""
        ends = self.ratio_interval
        return ends is not None and not ends[0] <= 1 <= ends[1]

    @property
    def certain_by_kl(self) -> bool:
        """Whether the interval leaves out that both are equally far from the original."""
        ends = self.kl_interval
        return ends is not None and not ends[0] <= 0 <= ends[1]


def conditions(record: RunRecord) -> tuple[object, ...]:
    """Return what must be equal of two runs for their numbers to stand side by side."""
    ppl = record.perplexity
    # The seed decides which words are hidden.
    seed = record.plan.seed if ppl.protocol == "whole_word" else None
    text = (ppl.digest, ppl.tokens, ppl.context, ppl.protocol, seed)
    return (record.model.id, record.model.revision, *text)


def compare_runs(first: RunRecord, second: RunRecord) -> PairedDifference:
    """Compare two runs.

    Raises:
        CompressionError: They are not of one model, or were not measured on the same predictions.
    """
    one, other = first.perplexity, second.perplexity
    if conditions(first) != conditions(second):
        raise CompressionError(
            f"{describe(first)} and {describe(second)} are not of the same model, or were not "
            "measured on the same tokens of the same text, so they cannot be compared."
        )
    nll = kl = None
    blocks = list(zip(one.blocks, other.blocks, strict=False))
    same = len(one.blocks) == len(other.blocks)
    if same and all(a.predictions == b.predictions for a, b in blocks):
        counts = [a.predictions for a, _ in blocks]
        nll = ratio_standard_error([b.nll - a.nll for a, b in blocks], counts)
        kl = ratio_standard_error([b.kl - a.kl for a, b in blocks], counts)
    if math.isinf(one.compressed) and math.isinf(other.compressed):
        raise CompressionError("Both perplexities are beyond any number: there is no ratio.")
    difference = math.log(other.compressed) - math.log(one.compressed)
    divergence = second.agreement.kl - first.agreement.kl
    return PairedDifference(
        ratio=exponential(difference),
        ratio_interval=None if nll is None else _ratio_ends(difference, nll, len(blocks)),
        kl=divergence,
        kl_interval=None if kl is None else interval_around(divergence, kl, len(blocks)),
        bytes=second.memory.compressed_bytes - first.memory.compressed_bytes,
    )


def _ratio_ends(difference: float, error: float, draws: int) -> Ends:
    low, high = interval_around(difference, error, draws)
    return exponential(low), exponential(high)
