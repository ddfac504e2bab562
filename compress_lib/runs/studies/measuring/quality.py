"""Measure the rows of `bench quality`: run a plan, evaluate a second text, size the file."""

from __future__ import annotations

import gc
import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from compress_lib.compression.calibration.collect import collect_statistics
from compress_lib.data.calibration_text import Calibration
from compress_lib.data.corpora import Text, read_text
from compress_lib.data.examples import Example
from compress_lib.data.text_spec import TextSpec
from compress_lib.data.tokenization import (
    check_protocols,
    prepare_texts,
    protocol_of,
    tokenize_evaluation,
)
from compress_lib.errors import BudgetError, NotFiniteError
from compress_lib.evaluation.likelihood import compare
from compress_lib.evaluation.logits_cache import LogitsCache
from compress_lib.methods.curvature import replacement_loss
from compress_lib.methods.statistics import Statistics, count_rows, curvature_needs
from compress_lib.models.checkpoint import WEIGHTS_FILE, save_compressed
from compress_lib.models.loading import LanguageModel
from compress_lib.models.surgery import matrix_at, read_weight
from compress_lib.models.targets import TABLES
from compress_lib.plan.plan import Plan
from compress_lib.results.records import AgreementRecord, ModelRecord, RunRecord
from compress_lib.runs.execute import execute
from compress_lib.runs.record_builder import describe_environment, perplexity_record
from compress_lib.runs.studies.quality.candidates import CandidateAtSize
from compress_lib.runs.studies.quality.rows import Measured, OnText, QualityRow
from compress_lib.utils.progress import Event, Report, ignore, subrange

SCHEMA = 2
"""Part of every row's key; incremented when the same entry gives different results."""

SECOND = "Evaluating the second text"

RUN = 0.8
"""Share of a row's progress for its run; the second text takes most of the rest."""


@dataclass(frozen=True)
class QualityContext:
    """Model, plan and texts shared by all rows.

    Attributes:
        model: The baseline.
        plan: The plan of every row, except for its rules.
        second: The second evaluation text.
        texts: The evaluation text, the second evaluation text and the calibration text.
    """

    model: LanguageModel
    plan: Plan
    second: TextSpec
    texts: tuple[Text, Text, Text]

    def plan_of(self, entry: CandidateAtSize) -> Plan:
        """Return the plan of a row."""
        return replace(self.plan, rules=entry.rules)

    def key(self, entry: CandidateAtSize) -> str:
        """Return the hash of everything that a row's results depend on."""
        model, second = self.model, self.second
        parts: list[object] = [SCHEMA, self.plan_of(entry).key, model.device.type]
        parts += [model.id, model.source, model.revision, second.tokens, second.context]
        parts += [second.protocol, *(text.digest for text in self.texts)]
        return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]

    @cached_property
    def read(self) -> LogitsCache:
        """Cache of the baseline's logits, which are the same for every row."""
        return LogitsCache()

    @cached_property
    def second_examples(self) -> list[Example]:
        """The tokenized second text."""
        tokens = tokenize_evaluation(self.model, self.second, self.texts[1])
        return tokens.examples(self.plan.seed)

    @cached_property
    def calibration(self) -> Calibration:
        """The calibration text, checked not to overlap either evaluation text."""
        plan, texts = self.plan, self.texts
        for spec, text in ((plan.evaluation, texts[0]), (self.second, texts[1])):
            _, calibration = prepare_texts(
                self.model, spec, text, plan.calibration, texts[2], plan.seed
            )
        return calibration

    def statistics(self, report: Report = ignore) -> Mapping[str, Statistics]:
        """Return the statistics of all weights for the estimate; they are cached on disk."""
        needs = {
            # The mean is needed for methods that store a bias correction.
            target.name: curvature_needs(target)
            | (frozenset() if target.family in TABLES else {"mean"})
            for target in self.model.targets
        }
        return collect_statistics(self.model, needs, self.calibration, report)


