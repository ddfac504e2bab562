"""Jobs of the engine: a task in the line, who asked for it, and what it tells."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from compress_lib.utils.progress import Progress


@dataclass(frozen=True)
class ProgressNote:
    """How far a job is."""

    fraction: float
    message: str


@dataclass(frozen=True)
class WritingNote:
    """What one of the models has written so far."""

    prompt: str
    which: str
    text: str


@dataclass
class Job:
    """A task in the line. `notes` receives what it tells until `future` is done."""

    task: Callable[[Progress, Callable[[Any], None]], None]
    notes: queue.Queue[Any] = field(default_factory=queue.Queue)
    stop: threading.Event = field(default_factory=threading.Event)
    future: Future[None] | None = None
    owner: str | None = None


def nobody() -> None:
    """Say that it is not known who asks."""
