"""What a run tells while it works. Knows no torch, so that a page can be built without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compress_lib.results.records import RunRecord
from compress_lib.results.target_record import TargetRecord
from compress_lib.results.text_record import FillRecord, TextRecord
from compress_lib.results.token_record import DirectionRecord

if TYPE_CHECKING:
    from compress_lib.evaluation.likelihood import Comparison
    from compress_lib.models.loading import LanguageModel


@dataclass(frozen=True)
class Event:
    """Something happened; `fraction` is the share of the whole run that is done."""

    fraction: float
    message: str


@dataclass(frozen=True)
class Allocated(Event):
    """Bytes were shared out by estimated loss: nats a token, and the bytes of all that shared."""

    loss: float
    nbytes: int


@dataclass(frozen=True)
class TargetFinished(Event):
    """A weight was compressed."""

    record: TargetRecord
    direction: DirectionRecord | None


@dataclass(frozen=True)
class BlockScored(Event):
    """Another block of text was scored: a running estimate."""

    comparison: Comparison


@dataclass(frozen=True)
class Evaluated(Event):
    """All text was scored; the record lacks what both models are still to write and to solve."""

    record: RunRecord
    compressed: LanguageModel | None


@dataclass(frozen=True)
class TextWritten(Event):
    """Both models continued a prompt."""

    text: TextRecord


@dataclass(frozen=True)
class MaskFilled(Event):
    """Both models filled in the masks of a prompt."""

    fill: FillRecord


@dataclass(frozen=True)
class PassedOver(Event):
    """One of several plans was refused; `why` is the refusal itself."""

    why: str = ""


@dataclass(frozen=True)
class Finished(Event):
    """The run is over. `stored` says that the record is from an earlier run.

    `compressed` is the compressed model, None with a stored record.
    """

    record: RunRecord
    stored: bool
    compressed: LanguageModel | None


def finished(events: Iterable[Event]) -> Finished:
    """Return the event that a run ends with."""
    for event in events:
        if isinstance(event, Finished):
            return event
    raise AssertionError("a run ends with Finished")
