"""Which module hurts most? Perplexity with only that one compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from compress_lib.allocation import allocate
from compress_lib.errors import check_number
from compress_lib.methods.base import option
from compress_lib.plan import Plan, Rule, TextSpec
from compress_lib.progress import Progress
from compress_lib.studies.base import Cell, Study, register_study
from compress_lib.studies.record import Row

if TYPE_CHECKING:
    from compress_lib.studies.measuring.workbench import Workbench


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
    }

    method: str = option("svd", "Method", "How each weight is compressed.")
    keep: float = option(0.5, "Keep", "Bytes after ÷ bytes before.", minimum=0.0, maximum=1.0)
    include: str = option("*", "What", "A pattern that selects the weights.")
    tokens: int = option(512, "Tokens", "How much text is measured on.", minimum=2)

    @property
    def evaluation(self) -> TextSpec:
        """See `Study.evaluation`."""
        return TextSpec(tokens=self.tokens)

    def cells(self, bench: Workbench) -> list[Cell]:
        """See `Study.cells`: one a weight."""
        keep = check_number("keep", self.keep)
        rule = Rule(pattern=self.include, method=self.method, keep=keep)
        return [
            Cell(
                assignment.name,
                {
                    "module": assignment.name,
                    "family": assignment.family,
                    "layer": assignment.targets[0].layer,
                },
                assignment,
            )
            for assignment in allocate(Plan(rules=(rule,)), bench.model.targets)
        ]

    def measure(
        self, bench: Workbench, cells: Iterable[Cell], progress: Progress
    ) -> Iterator[tuple[Cell, Row]]:
        """See `Study.measure`."""
        from compress_lib.compression import compress_model, with_matrices

        waiting = {cell.data.name: cell for cell in cells}
        steps = compress_model(
            bench.model,
            [cell.data for cell in waiting.values()],
            calibration=bench.calibration,
            progress=lambda _, message: progress(0.0, message),
        )
        for done in steps:
            name, record = done.record.names[0], done.record
            small = with_matrices(bench.model, {name: done.matrix})
            yield (
                waiting[name],
                {
                    **bench.numbers(small, progress),
                    "relative_error": record.relative_error,
                    "direction_error": record.direction_error.mean,
                    "saved_megabytes": (record.bytes_before - record.bytes_after) / 1e6,
                },
            )
