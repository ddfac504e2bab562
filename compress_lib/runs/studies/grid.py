"""Grid study: methods × byte budgets × matrices, the design of both papers' experiments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from compress_lib.errors import CompressionError, NotFiniteError
from compress_lib.methods import METHODS, OptionValue
from compress_lib.plan.allocation import Assignment, allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import Rule
from compress_lib.runs.studies.base import Study, StudyCell
from compress_lib.runs.studies.record import Row, Value
from compress_lib.utils.progress import Event, Report

if TYPE_CHECKING:
    from compress_lib.compression.target_compressor import CompressedTarget
    from compress_lib.runs.studies.context import StudyContext

COLUMNS = {
    "matrices": "matrices",
    "times_smaller": "times smaller",
    "grouping": "grouping",
    "method": "method",
    "rank": "rank",
    "bytes": "bytes",
    "budget": "budget",
    "direction_error": "direction error",
    "relative_error": "relative error",
    "rmse": "RMSE",
    "mae": "MAE",
    "powered_mae": "MAE^0.6",
    "perplexity": "perplexity",
    "ratio": "× baseline",
    "kl": "KL",
    "seconds": "seconds",
    "note": "note",
}


@dataclass(frozen=True)
class MethodVariant:
    """A method with its options and its label in the table."""

    label: str
    method: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    tied_too: bool = False
    """Whether tied embeddings are also measured with an uncompressed LM head."""

    @property
    def groups(self) -> bool:
        """Whether stacking matrices makes a difference, because the method shares something."""
        return METHODS[self.method].supports_sharing


@dataclass(frozen=True, kw_only=True)
class Grid(Study):
    """Study that compresses the same matrices to the same bytes by every method."""

    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def rules(self) -> Iterator[tuple[MethodVariant, Rule]]:
        """Yield the method variants of the grid, each with its rule."""
        raise NotImplementedError

    def cells(self, context: StudyContext) -> list[StudyCell]:
        """See `Study.cells`."""
        cells = []
        for variant, rule in self.rules():
            ratio = 1 / rule.keep
            grouping = rule.group if rule.tie == "both" else "input only"
            cells.append(
                StudyCell(
                    f"{rule.pattern} {ratio:.3g} {grouping} {variant.label} {rule.options}",
                    {
                        "matrices": rule.pattern,
                        "times_smaller": round(ratio, 3),
                        "grouping": grouping,
                        "method": variant.label,
                    },
                    rule,
                )
            )
        return cells

    def measure(
        self, context: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """See `Study.measure`; errors become notes of their rows."""
        from compress_lib.compression.compress import compress_at_once
        from compress_lib.compression.stacking import with_matrices

        last: tuple[Rule, list[Assignment], list[CompressedTarget]] | None = None
        for cell in cells:
            report(Event(0.0, f"{cell.known['matrices']}, {cell.known['method']}"))
            rule: Rule = cell.data
            # The same matrix serves with and without a compressed LM head, unless the method
            # selects by the perplexity of the resulting model.
            shared_rule = (
                rule
                if "perplexity" in rule.build(0).required_statistics
                else replace(rule, tie="both")
            )
            if last is None or last[0] != shared_rule:
                try:
                    assigned = allocate(Plan(rules=(shared_rule,)), context.model.targets)
                except CompressionError as error:
                    yield cell, {"note": _short(error)}
                    continue
                done, _ = compress_at_once(
                    context.model, assigned, calibration=context.calibration, report=report
                )
                last = (shared_rule, assigned, done)
            matrices = {item.record.names[0]: item.matrix for item in last[2]}
            input_only = tuple(matrices) if rule.tie == "input" else ()
            compressed = with_matrices(context.model, matrices, input_only)
            row = summary(last[1], last[2])
            try:
                yield cell, {**row, **context.numbers(compressed, report)}
            except NotFiniteError as error:
                yield cell, {**row, "note": _short(error)}


def summary(assigned: Sequence[Assignment], done: Sequence[CompressedTarget]) -> dict[str, Value]:
    """Return bytes and errors over all matrices of a row.

    RMSE and MAE are weighted by entries, direction errors by rows, relative errors by norm.

    Args:
        assigned: The assignments, with their budgets.
        done: The compressed targets.
    """
    records = [item.record for item in done]
    sizes = [record.rows * record.cols for record in records]
    total_squares = sum(record.squared_norm for record in records)
    error_squares = sum(record.squared_norm * record.relative_error**2 for record in records)

    def mean(name: str, power: int = 1) -> float:
        total = sum(n * getattr(r, name) ** power for n, r in zip(sizes, records, strict=True))
        return float((total / sum(sizes)) ** (1 / power))

    rows = sum(record.rows for record in records)
    ranks = [record.rank for record in records if record.rank is not None]
    return {
        "rank": round(sum(ranks) / len(ranks)) if ranks else None,
        "bytes": sum(item.matrix.nbytes for item in done)
        if len(done) == len(assigned)
        else sum(record.bytes_after for record in records),
        "budget": sum(item.budget for item in assigned),
        "direction_error": sum(r.rows * r.direction_error.mean for r in records) / rows,
        "relative_error": (error_squares / total_squares) ** 0.5 if total_squares else 0.0,
        "rmse": mean("rmse", 2),
        "mae": mean("mae"),
        "powered_mae": mean("powered_mae"),
        "seconds": round(sum(record.seconds for record in records), 1),
        "note": None,
    }


def _short(error: CompressionError) -> str:
    """Return the first clause of an error message, for a table cell."""
    return str(error).partition(": ")[2].partition("; ")[0][:160] or str(error)[:160]
