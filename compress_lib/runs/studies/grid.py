"""Methods × byte budgets × matrices: the form of both papers' experiments."""

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
    "bytes": "bytes of the compressed",
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
    """A method with its options, under the name that the table shows."""

    label: str
    method: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    tied_too: bool = False
    """Whether a tied table is compressed at its input end alone as well."""

    @property
    def groups(self) -> bool:
        """Whether stacking matrices can matter: it does where something is shared."""
        return METHODS[self.method].supports_sharing


@dataclass(frozen=True, kw_only=True)
class Grid(Study):
    """Compresses the same matrices to the same bytes by every method, one after the other."""

    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def rules(self) -> Iterator[tuple[MethodVariant, Rule]]:
        """Yield everything that is compared."""
        raise NotImplementedError

    def cells(self, bench: StudyContext) -> list[StudyCell]:
        """See `Study.cells`."""
        found = []
        for variant, rule in self.rules():
            smaller = 1 / rule.keep
            where = rule.group if rule.tie == "both" else "input only"
            found.append(
                StudyCell(
                    f"{rule.pattern} {smaller:.3g} {where} {variant.label} {rule.options}",
                    {
                        "matrices": rule.pattern,
                        "times_smaller": round(smaller, 3),
                        "grouping": where,
                        "method": variant.label,
                    },
                    rule,
                )
            )
        return found

    def measure(
        self, bench: StudyContext, cells: Iterable[StudyCell], report: Report
    ) -> Iterator[tuple[StudyCell, Row]]:
        """See `Study.measure`; what a method refuses becomes a note."""
        from compress_lib.compression.compress import compress_at_once
        from compress_lib.compression.stacking import with_matrices

        made: tuple[Rule, list[Assignment], list[CompressedTarget]] | None = None
        for cell in cells:
            report(Event(0.0, f"{cell.known['matrices']}, {cell.known['method']}"))
            rule: Rule = cell.data
            # One matrix serves for both ends of a tie and for one, unless it was chosen by what
            # the model does with it.
            whole = (
                rule
                if "perplexity" in rule.build(0).required_statistics
                else replace(rule, tie="both")
            )
            if made is None or made[0] != whole:
                try:
                    assigned = allocate(Plan(rules=(whole,)), bench.model.targets)
                except CompressionError as error:
                    yield cell, {"note": _short(error)}
                    continue
                done, _ = compress_at_once(
                    bench.model, assigned, calibration=bench.calibration, report=report
                )
                made = (whole, assigned, done)
            matrices = {item.record.names[0]: item.matrix for item in made[2]}
            ends = tuple(matrices) if rule.tie == "input" else ()
            small = with_matrices(bench.model, matrices, ends)
            row = summary(made[1], made[2])
            try:
                yield cell, {**row, **bench.numbers(small, report)}
            except NotFiniteError as error:
                yield cell, {**row, "note": _short(error)}


def summary(assigned: Sequence[Assignment], done: Sequence[CompressedTarget]) -> dict[str, Value]:
    """Return one row's numbers over all matrices: means weighted by entries, or by norm."""
    records = [item.record for item in done]
    sizes = [record.rows * record.cols for record in records]
    squares = sum(record.squared_norm for record in records)
    lost = sum(record.squared_norm * record.relative_error**2 for record in records)

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
        "relative_error": (lost / squares) ** 0.5 if squares else 0.0,
        "rmse": mean("rmse", 2),
        "mae": mean("mae"),
        "powered_mae": mean("powered_mae"),
        "seconds": round(sum(record.seconds for record in records), 1),
        "note": None,
    }


def _short(error: CompressionError) -> str:
    """Return the first clause of a refusal, for a cell of a table."""
    return str(error).partition(": ")[2].partition("; ")[0][:160] or str(error)[:160]
