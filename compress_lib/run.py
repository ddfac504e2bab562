"""From a plan to a record: one generator of events, for the page and the command line alike."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import torch

from compress_lib.allocation import Assignment, allocate
from compress_lib.compression import Calibration, Compressed, compress_model
from compress_lib.corpora import Text, read_text
from compress_lib.errors import CompressionError
from compress_lib.evaluation.likelihood import Comparison, compare, token_blocks
from compress_lib.evaluation.memory import compare_memory
from compress_lib.generation import write_both
from compress_lib.models import LanguageModel, load_model
from compress_lib.plan import OWN_TEXT, Plan
from compress_lib.progress import Progress, no_progress, span
from compress_lib.results import (
    AgreementRecord,
    DirectionRecord,
    ModelRecord,
    PerplexityRecord,
    RunRecord,
    TargetRecord,
    TextRecord,
)

if TYPE_CHECKING:
    from compress_lib.store import Store

OVERLAP_TOKENS = 32
"""Text is taken to be the same where so many tokens in a row are."""

OVERLAP_SHARE = 0.01


@dataclass(frozen=True)
class Event:
    """Something happened; `fraction` is the share of the whole run that is done."""

    fraction: float
    message: str


@dataclass(frozen=True)
class TargetFinished(Event):
    """A weight was compressed."""

    record: TargetRecord
    direction: DirectionRecord | None


@dataclass(frozen=True)
class Measured(Event):
    """Another block of text was scored: a running estimate."""

    comparison: Comparison


@dataclass(frozen=True)
class TextWritten(Event):
    """Both models continued a prompt."""

    text: TextRecord


@dataclass(frozen=True)
class Finished(Event):
    """The run is over. `stored` says that the record is from an earlier run.

    `compressed` is the compressed model, None with a stored record.
    """

    record: RunRecord
    stored: bool
    compressed: LanguageModel | None


Loader = Callable[[str, str | None, str, Progress], LanguageModel]
WritingListener = Callable[[str, str, str], None]
"""Called with a prompt, `baseline` or `compressed`, and that model's text so far."""


def default_loader(
    model: str, revision: str | None, device: str, progress: Progress
) -> LanguageModel:
    """Load a model afresh."""
    return load_model(model, revision=revision, device=device, progress=progress)


