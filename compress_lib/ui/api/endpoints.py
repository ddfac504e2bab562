"""What programs may ask of the page; where `mcp` is installed agents may, too."""

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
    """The page's named endpoints.

    Args:
        engine: Runs plans, and knows the runs that were made.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def register(self) -> None:
        """Offer every endpoint by its name; call it inside the page's blocks."""
        for function in (self.models, self.landmarks, self.estimate, self.compare):
            api(_resolve_annotations(function), api_name=function.__name__, queue=False)
        api(
            _resolve_annotations(self.compress),
            api_name="compress",
            concurrency_id="run",
            concurrency_limit=None,
        )

    def models(self) -> list[Offer]:
        """The models on offer: name, Hub id, number of weights, license."""
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
        """The runs measured beforehand: key, description, plan and metrics of each."""
        return [_summary(record) for record in load_landmarks()]

    def estimate(self, plan: dict[str, Any]) -> EstimateResponse:
        """What a plan would do, without doing it: bytes, ranks, the expected growth of the loss.

        Args:
            plan: A plan as JSON, as in a record; what is missing takes its default.
        """
        with _raising_gradio_errors():
            wanted = _check_plan(plan)
            targets, whole = session_runs.find_targets(self.engine, wanted.model)
            if not targets:
                raise CompressionError(texts.UNKNOWN_SHAPES)
            assigned = allocate(wanted, targets)
        before = sum(item.nbytes for item in assigned)
        after = sum(item.preview.nbytes for item in assigned)
        kept = sum(item.retained_bytes for item in assigned)
        return {
            "expected_loss": forecast_loss(assigned, wanted.model),
            "bytes_before": whole,
            "bytes_after": whole - before + after + kept,
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
        """Run a plan, or find its stored result: says how far it is, and at last gives the record.

        Whoever cancels it stops the run.

        Args:
            plan: A plan as JSON, as in a record; what is missing takes its default.
        """
        with _raising_gradio_errors():
            job = self.engine.submit(_check_plan(plan))
            steps = self.engine.line.follow(job)
            standing: Standing = {"status": texts.STARTING, "fraction": 0.0}
            try:
                for events in steps:
                    for event in events:
                        if isinstance(event, RunFinished):
                            yield cast(Record, event.record.to_json())
                            return
                        standing = _standing(event, standing["fraction"])
                    ahead = self.engine.line.position(job)
                    waits: Standing = {**standing, "status": texts.WAITING.format(ahead=ahead)}
                    yield waits if ahead else standing
            finally:
                steps.close()

    def compare(self, first: str, second: str) -> ComparisonResponse:
        """How a second run differs from a first, block by block of the same text.

        Args:
            first: The key of a run.
            second: The key of another one.
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
    """Resolve a method's annotations: Gradio 6.31 takes what it returns as it is written.

    Of what comes one by one, each is what is returned.
    """
    found = get_type_hints(method.__func__)
    if get_origin(found["return"]) is Iterator:
        (found["return"],) = get_args(found["return"])
    method.__func__.__annotations__.update(found)
    return method


def _standing(event: Event, before: float) -> Standing:
    """Return how far a run is; it never goes back, though its steps are estimated roughly."""
    return {"status": event.message, "fraction": max(before, round(event.fraction, 4))}


@contextmanager
def _raising_gradio_errors() -> Iterator[None]:
    """Let a client read what is wrong: only a `gr.Error` reaches it."""
    try:
        yield
    except CompressionError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _check_plan(plan: object) -> Plan:
    """Return the plan of a client, within the limits that hold for the page's own form.

    Raises:
        CompressionError: It is no plan, says more than the form can, or is beyond a limit.
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
