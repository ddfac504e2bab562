"""Run events: a fraction, a message, and the payload of each step. Does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.results.token_record import DirectionRecord
from compress_lib.utils.progress import Event, Milestone

if TYPE_CHECKING:
    from compress_lib.evaluation.likelihood import Comparison
    from compress_lib.models.loading import LanguageModel


@dataclass(frozen=True)
class BudgetAllocated(Milestone):
    """Bytes were allocated by estimated loss.

    Attributes:
        loss: The estimated loss increase, in nats per token.
        nbytes: Total bytes of the allocated targets.
    """

    loss: float
    nbytes: int


@dataclass(frozen=True)
class TargetCompressed(Milestone):
    """A weight was compressed."""

    record: TargetRecord
    direction: DirectionRecord | None


@dataclass(frozen=True)
class BlockScored(Milestone):
    """Another block of text was scored; contains the running estimate."""

    comparison: Comparison


@dataclass(frozen=True)
class EvaluationFinished(Milestone):
    """All text was scored; the record still lacks generated text and tasks."""

    record: RunRecord
    compressed: LanguageModel | None


@dataclass(frozen=True)
class TextProgress(Event):
    """One model generated another token.

    Attributes:
        prompt: The prompt.
        which: `baseline` or `compressed`.
        text: The text generated so far.
    """

    prompt: str
    which: str
    text: str


@dataclass(frozen=True)
class TextWritten(Milestone):
    """Both models continued a prompt."""

    text: TextRecord


@dataclass(frozen=True)
class MaskFilled(Milestone):
    """Both models filled in the masks of a prompt."""

    fill: FillRecord


@dataclass(frozen=True)
class PlanSkipped(Milestone):
    """One of several plans was rejected; `reason` is the error message."""

    reason: str = ""


@dataclass(frozen=True)
class RunFinished(Milestone):
    """The run is finished.

    Attributes:
        record: The results.
        stored: Whether the record is from an earlier run.
        compressed: The compressed model; None with a stored record.
    """

    record: RunRecord
    stored: bool
    compressed: LanguageModel | None
