"""HTTP endpoints of the page, which are also MCP tools if `mcp` is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast, get_args, get_origin, get_type_hints

import gradio as gr
from gradio.events import api

from compress_lib.errors import CompressionError
from compress_lib.models.catalogue import CATALOGUE
from compress_lib.plan.allocation import allocate
from compress_lib.plan.forecast import forecast_loss
from compress_lib.plan.plan import Plan
from compress_lib.results.describe import describe
from compress_lib.results.landmarks import load_landmarks
from compress_lib.results.paired import compare_runs
from compress_lib.results.records import RunRecord
from compress_lib.runs.events import RunFinished
from compress_lib.ui.api.types import (
    ComparisonResponse,
    EstimateResponse,
    Offer,
    Record,
    Standing,
    Summary,
)
from compress_lib.ui.common import texts
from compress_lib.ui.engine import session_runs
from compress_lib.ui.engine.engine import Engine
from compress_lib.ui.form import binding
from compress_lib.utils.progress import Event


class Endpoints:
    """Named endpoints for Gradio clients and MCP agents.

    Args:
        engine: Runs plans and finds runs.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def register(self) -> None:
        """Register all endpoints; call it inside the page's `gr.Blocks`."""
        for function in (self.models, self.landmarks, self.estimate, self.compare):
            api(_resolve_annotations(function), api_name=function.__name__, queue=False)
        api(
            _resolve_annotations(self.compress),
            api_name="compress",
            concurrency_id="run",
            concurrency_limit=None,
        )

    def models(self) -> list[Offer]:
        """List the models of the catalogue: name, Hub ID, number of parameters, license."""
        return [
            {
                "name": entry.name,
                "hub_id": entry.hub_id,
                "parameters": entry.parameters,
                "license": entry.license,
            }
            for entry in CATALOGUE.values()
        ]

    def landmarks(self) -> list[Summary]:
        """List the precomputed runs: key, description, plan and metrics of each."""
        return [_summary(record) for record in load_landmarks()]

    def estimate(self, plan: dict[str, Any]) -> EstimateResponse:
        """Predict a plan's bytes, ranks and loss increase without running it.

        Args:
            plan: A plan as JSON, as in a record; missing fields take their defaults.
        """
        with _raising_gradio_errors():
            checked = _check_plan(plan)
            targets, total = session_runs.find_targets(self.engine, checked.model)
            if not targets:
                raise CompressionError(texts.UNKNOWN_SHAPES)
            assigned = allocate(checked, targets)
        before = sum(item.nbytes for item in assigned)
        after = sum(item.preview.nbytes for item in assigned)
        kept = sum(item.retained_bytes for item in assigned)
        return {
            "expected_loss": forecast_loss(assigned, checked.model),
            "bytes_before": total,
            "bytes_after": total - before + after + kept,
            "matrices": [
                {
                    "name": item.name,
                    "method": item.method.name,
                    "rank": item.preview.rank,
                    "bytes_before": item.nbytes,
                    "bytes_after": item.preview.nbytes,
                    "break_even_rank": item.break_even_rank,
                }
                for item in assigned
            ],
        }

    def compress(self, plan: dict[str, Any]) -> Iterator[Standing | Record]:
        """Run a plan, or find its stored result; stream the progress and finally the record.

        Cancelling the call stops the run.

        Args:
            plan: A plan as JSON, as in a record; missing fields take their defaults.
        """
        with _raising_gradio_errors():
            job = self.engine.submit(_check_plan(plan))
            steps = self.engine.queue.follow(job)
            standing: Standing = {"status": texts.STARTING, "fraction": 0.0}
            try:
                for events in steps:
                    for event in events:
                        if isinstance(event, RunFinished):
                            yield cast(Record, event.record.to_json())
                            return
                        standing = _standing(event, standing["fraction"])
                    ahead = self.engine.queue.position(job)
                    waits: Standing = {**standing, "status": texts.WAITING.format(ahead=ahead)}
                    yield waits if ahead else standing
            finally:
                steps.close()

    def compare(self, first: str, second: str) -> ComparisonResponse:
        """Compare two runs on the same text by paired differences over text blocks.

        Args:
            first: Key of the reference run.
            second: Key of the other run.
        """
        with _raising_gradio_errors():
            one, other = (self._find(key) for key in (first, second))
            difference = compare_runs(one, other)
        return {
            "first": _summary(one),
            "second": _summary(other),
            "perplexity_ratio": difference.ratio,
            "perplexity_ratio_interval": difference.ratio_interval,
            "kl_difference": difference.kl,
            "kl_difference_interval": difference.kl_interval,
            "bytes_difference": difference.bytes,
        }

    def _find(self, key: str) -> RunRecord:
        record = session_runs.lookup(self.engine, key)
        if record is None:
            raise CompressionError(texts.NO_RUN.format(key=str(key)[:40]))
        return record


def _resolve_annotations(method: Any) -> Any:
    """Resolve a method's type annotations in place.

    Gradio 6.31 does not resolve string annotations of return types. A generator gets the type of
    its items.
    """
    hints = get_type_hints(method.__func__)
    if get_origin(hints["return"]) is Iterator:
        (hints["return"],) = get_args(hints["return"])
    method.__func__.__annotations__.update(hints)
    return method


def _standing(event: Event, before: float) -> Standing:
    """Return the progress of a run; the fraction never falls below `before`."""
    return {"status": event.message, "fraction": max(before, round(event.fraction, 4))}


@contextmanager
def _raising_gradio_errors() -> Iterator[None]:
    """Convert `CompressionError` to `gr.Error`, whose message reaches clients."""
    try:
        yield
    except CompressionError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _check_plan(plan: object) -> Plan:
    """Return a client's plan, validated with the limits of the page's form.

    Raises:
        CompressionError: It is not a plan, cannot be shown by the form, or exceeds a limit.
    """
    given = Plan.from_json(plan)
    shown, same = binding.round_trip(given)
    if not same:
        raise CompressionError(texts.MORE_THAN_THE_PAGE)
    return replace(shown, revision=given.revision)


def _summary(record: RunRecord) -> Summary:
    metrics = {name: value for name, value in record.metrics().items() if value is not None}
    return {
        "key": record.key,
        "run": describe(record),
        "plan": record.plan.to_json(),
        "metrics": metrics,
    }
