"""Paired comparison of two runs: differences per block of the same text."""

from __future__ import annotations

import math
from dataclasses import dataclass

from compress_lib.errors import CompressionError
from compress_lib.results.confidence import Ends, exponential, interval_around, ratio_standard_error
from compress_lib.results.describe import describe
from compress_lib.results.records import RunRecord


@dataclass(frozen=True)
class PairedDifference:
    """Difference between two runs, second relative to first.

    Attributes:
        ratio: Perplexity of the second ÷ that of the first.
        ratio_interval: Its 95% confidence interval from paired differences per block; None
            without blocks or with a single one.
        kl: KL of the second − that of the first, in nats per token.
        kl_interval: Its 95% confidence interval, likewise.
        bytes: Bytes of the second − those of the first.
    """

    ratio: float
    ratio_interval: Ends | None
    kl: float
    kl_interval: Ends | None
    bytes: int

    @property
    def certain(self) -> bool:
        """Whether the difference is significant: the interval of the ratio excludes 1."""
        ends = self.ratio_interval
        return ends is not None and not ends[0] <= 1 <= ends[1]

    @property
    def certain_by_kl(self) -> bool:
        """Whether the difference in KL is significant: its interval excludes 0."""
        ends = self.kl_interval
        return ends is not None and not ends[0] <= 0 <= ends[1]


def conditions(record: RunRecord) -> tuple[object, ...]:
    """Return the conditions that must be equal for two runs to be comparable."""
    ppl = record.perplexity
    # The seed determines which words are masked.
    seed = record.plan.seed if ppl.protocol == "whole_word" else None
    text = (ppl.digest, ppl.tokens, ppl.context, ppl.protocol, seed)
    return (record.model.id, record.model.revision, *text)


def compare_runs(first: RunRecord, second: RunRecord) -> PairedDifference:
    """Compare two runs block by block.

    Args:
        first: The reference.
        second: The run that is compared with it.

    Raises:
        CompressionError: The runs have different models or evaluation tokens, or both
            perplexities are infinite.
    """
    one, other = first.perplexity, second.perplexity
    if conditions(first) != conditions(second):
        raise CompressionError(
            f"{describe(first)} and {describe(second)} cannot be compared: they are not runs of "
            "the same model on the same tokens of the same text."
        )
    nll = kl = None
    blocks = list(zip(one.blocks, other.blocks, strict=False))
    same = len(one.blocks) == len(other.blocks)
    if same and all(a.predictions == b.predictions for a, b in blocks):
        counts = [a.predictions for a, _ in blocks]
        nll = ratio_standard_error([b.nll - a.nll for a, b in blocks], counts)
        kl = ratio_standard_error([b.kl - a.kl for a, b in blocks], counts)
    if math.isinf(one.compressed) and math.isinf(other.compressed):
        raise CompressionError("Both perplexities are infinite, so their ratio is undefined.")
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
