"""Runs on a GPU that is lent for a while, as ZeroGPU Spaces lend theirs.

The GPU is there only inside a function that the package `spaces` wraps: it forks, hands arguments
and results over as pickles, and ends the process some time later. So a whole run goes there, by
an engine of that process, and what it tells comes back step by step. Weights are fetched and plans
are checked before, on the CPU; studies stay there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import gradio as gr

from compress_lib.errors import CompressionError
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE
from compress_lib.runs.events import EvaluationFinished, RunFinished
from compress_lib.ui.common import texts
from compress_lib.ui.engine.engine import Engine
from compress_lib.utils.profiles import LENT_SECONDS, limits
from compress_lib.utils.progress import Event, Report, subrange

Told = Generator[list[Any], None, None]
"""What a run tells, as much at a time as there is."""

LONGER = 3
"""Times the usual seconds for what learns: from gradients, or by training."""


@dataclass(frozen=True)
class Refused:
    """The run is refused. As an exception it would come back without its message."""

    message: str


class ZeroGpuEngine(Engine):
    """Prepares plans here, on the CPU, and runs each on a lent GPU.

    Args:
        lend: Wraps a function that needs the GPU, given how many seconds it takes for its
            arguments; `spaces.GPU` if None.
        more: As of `Engine`.
    """

    keeps_models = False

    def __init__(self, lend: Callable[..., Any] | None = None, **more: Any) -> None:
        super().__init__(device="cpu", **more)
        self._lent: Callable[[dict[str, Any]], Told] = (lend or _spaces())(duration=seconds)(
            run_on_gpu
        )

    def _execute(self, plan: Plan, report: Report) -> None:
        """See `Engine._execute`."""
        model = self.load(plan.model, plan.revision, self.device, subrange(report, 0.0, 0.0))
        allocate(plan, model.targets)
        last = Event(0.0, texts.LENDING)
        report(last)
        steps = self._lent(plan.to_json())
        try:
            for events in steps:
                for event in events:
                    if isinstance(event, Refused):
                        raise CompressionError(event.message)
                    self._keep(plan, event)
                    report(event)
                    last = Event(event.fraction, event.message)
                if not events:
                    # Repeated where nothing is new, because a report is where a stop takes effect.
                    report(last)
        except gr.Error as error:
            # No GPU is free, the quota is used up, the time is over: no bug of anybody here.
            raise CompressionError(str(error.message)) from error
        finally:
            steps.close()


def run_on_gpu(plan: dict[str, Any]) -> Told:
    """Run a plan in the process that has the GPU; everything that is yielded can be pickled."""
    engine = _engine_there()
    try:
        for events in engine.line.follow(engine.submit(Plan.from_json(plan))):
            yield [
                replace(event, compressed=None)
                if isinstance(event, EvaluationFinished | RunFinished)
                else event
                for event in events
            ]
    except CompressionError as error:
        yield [Refused(str(error))]


@cache
def _engine_there() -> Engine:
    """Return the engine of the process that has the GPU, which may serve several runs."""
    return Engine(device="auto")


def seconds(plan: dict[str, Any]) -> int:
    """Return how long a plan needs the GPU at most."""
    usual = limits().get(LENT_SECONDS, 60)
    rules = [rule for rule in Plan.from_json(plan).rules if rule.method != DENSE]
    methods = [rule.build(0) for rule in rules]
    learns = any(method.iterative or method.required_statistics for method in methods)
    learns = learns or any(rule.allocation != "uniform" for rule in rules)
    return usual * (LONGER if learns else 1)


def _spaces() -> Callable[..., Any]:
    try:
        import spaces
    except ImportError as error:
        raise CompressionError(texts.NO_SPACES) from error
    wrap: Callable[..., Any] = spaces.GPU
    return wrap
