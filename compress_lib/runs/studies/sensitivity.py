"""Which module hurts most? Perplexity with only that one compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from compress_lib.data.text_spec import TextSpec
from compress_lib.errors import CompressionError, check_number
from compress_lib.models.targets import select
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.runs.studies.base import Study, StudyCell, register_study
from compress_lib.runs.studies.record import Row
from compress_lib.utils.options import option
from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from compress_lib.runs.studies.context import StudyContext


@register_study
@dataclass(frozen=True, kw_only=True)
class Sensitivity(Study):
    """Compresses every weight by itself and puts back the one before."""

    name: ClassVar[str] = "sensitivity"
    label: ClassVar[str] = "Which module hurts most?"
    question: ClassVar[str] = "The perplexity of the model in which only one weight is compressed."
    columns: ClassVar[Mapping[str, str]] = {
        "module": "module",
        "family": "family",
        "layer": "layer",
        "perplexity": "perplexity",
        "ratio": "× baseline",
        "kl": "KL",
        "relative_error": "relative error",
        "direction_error": "direction error",
        "saved_megabytes": "saved MB",
        "note": "note",
    }

    method: str = option("svd", "Method", "How each weight is compressed.")
    keep: float = option(0.5, "Keep", "Bytes after ÷ bytes before.", minimum=0.0, maximum=1.0)
    include: str = option("*", "What", "A pattern that selects the weights.")
    tokens: int = option(512, "Tokens", "How much text is measured on.", minimum=2)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=self.tokens)

    def cells(self, bench: StudyContext) -> list[StudyCell]:
        """See `Study.cells`: one a weight."""
        keep = check_number("keep", self.keep)
        rule = Rule(pattern=self.include, method=self.method, keep=keep)
        if rule.method == DENSE:
            raise CompressionError("dense compresses nothing; name a method.")
        found = []
        for target in select(bench.model.targets, self.include):
            known = {"module": target.name, "family": target.family, "layer": target.layer}
            try:
                plan = Plan(rules=(replace(rule, pattern=target.name),))
                (assignment,) = allocate(plan, [target])
                found.append(StudyCell(target.name, known, assignment))
            except CompressionError as error:
                found.append(StudyCell(target.name, {**known, "note": str(error)[:160]}))
        return found

    def measure(
        self, bench: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """See `Study.measure`."""
        from compress_lib.compression.compress import compress_targets
        from compress_lib.compression.stacking import with_matrices

        waiting = {}
        for cell in cells:
            if cell.data is None:
                yield cell, {}
            else:
                waiting[cell.data.name] = cell
        steps = compress_targets(
            bench.model,
            [cell.data for cell in waiting.values()],
            calibration=bench.calibration,
            report=lambda event: report(Event(0.0, event.message)),
        )
        for done in steps:
            name, record = done.record.names[0], done.record
            small = with_matrices(bench.model, {name: done.matrix})
            yield (
                waiting[name],
                {
                    **bench.numbers(small, report),
                    "relative_error": record.relative_error,
                    "direction_error": record.direction_error.mean,
                    "saved_megabytes": (record.bytes_before - record.bytes_after) / 1e6,
                },
            )
