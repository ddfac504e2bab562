"""What the page computes with: plans, studies and files become jobs; models and runs are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from compress_lib.errors import CompressionError, ModelUnavailableError
from compress_lib.models.catalogue import DEFAULT_MODEL
from compress_lib.models.targets import Target
from compress_lib.plan.plan import Plan
from compress_lib.results.store import Store
from compress_lib.runs.events import Evaluated, Event, Finished, PassedOver
from compress_lib.ui.common import texts
from compress_lib.ui.engine.job import Job, WritingNote, nobody
from compress_lib.ui.engine.model_cache import MadeModels
from compress_lib.ui.engine.queue import Line
from compress_lib.ui.engine.run_index import KnownRuns, LandmarkStore
from compress_lib.utils.formatting import format_seconds
from compress_lib.utils.profiles import limits as served_limits
from compress_lib.utils.progress import Look, Progress, span

if TYPE_CHECKING:
    from compress_lib.models.loading import LanguageModel
    from compress_lib.results.records import RunRecord
    from compress_lib.runs.studies import Study


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
        self.runs = KnownRuns(store or LandmarkStore())
        self.device = device
        self._limits = served_limits() | (limits or {})
        self.line = Line(self._limits, asker)
        self.made = MadeModels()
        self._models: dict[tuple[str, str | None], LanguageModel] = {}
        self._targets: dict[str, tuple[tuple[Target, ...], int]] = {}

    def submit(self, *plans: Plan) -> Job:
        """Put plans at the end of the line, as one job; its notes are events and texts.

        What this engine ran before is answered at once. Of several plans, those that are refused
        are told of and passed over, unless all are.

        Raises:
            CompressionError: The line is full.
        """

        def task(progress: Progress, tell: Callable[[Any], None]) -> None:
            refused: list[CompressionError] = []
            for index, plan in enumerate(plans):
                begin, end = index / len(plans), (index + 1) / len(plans)
                part = span(_numbered(progress, index + 1, len(plans)), begin, end)
                try:
                    self._execute(plan, part, tell, (begin, end))
                except CompressionError as error:
                    refused.append(error)
                    if len(refused) == len(plans):
                        raise
                    tell(PassedOver(end, texts.PASSED_OVER.format(error=error), str(error)))

        return self._answered(plans) or self.line.enter(Job(task))

    def _answered(self, plans: Sequence[Plan]) -> Job | None:
        """Return a job that is done, if all its plans were run before."""
        records = [self.runs.ran(plan) for plan in plans]
        found = [record for record in records if record is not None and record.answered]
        if len(found) < len(plans):
            return None
        job = Job(lambda progress, tell: None, future=Future())
        for record in found:
            job.notes.put(Finished(1.0, texts.STORED, record, True, None))
        assert job.future is not None
        job.future.set_result(None)
        return job

    def _execute(
        self,
        plan: Plan,
        progress: Progress,
        tell: Callable[[Any], None],
        part: tuple[float, float],
    ) -> None:
        """Run a plan that is a part of a job, from one share of its work to another."""
        from compress_lib.runs.execute import execute

        def writing(prompt: str, which: str, text: str) -> None:
            tell(WritingNote(prompt, which, text))

        steps = execute(
            plan,
            device=self.device,
            store=self.runs.store,
            load=self.load,
            progress=progress,
            writing=writing,
        )
        # Where it is stopped, its workers end before the next job begins.
        with closing(steps):
            for event in steps:
                progress(event.fraction, event.message)
                self._pass_on(plan, event, tell, part)

    def _pass_on(
        self,
        plan: Plan,
        event: Event,
        tell: Callable[[Any], None],
        part: tuple[float, float],
    ) -> None:
        """Tell an event of a plan that is a part of a job, and remember what it found."""
        self.runs.note(plan, event)
        if isinstance(event, Evaluated | Finished) and event.compressed is not None:
            self.made.add(event.record.key, event.compressed)
        # Who is told of a run finds it.
        done = part[0] + event.fraction * (part[1] - part[0])
        tell(replace(event, fraction=done))

    def submit_study(self, study: Study, model: str) -> Job:
        """Put a study at the end of the line; its notes are the records so far.

        Raises:
            CompressionError: The line is full.
        """

        def task(progress: Progress, tell: Callable[[Any], None]) -> None:
            from compress_lib.runs.studies.measuring.runner import run_study
            from compress_lib.utils.files import home

            loaded = self.load(model, None, self.device, span(progress, 0.0, 0.0))
            for record in run_study(study, loaded, home() / "studies", progress=progress):
                progress(0.0, self.line.activity)
                tell(record)

        return self.line.enter(Job(task))

    def submit_task(self, task: Callable[[Progress], None]) -> Job:
        """Put anything else at the end of the line.

        Raises:
            CompressionError: The line is full.
        """
        return self.line.enter(Job(lambda progress, tell: task(progress)))

    def submit_with_models(
        self, record: RunRecord, task: Callable[[LanguageModel, LanguageModel, Progress], None]
    ) -> Job:
        """Put at the end of the line what needs a run's original and compressed model.

        A compressed model that is not kept any more, as that of a run which somebody else made
        or which came with the program, is made again.

        Raises:
            CompressionError: The line is full, models are made elsewhere, or this one takes longer
                than the profile allows.
        """
        if not self.keeps_models:
            raise CompressionError(texts.MADE_ELSEWHERE)
        took, most = record.seconds.get("compress", 0.0), self._limits.get("remake_seconds")
        if self.made.find(record.key) is None and most is not None and took > most:
            told = [format_seconds(seconds) for seconds in (took, most)]
            raise CompressionError(texts.MADE_TOO_LONG.format(took=told[0], most=told[1]))

        def work(progress: Progress) -> None:
            from compress_lib.runs.execute import remake

            original = self._original(record, span(progress, 0.0, 0.0))
            compressed, begin = self.made.find(record.key), 0.0
            if compressed is None:
                begin = 0.8
                compressed = remake(record, original, span(progress, 0.0, begin))
                self.made.add(record.key, compressed)
            task(original, compressed, span(progress, begin, 1.0))

        return self.submit_task(work)

    def _original(self, record: RunRecord, progress: Progress) -> LanguageModel:
        """Give the very weights that a run had, which the newest ones of a model may not be."""
        name, revision = Plan.from_json(record.plan).model, record.model.revision
        for (kept, _), model in self._models.items():
            if kept == name and model.revision == revision:
                return model
        return self.load(name, revision, self.device, progress)

    def warm(self) -> None:
        """Import torch and load the default model in the background."""
        self.line.aside(self._warm)

    def targets(self, model: str) -> tuple[tuple[Target, ...], int]:
        """Return the matrices and all bytes of a model that was loaded; nothing if it was not."""
        return self._targets.get(model, ((), 0))

    def load(
        self, model: str, revision: str | None, device: str, progress: Progress
    ) -> LanguageModel:
        """Give a model, loading it if it is not kept.

        Raises:
            CompressionError: It cannot be loaded; what a visitor cannot do is not advised.
        """
        from compress_lib.models.loading import load_model
        from compress_lib.models.stored_tensors import total_bytes

        key = (model, revision)
        if key not in self._models:
            while len(self._models) >= self._limits["loaded_models"]:
                self._models.pop(next(iter(self._models)))
            try:
                self._models[key] = load_model(
                    model, revision=revision, device=device, progress=progress
                )
            except ModelUnavailableError as error:
                if not error.advice:
                    raise
                raise ModelUnavailableError(error.fact, texts.UNAVAILABLE) from error
        # The last used one is the last to go.
        self._models[key] = found = self._models.pop(key)
        self._targets[model] = (tuple(found.targets), total_bytes(found))
        return found

    def _warm(self) -> None:
        def progress(fraction: float, message: str) -> None:
            self.line.activity = message

        try:
            self.load(DEFAULT_MODEL, None, self.device, progress)
        except ModelUnavailableError as error:
            # Whoever runs the model is told the same sentence; the page works without it.
            self.line.activity = str(error)
        else:
            self.line.activity = ""


def _numbered(progress: Progress, number: int, count: int) -> Progress:
    """Say of which of several runs what is said; a look at a training is drawn, so it stays."""
    if count == 1:
        return progress

    def told(fraction: float, message: str) -> None:
        words = texts.RUN_OF.format(number=number, count=count, what=message)
        progress(fraction, message if isinstance(message, Look) else words)

    return told
