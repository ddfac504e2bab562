"""What the page computes with: plans, studies and files become jobs; models and runs are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from cachetools import LRUCache

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.plan.plan import Plan
from compress_lib.results.store import Store
from compress_lib.runs.events import EvaluationFinished, PlanSkipped, RunFinished
from compress_lib.ui.common import texts
from compress_lib.ui.engine.job import Job, nobody
from compress_lib.ui.engine.model_cache import CompressedModelCache
from compress_lib.ui.engine.queue import JobQueue
from compress_lib.ui.engine.run_index import LandmarkStore, RunIndex
from compress_lib.utils.formatting import format_seconds
from compress_lib.utils.profiles import limits as served_limits
from compress_lib.utils.progress import (
    Event,
    Report,
    TrainingProgress,
    subrange,
)

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel
    from compress_lib.results.records import RunRecord
    from compress_lib.runs.studies import Study, StudyRecord


@dataclass(frozen=True)
class StudyProgress(Event):
    """A study measured another cell; `record` holds all rows so far."""

    record: StudyRecord


class Engine:
    """Runs plans one after the other and keeps the models that were used last.

    Args:
        store: Where runs are kept.
        device: See `models.choose_device`.
        limits: How many jobs may wait, how many of one person, and how many models stay loaded.
        asker: Tells who asks for a job just now, None if nobody knows.

    Attributes:
        runs: What was run here, and the landmarks.
        line: The jobs that wait, and the one that is done now.
        made: The compressed models that were made last.
    """

    keeps_models: ClassVar[bool] = True
    """Whether compressed models are made here, so that they can be taken away."""

    def __init__(
        self,
        store: Store | None = None,
        device: str = "auto",
        limits: dict[str, int] | None = None,
        asker: Callable[[], str | None] = nobody,
    ) -> None:
        self.runs = RunIndex(store or LandmarkStore())
        self.device = device
        self._limits = served_limits() | (limits or {})
        self.line = JobQueue(self._limits, asker)
        self.made = CompressedModelCache()
        self._models: LRUCache[tuple[str, str | None], LanguageModel] = LRUCache(
            self._limits["loaded_models"]
        )
        self._targets: dict[str, tuple[tuple[Target, ...], int]] = {}

    def submit(self, *plans: Plan) -> Job:
        """Queue plans as one job.

        What this engine ran before is answered at once. Of several plans, those that are refused
        are skipped and reported, unless all are.

        Raises:
            CompressionError: The queue is full.
        """

        def task(report: Report) -> None:
            refused: list[CompressionError] = []
            for index, plan in enumerate(plans):
                part = subrange(report, index / len(plans), (index + 1) / len(plans))
                try:
                    self._execute(plan, _with_run_number(part, index + 1, len(plans)))
                except CompressionError as error:
                    refused.append(error)
                    if len(refused) == len(plans):
                        raise
                    part(PlanSkipped(1.0, texts.SKIPPED.format(error=error), str(error)))

        return self._find_answers(plans) or self.line.submit(Job(task))

    def _find_answers(self, plans: Sequence[Plan]) -> Job | None:
        """Return a job that is done, if all its plans were run before."""
        records = [self.runs.find_by_plan(plan) for plan in plans]
        found = [record for record in records if record is not None and record.answered]
        if len(found) < len(plans):
            return None
        job = Job(lambda report: None, future=Future())
        for record in found:
            job.events.put(RunFinished(1.0, texts.STORED, record, True, None))
        assert job.future is not None
        job.future.set_result(None)
        return job

    def _execute(self, plan: Plan, report: Report) -> None:
        """Run a plan in this process."""
        from compress_lib.runs.execute import execute

        def keep(event: Event) -> None:
            self._keep(plan, event)
            report(event)

        execute(plan, keep, device=self.device, store=self.runs.store, load=self.load)

    def _keep(self, plan: Plan, event: Event) -> None:
        """Keep what an event brings before it is reported: who hears of a run can find it."""
        self.runs.record(plan, event)
        if isinstance(event, EvaluationFinished | RunFinished) and event.compressed is not None:
            self.made.add(event.record.key, event.compressed)

    def submit_study(self, study: Study, model: str) -> Job:
        """Queue a study; it reports a `StudyProgress` after every cell.

        Raises:
            CompressionError: The queue is full.
        """

        def task(report: Report) -> None:
            from compress_lib.runs.studies.measuring.runner import run_study
            from compress_lib.utils.files import home

            loaded = self.load(model, None, self.device, subrange(report, 0.0, 0.0))
            for record in run_study(study, loaded, home() / "studies", report=report):
                report(StudyProgress(0.0, self.line.activity, record))

        return self.line.submit(Job(task))

    def submit_task(self, task: Callable[[Report], None]) -> Job:
        """Queue anything else.

        Raises:
            CompressionError: The queue is full.
        """
        return self.line.submit(Job(task))

    def submit_with_models(
        self, record: RunRecord, task: Callable[[LanguageModel, LanguageModel, Report], None]
    ) -> Job:
        """Put at the end of the line what needs a run's original and compressed model.

        A compressed model that is not kept any more, as that of a run which somebody else made
        or which came with the program, is made again.

        Raises:
            CompressionError: The line is full, models are made elsewhere, or this one takes longer
                than the profile allows.
        """
        if not self.keeps_models:
            raise CompressionError(texts.MODEL_ELSEWHERE)
        took, most = record.seconds.get("compress", 0.0), self._limits.get("remake_seconds")
        if self.made.find(record.key) is None and most is not None and took > most:
            told = [format_seconds(seconds) for seconds in (took, most)]
            raise CompressionError(texts.MODEL_TOO_SLOW.format(took=told[0], most=told[1]))

        def work(report: Report) -> None:
            from compress_lib.runs.remake import remake

            original = self._original(record, subrange(report, 0.0, 0.0))
            compressed, begin = self.made.find(record.key), 0.0
            if compressed is None:
                begin = 0.8
                compressed = remake(record, original, subrange(report, 0.0, begin))
                self.made.add(record.key, compressed)
            task(original, compressed, subrange(report, begin, 1.0))

        return self.submit_task(work)

    def _original(self, record: RunRecord, report: Report) -> LanguageModel:
        """Give the very weights that a run had, which the newest ones of a model may not be."""
        name, revision = record.plan.model, record.model.revision
        for (kept, _), model in self._models.items():
            if kept == name and model.revision == revision:
                return model
        return self.load(name, revision, self.device, report)

    def warm(self) -> None:
        """Import torch and load the default model in the background."""
        self.line.submit_background(self._warm)

    def targets(self, model: str) -> tuple[tuple[Target, ...], int]:
        """Return the matrices and all bytes of a model that was loaded; nothing if it was not."""
        return self._targets.get(model, ((), 0))

    def load(self, model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
        """Give a model, loading it if it is not kept.

        Raises:
            CompressionError: It cannot be loaded; what a visitor cannot do is not advised.
        """
        from compress_lib.models.loading import load_model
        from compress_lib.models.stored_tensors import total_bytes

        key = (model, revision)
        if key not in self._models:
            # Memory is freed before another model is loaded.
            while len(self._models) >= self._limits["loaded_models"]:
                self._models.popitem()
            try:
                self._models[key] = load_model(
                    model, revision=revision, device=device, report=report
                )
            except ModelUnavailableError as error:
                if not error.advice:
                    raise
                raise ModelUnavailableError(error.fact, texts.UNAVAILABLE) from error
        found = self._models[key]
        self._targets[model] = (tuple(found.targets), total_bytes(found))
        return found

    def _warm(self) -> None:
        def report(event: Event) -> None:
            self.line.activity = event.message

        try:
            self.load(DEFAULT_MODEL, None, self.device, report)
        except ModelUnavailableError as error:
            # Whoever runs the model is told the same sentence; the page works without it.
            self.line.activity = str(error)
        else:
            self.line.activity = ""


def _with_run_number(report: Report, number: int, count: int) -> Report:
    """Say which of several runs a message is about."""
    if count == 1:
        return report

    def with_number(event: Event) -> None:
        # A training is drawn as a curve, and stays as it is.
        if not isinstance(event, TrainingProgress):
            words = texts.RUN_OF.format(number=number, count=count, what=event.message)
            event = replace(event, message=words)
        report(event)

    return with_number