def execute(
    plan: Plan,
    *,
    device: str = "auto",
    store: Store | None = None,
    load: Loader = default_loader,
    progress: Progress = no_progress,
    writing: WritingListener = lambda prompt, which, text: None,
) -> Iterator[Event]:
    """Run a plan: load, calibrate, compress, measure, write.

    Args:
        plan: What to do.
        device: See `models.choose_device`.
        store: Where finished runs are kept; an answer that exists is given at once.
        load: Gives the model; the page keeps models between runs.
        progress: Told about the parts of long steps; may raise `StoppedError`.
        writing: Told about text while it is written; may raise `StoppedError`.

    Yields:
        Events, at least one a weight, a block of text and a prompt; the last is `Finished`.

    Raises:
        CompressionError: The plan cannot be run; the message says why. Nothing is kept.
    """
    seconds: dict[str, float] = {}
    clock = _Clock(seconds)
    yield Event(0.0, f"Loading {plan.model}")
    model = load(plan.model, plan.revision, device, span(progress, 0.0, 0.1))
    evaluation = read_text(plan.evaluation, "evaluation")
    assignments = allocate(plan, model.targets)
    # Token counts also weigh an embedding's direction errors, whatever the method needs.
    calibrated = any(a.method.needs or a.target.family == "embedding" for a in assignments)
    calibration = read_text(plan.calibration, "calibration") if calibrated else None
    plan = plan.resolved(
        revision=model.revision,
        evaluation=evaluation.digest,
        calibration=calibration.digest if calibration else None,
    )
    found = store.find(plan.key) if store else None
    if found is not None:
        yield Finished(1.0, "This run was made before", found, True, None)
        return
    clock.lap("load")
    yield Event(0.1, f"Loaded {model.id} from {model.source}")

    blocks = _blocks(model, plan, evaluation)
    text = _calibration(model, plan, calibration, blocks)
    clock.lap("calibrate")

    targets: list[Compressed] = []
    compressed = yield from _compress(model, assignments, text, targets, progress)
    clock.lap("compress")

    comparison = yield from _measure(model, compressed, blocks, progress)
    clock.lap("evaluate")

    texts: list[TextRecord] = []
    for index, prompt in enumerate(plan.prompts):
        progress(0.85 + 0.15 * index / len(plan.prompts), "Both models write")
        written = write_both(
            model,
            compressed,
            prompt,
            plan.generation,
            seed=plan.seed,
            listener=partial(writing, prompt),
        )
        texts.append(written)
        share = 0.85 + 0.15 * (index + 1) / len(plan.prompts)
        yield TextWritten(share, "Both models wrote", written)
    clock.lap("generate")

    record = RunRecord(
        key=plan.key,
        plan=plan.to_json(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        perplexity=_perplexity_record(model, comparison, blocks, plan, evaluation),
        agreement=AgreementRecord(kl=comparison.kl, top1=comparison.top1),
        memory=compare_memory(model, compressed),
        targets=tuple(done.record for done in targets),
        direction=next((done.direction for done in targets if done.direction), None),
        text=tuple(texts),
        seconds={name: round(value, 3) for name, value in seconds.items()},
        environment=environment(model),
    )
    if store is not None:
        store.add(record)
    yield Finished(1.0, "Finished", record, False, compressed)


def run_plan(plan: Plan, *, device: str = "auto", store: Store | None = None) -> RunRecord:
    """Run a plan to its end and return the record. See `execute`."""
    for event in execute(plan, device=device, store=store):
        if isinstance(event, Finished):
            return event.record
    raise AssertionError("a run ends with Finished")


def environment(model: LanguageModel) -> dict[str, str]:
    """Describe where a run was made."""
    import transformers

    from compress_lib import __version__

    return {
        "compress_lib": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": str(model.device),
        "threads": str(torch.get_num_threads()),
        "computed_in": str(model.module.dtype).removeprefix("torch."),
        "stored_as": str(model.dtype).removeprefix("torch."),
    }


def encode(model: LanguageModel, text: Text) -> list[int]:
    """Tokenize a whole text at once, with nothing prepended."""
    # The tokenizer warns that a whole corpus is longer than the model reads at once; it is cut
    # into blocks afterwards.
    ids: list[int] = model.tokenizer(text.content, add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    return ids


def check_disjoint(evaluation: list[int], calibration: list[int]) -> None:
    """Refuse calibration text that contains text of the evaluation.

    Raises:
        CompressionError: More than one in a hundred evaluation passages of 32 tokens stand in
            the calibration text as well.
    """
    size = OVERLAP_TOKENS
    seen = {tuple(calibration[i : i + size]) for i in range(len(calibration) - size + 1)}
    passages = [tuple(evaluation[i : i + size]) for i in range(len(evaluation) - size + 1)]
    shared = sum(passage in seen for passage in passages)
    if passages and shared > OVERLAP_SHARE * len(passages):
        raise CompressionError(
            f"{shared / len(passages):.0%} of the evaluation text stands in the calibration text "
            "as well, so the result would flatter itself. Name another calibration text."
        )


def _blocks(model: LanguageModel, plan: Plan, text: Text) -> list[torch.Tensor]:
    spec = plan.evaluation
    limit = model.max_context
    if limit and spec.context > limit:
        raise CompressionError(
            f"A context of {spec.context:,} tokens is longer than {model.id} can read; at most "
            f"{limit:,}."
        )
    ids = encode(model, text)
    own = spec.corpus == OWN_TEXT
    return token_blocks(ids, tokens=spec.tokens, context=spec.context, name=text.name, at_most=own)


def _calibration(
    model: LanguageModel, plan: Plan, text: Text | None, evaluation: list[torch.Tensor]
) -> Calibration:
    if text is None:
        return Calibration()
    spec = plan.calibration
    ids = encode(model, text)[: spec.tokens]
    check_disjoint(torch.cat(evaluation).tolist(), ids)
    context = min(spec.context, model.max_context or spec.context)
    blocks = token_blocks(ids, tokens=spec.tokens, context=context, name=text.name, at_most=True)
    return Calibration(tuple(blocks))


def _compress(
    model: LanguageModel,
    assignments: list[Assignment],
    text: Calibration,
    done: list[Compressed],
    progress: Progress,
) -> Generator[Event, None, LanguageModel]:
    if not assignments:
        return model
    steps = compress_model(model, assignments, calibration=text, progress=span(progress, 0.12, 0.5))
    total = sum(assignment.target.nbytes for assignment in assignments)
    while True:
        try:
            finished = next(steps)
        except StopIteration as end:
            compressed: LanguageModel = end.value
            return compressed
        done.append(finished)
        share = sum(item.record.bytes_before for item in done) / total
        yield TargetFinished(
            0.12 + 0.38 * share, _target_line(finished.record), finished.record, finished.direction
        )


def _measure(
    model: LanguageModel,
    compressed: LanguageModel,
    blocks: list[torch.Tensor],
    progress: Progress,
) -> Generator[Event, None, Comparison]:
    comparison = Comparison(())
    progress(0.5, "Measuring perplexity of both models")
    for index, comparison in enumerate(compare(model, compressed, blocks)):
        fraction = 0.5 + 0.35 * (index + 1) / len(blocks)
        progress(fraction, "Measuring perplexity of both models")
        message = f"Perplexity {comparison.compressed.value:,.2f} after {index + 1} blocks"
        yield Measured(fraction, message, comparison)
    return comparison


def _target_line(record: TargetRecord) -> str:
    kept = record.bytes_after / record.bytes_before
    rank = f", rank {record.rank}" if record.rank is not None else ""
    return (
        f"{record.names[0]}: {record.method}{rank}, {kept:.1%} of the bytes, relative error "
        f"{record.relative_error:.4f}, direction error {record.direction_error.mean:.4f}, "
        f"{record.seconds:.1f} s"
    )


def _perplexity_record(
    model: LanguageModel,
    comparison: Comparison,
    blocks: list[torch.Tensor],
    plan: Plan,
    text: Text,
) -> PerplexityRecord:
    predicted = [str(model.tokenizer.decode(block[1:].tolist())) for block in blocks]
    nbytes = max(sum(len(piece.encode()) for piece in predicted), 1)
    nats_per_bit = 0.6931471805599453
    return PerplexityRecord(
        baseline=comparison.baseline.value,
        compressed=comparison.compressed.value,
        baseline_stderr=comparison.baseline.stderr,
        compressed_stderr=comparison.compressed.stderr,
        ratio=comparison.ratio.value,
        ratio_stderr=comparison.ratio.stderr,
        tokens=sum(len(block) for block in blocks),
        predictions=comparison.predictions,
        context=plan.evaluation.context,
        corpus=text.name,
        digest=text.digest,
        baseline_bits_per_byte=comparison.nll("baseline") / nats_per_bit / nbytes,
        compressed_bits_per_byte=comparison.nll("compressed") / nats_per_bit / nbytes,
    )


class _Clock:
    """Writes how long each step took."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name] = now - self._start
        self._start = now
