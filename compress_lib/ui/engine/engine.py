"""Engine of the page: runs plans, studies and exports as queued jobs and caches models."""

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
    """A study has measured another cell; `record` has all rows so far."""

    record: StudyRecord


class Engine:
    """Runs plans one at a time and caches recently used models.

    Args:
        store: Database of runs.
        device: See `models.loading.choose_device`.
        limits: Overrides of the profile's limits, such as `queued_jobs`, `jobs_each` (per
            session) and `loaded_models`.
        asker: Returns the ID of the session that submits a job, or None if unknown.

    Attributes:
        runs: Index of runs and landmarks.
        line: Queue of jobs, including the running one.
        made: Cache of compressed models.
    """

    keeps_models: ClassVar[bool] = True
    """Whether compressed models stay in this process, so that they can be exported."""

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
        self.queue = JobQueue(self._limits, asker)
        self.made = CompressedModelCache()
        self._models: LRUCache[tuple[str, str | None], LanguageModel] = LRUCache(
            self._limits["loaded_models"]
        )
        self._targets: dict[str, tuple[tuple[Target, ...], int]] = {}

    def submit(self, *plans: Plan) -> Job:
        """Queue plans as one job.

        The job is finished immediately if the results of all plans are stored. Rejected plans are
        skipped and reported, unless all plans are rejected.

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

        return self._find_answers(plans) or self.queue.submit(Job(task))

    def _find_answers(self, plans: Sequence[Plan]) -> Job | None:
        """Return a finished job if the results of all plans are stored."""
        records = [self.runs.find_by_plan(plan) for plan in plans]
        answers = [record for record in records if record is not None and record.answered]
        if len(answers) < len(plans):
            return None
        job = Job(lambda report: None, future=Future())
        for record in answers:
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
        """Store the record and model of an event; called before the event is reported."""
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
                report(StudyProgress(0.0, self.queue.activity, record))

        return self.queue.submit(Job(task))

    def submit_task(self, task: Callable[[Report], None]) -> Job:
        """Queue any other task.

        Raises:
            CompressionError: The queue is full.
        """
        return self.queue.submit(Job(task))

    def submit_with_models(
        self, record: RunRecord, task: Callable[[LanguageModel, LanguageModel, Report], None]
    ) -> Job:
        """Queue a task that needs the original and the compressed model of a run.

        A compressed model that is not in the cache, such as that of a landmark, is recomputed.

        Args:
            record: The run.
            task: Called with the original model, the compressed model and a progress callback.

        Raises:
            CompressionError: The queue is full, models stay on a remote GPU, or recomputing this
                one takes longer than the profile allows.
        """
        if not self.keeps_models:
            raise CompressionError(texts.MODEL_ELSEWHERE)
        took, most = record.seconds.get("compress", 0.0), self._limits.get("remake_seconds")
        if self.made.find(record.key) is None and most is not None and took > most:
            message = texts.MODEL_TOO_SLOW.format(
                took=format_seconds(took), most=format_seconds(most)
            )
            raise CompressionError(message)

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
        """Return the model in the revision that a run used, which may not be the newest one."""
        name, revision = record.plan.model, record.model.revision
        for (kept, _), model in self._models.items():
            if kept == name and model.revision == revision:
                return model
        return self.load(name, revision, self.device, report)

    def warm(self) -> None:
        """Import torch and load the default model in the background."""
        self.queue.submit_background(self._warm)

    def targets(self, model: str) -> tuple[tuple[Target, ...], int]:
        """Return the matrices and total bytes of a model; `((), 0)` if it was never loaded."""
        return self._targets.get(model, ((), 0))

    def load(self, model: str, revision: str | None, device: str, report: Report) -> LanguageModel:
        """Return a model from the cache, or load it.

        Args:
            model: Name of a model in the catalogue, or a Hub ID.
            revision: Commit of the Hub repository; None for the newest.
            device: See `models.loading.choose_device`.
            report: Progress callback.

        Raises:
            CompressionError: The model cannot be loaded. The advice in the message is limited to
                what a user of the page can do.
        """
        from compress_lib.models.loading import load_model
        from compress_lib.models.stored_tensors import total_bytes

        key = (model, revision)
        if key not in self._models:
            # Free memory before another model is loaded.
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
        loaded = self._models[key]
        self._targets[model] = (tuple(loaded.targets), total_bytes(loaded))
        return loaded

    def _warm(self) -> None:
        def report(event: Event) -> None:
            self.queue.activity = event.message

        try:
            self.load(DEFAULT_MODEL, None, self.device, report)
        except ModelUnavailableError as error:
            # Running the model raises the same error; the page works without it.
            self.queue.activity = str(error)
        else:
            self.queue.activity = ""


def _with_run_number(report: Report, number: int, count: int) -> Report:
    """Prefix messages with the number of the run if there are several."""
    if count == 1:
        return report

    def with_number(event: Event) -> None:
        # Training progress is drawn as a curve, without its message.
        if not isinstance(event, TrainingProgress):
            message = texts.RUN_OF.format(number=number, count=count, what=event.message)
            event = replace(event, message=message)
        report(event)

    return with_number
