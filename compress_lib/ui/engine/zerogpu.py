"""ZeroGPU engine: runs each plan in a process that has a GPU for a limited time.

On a ZeroGPU Space the GPU is available only inside a function wrapped by the package `spaces`,
which forks a process, passes arguments and results as pickles, and later ends the process. Each
run is executed there by that process's own engine, and its events are streamed back. Weights are
downloaded and plans are validated beforehand on the CPU; studies also run on the CPU.
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

EventBatches = Generator[list[Any], None, None]
"""Batches of a run's events."""

LONGER = 3
"""Factor on the GPU time of plans that train or need calibration statistics."""


@dataclass(frozen=True)
class Refused:
    """A rejected run. An exception would lose its message between the processes."""

    message: str


class ZeroGpuEngine(Engine):
    """Engine that prepares plans on the CPU and runs them on a ZeroGPU device.

    Args:
        lend: Decorator factory for functions that need the GPU. Its argument `duration` maps the
            arguments of the function to seconds. `spaces.GPU` if None.
        more: Other arguments of `Engine`.
    """

    keeps_models = False

    def __init__(self, lend: Callable[..., Any] | None = None, **more: Any) -> None:
        super().__init__(device="cpu", **more)
        self._lent: Callable[[dict[str, Any]], EventBatches] = (lend or _spaces())(
            duration=seconds
        )(run_on_gpu)

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
                    # Report even if nothing is new: a stop takes effect in `report`.
                    report(last)
        except gr.Error as error:
            # No free GPU, quota exceeded or time limit reached: not an internal error.
            raise CompressionError(str(error.message)) from error
        finally:
            steps.close()


def run_on_gpu(plan: dict[str, Any]) -> EventBatches:
    """Run a plan in the process with the GPU; yield only events that can be pickled."""
    engine = _engine_there()
    try:
        for events in engine.queue.follow(engine.submit(Plan.from_json(plan))):
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
    """Return the engine of the GPU process, which may serve several runs."""
    return Engine(device="auto")


def seconds(plan: dict[str, Any]) -> int:
    """Return the GPU seconds to request for a plan."""
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
