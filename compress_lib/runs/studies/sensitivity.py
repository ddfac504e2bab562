"""Sensitivity study: perplexity with a single weight compressed, for every weight."""

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
    """Study that compresses one weight at a time and leaves all others dense."""

    name: ClassVar[str] = "sensitivity"
    label: ClassVar[str] = "Sensitivity by module"
    question: ClassVar[str] = "How much does the perplexity rise if only one matrix is compressed?"
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

    method: str = option("svd", "Method", "Method that compresses each weight.")
    keep: float = option(0.5, "Keep", "Bytes after ÷ bytes before.", minimum=0.0, maximum=1.0)
    include: str = option("*", "Weights", "Pattern that selects the weights.")
    tokens: int = option(512, "Tokens", "Number of evaluation tokens.", minimum=2)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=self.tokens)

    def cells(self, context: StudyContext) -> list[StudyCell]:
        """See `Study.cells`: one per weight."""
        keep = check_number("keep", self.keep)
        rule = Rule(pattern=self.include, method=self.method, keep=keep)
        if rule.method == DENSE:
            raise CompressionError(
                "The method dense compresses nothing; choose another one, such as svd."
            )
        cells = []
        for target in select(context.model.targets, self.include):
            known = {"module": target.name, "family": target.family, "layer": target.layer}
            try:
                plan = Plan(rules=(replace(rule, pattern=target.name),))
                (assignment,) = allocate(plan, [target])
                cells.append(StudyCell(target.name, known, assignment))
            except CompressionError as error:
                cells.append(StudyCell(target.name, {**known, "note": str(error)[:160]}))
        return cells

    def measure(
        self, context: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """See `Study.measure`."""
        from compress_lib.compression.compress import compress_targets
        from compress_lib.compression.stacking import with_matrices

        pending = {}
        for cell in cells:
            if cell.data is None:
                yield cell, {}
            else:
                pending[cell.data.name] = cell
        steps = compress_targets(
            context.model,
            [cell.data for cell in pending.values()],
            calibration=context.calibration,
            report=lambda event: report(Event(0.0, event.message)),
        )
        for done in steps:
            name, record = done.record.names[0], done.record
            compressed = with_matrices(context.model, {name: done.matrix})
            yield (
                pending[name],
                {
                    **context.numbers(compressed, report),
                    "relative_error": record.relative_error,
                    "direction_error": record.direction_error.mean,
                    "saved_megabytes": (record.bytes_before - record.bytes_after) / 1e6,
                },
            )