def read_quality_context(
    model: LanguageModel, evaluation: TextSpec, second: TextSpec, calibration: TextSpec
) -> QualityContext:
    """Read the texts of all rows, with contexts limited to that of the model.

    Args:
        model: The baseline.
        evaluation: The evaluation text.
        second: The second evaluation text.
        calibration: The calibration text.

    Raises:
        CompressionError: A text is missing or too short, or texts overlap.
    """

    def fitting(spec: TextSpec) -> TextSpec:
        return replace(spec, context=min(spec.context, model.max_context or spec.context))

    first, other = fitting(evaluation), fitting(second)
    check_protocols(model, first, other, calibration)
    texts = (
        read_text(first, "evaluation"),
        read_text(other, "evaluation"),
        read_text(calibration, "calibration"),
    )
    # Rows contain no generated text.
    plan = Plan(model=model.id, evaluation=first, calibration=calibration, prompts=())
    context = QualityContext(model, plan, other, texts)
    # Tokenize now, so that errors occur before the first row.
    assert context.calibration.examples
    return context


def measure_row(
    context: QualityContext, entry: CandidateAtSize, report: Report = ignore
) -> QualityRow:
    """Measure one row; budget errors and non-finite predictions are stored in the row.

    Args:
        context: Model, plan and texts shared by all rows.
        entry: The row to measure.
        report: Receives progress events; may raise `StoppedError`.

    Raises:
        CompressionError: Another error, which would affect other rows as well.
    """
    model, plan = context.model, context.plan_of(entry)
    row = QualityRow(
        name=entry.name,
        label=entry.candidate.label,
        key=context.key(entry),
        keep=entry.keep,
        four_bit=entry.candidate.four_bit,
        plan=plan,
        model=ModelRecord(model.id, model.revision, model.source, model.parameters),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=describe_environment(model),
    )
    try:
        record, found = _measure(context, plan, report)
    except (BudgetError, NotFiniteError) as error:
        return replace(row, refused=str(error))
    finally:
        # Modules form reference cycles, which would keep the compressed model in memory.
        gc.collect()
    return replace(row, plan=record.plan, found=found)


def _measure(context: QualityContext, plan: Plan, report: Report) -> tuple[RunRecord, Measured]:
    model = context.model
    statistics = context.statistics(subrange(report, 0.0, 0.0))
    started = time.perf_counter()
    part = subrange(report, 0.0, RUN)
    end = execute(plan, part, load=lambda *_: model, read=context.read)
    record, compressed = end.record, end.compressed
    assert compressed is not None
    examples = context.second_examples
    part = subrange(report, RUN, 1.0)
    *_, scored = compare(
        model, compressed, examples, lambda share: part(Event(share, SECOND)), context.read
    )
    second = perplexity_record(
        model,
        scored,
        examples,
        context.second.context,
        context.texts[1],
        protocol_of(model, context.second),
    )
    report(Event(1.0, "Saving the model to measure the file size"))
    file_bytes = _file_bytes(compressed)
    estimate = estimate_loss(model, compressed, statistics, context.calibration)
    return record, Measured(
        memory=record.memory,
        file_bytes=file_bytes,
        text=OnText(record.perplexity, record.agreement),
        second=OnText(second, AgreementRecord(scored.kl, scored.top1)),
        estimate=estimate,
        seconds={**record.seconds, "total": time.perf_counter() - started},
    )


def estimate_loss(
    model: LanguageModel,
    compressed: LanguageModel,
    statistics: Mapping[str, Statistics],
    text: Calibration,
) -> float:
    """Return the estimated loss increase from the errors of all weights, in nats per token.

    Args:
        model: The baseline.
        compressed: The compressed model.
        statistics: By target, the fields that `statistics.curvature_needs` names.
        text: The calibration text of the statistics.
    """
    total = 0.0
    for site in model.sites:
        matrix = matrix_at(compressed.module, site)
        if matrix is None:
            continue
        known = statistics[site.target.name]
        if site.target.family in TABLES:
            known = replace(known, row_counts=count_rows(text.token_ids, site.target.shape[0]))
        total += replacement_loss(matrix, read_weight(model.module, site, model.dtype), known)
    return total


def _file_bytes(model: LanguageModel) -> int:
    with tempfile.TemporaryDirectory() as folder:
        saved = save_compressed(model, Path(folder) / "model")
        return (saved / WEIGHTS_FILE).stat().st_size
