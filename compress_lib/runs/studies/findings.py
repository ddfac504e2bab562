"""What the rows of a study say, in sentences made from the numbers. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compress_lib.models.targets import FAMILIES
from compress_lib.runs.studies.quality.table import NAME as QUALITY
from compress_lib.runs.studies.quality.table import quality_findings
from compress_lib.runs.studies.record import Row, StudyRecord, format_value

SVD, NORMALISED = "SVD", "row-normalised SVD"
AUTOENCODER = "autoencoder"
SEPARATED, CONCATENATED = "separated", "concatenated"
ONE_END = "input only"


def findings(record: StudyRecord) -> list[str]:
    """Return sentences on what was found; none where there are too few rows."""
    if record.name == QUALITY:
        return quality_findings(record)
    if "times_smaller" in record.columns:
        return _grid(record.rows)
    if "level" in record.columns:
        return _direction_norm(record)
    return _modules(record)


def _grid(rows: Sequence[Row]) -> list[str]:
    found = [_contest(rows, SVD), _contest(rows, NORMALISED), *_sharing(rows), *_winners(rows)]
    return [sentence for sentence in found if sentence]


def _contest(rows: Sequence[Row], rival: str) -> str:
    """Where does the best autoencoder turn rows less than a closed form at equal bytes?"""
    won: list[str] = []
    lost: list[str] = []
    name = "direction_error"
    for place, members in _places(rows).items():
        other = _least([r for r in members if r["method"] == rival], name)
        mine = _least([r for r in members if str(r["method"]).startswith(AUTOENCODER)], name)
        if other is None or mine is None:
            continue
        text = f"{_where(place)} ({_n(mine, name)} against {_n(other, name)})"
        (won if _value(mine, name) < _value(other, name) else lost).append(text)
    if not won and not lost:
        return ""
    said = f"The best autoencoder turns rows less than {rival}"
    beaten = f"in {len(won)} of {len(won) + len(lost)} places"
    better = f": {_enumerate(won)}" if won else ""
    worse = f". It does not for {_enumerate(lost)}" if lost else ""
    return f"{said} {beaten}{better}{worse}."


def _sharing(rows: Sequence[Row]) -> list[str]:
    """Does a shared basis or decoder help at equal bytes?"""
    better: dict[str, list[str]] = {}
    worse: dict[str, list[str]] = {}
    pairs: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        key = (str(row["matrices"]), str(row["method"]), str(row["times_smaller"]))
        pairs.setdefault(key, {})[str(row["grouping"])] = row
    for (family, method, ratio), pair in pairs.items():
        alone, shared = pair.get(SEPARATED), pair.get(CONCATENATED)
        if alone is None or shared is None or not (_has(alone) and _has(shared)):
            continue
        if method.startswith("random"):
            continue
        text = f"{method} at {float(ratio):g} × ({_n(alone)} → {_n(shared)})"
        target = better if _value(shared) < _value(alone) else worse
        target.setdefault(family, []).append(text)
    sentences = []
    for family in dict.fromkeys([*better, *worse]):
        label = FAMILIES.get(family, family)
        for winner, loser, cases in (
            (CONCATENATED, SEPARATED, better.get(family)),
            (SEPARATED, CONCATENATED, worse.get(family)),
        ):
            if cases:
                sentences.append(
                    f"{label}: {winner} beats {loser} in perplexity for {_enumerate(cases)}."
                )
    return sentences


def _winners(rows: Sequence[Row]) -> list[str]:
    """Which method keeps the model best at a size?"""
    sizes: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if _has(row) and row["grouping"] != ONE_END:
            sizes.setdefault((str(row["matrices"]), str(row["times_smaller"])), []).append(row)
    # A chart beside it may show that the input end alone costs less.
    ends = ", with both ends of a tied table" if any(r["grouping"] == ONE_END for r in rows) else ""
    won = []
    for (family, ratio), members in sizes.items():
        best = _least(members, "perplexity")
        assert best is not None
        grouping = "" if best["grouping"] == SEPARATED else f" {best['grouping']}"
        label = FAMILIES.get(family, family).lower()
        won.append(f"{label} {float(ratio):g} × smaller, {best['method']}{grouping} ({_n(best)})")
    return [f"Lowest perplexity{ends}: {_enumerate(won)}."] if won else []


def _direction_norm(record: StudyRecord) -> list[str]:
    """At equal error, does the norm or the direction cost more?"""
    sentences = []
    for ends in dict.fromkeys(str(row["ends"]) for row in record.rows):
        rows = [row for row in record.rows if row["ends"] == ends and _has(row)]
        dearer: dict[str, list[str]] = {}
        for level in sorted({_value(row, "level") for row in rows}):
            means = {
                kind: _mean(r for r in rows if r["perturbed"] == kind and r["level"] == level)
                for kind in ("only the norm", "only the direction")
            }
            if None in means.values():
                continue
            norm, turn = (value or 0.0 for value in means.values())
            kind = "norm" if norm > turn else "direction"
            dearer.setdefault(kind, []).append(
                f"{level:g} ({format_value(norm)} against {format_value(turn)})"
            )
        where = "at both ends of the tie" if ends == "both" else "at its input only"
        for kind, levels in dearer.items():
            sentences.append(
                f"Perturbed {where}, the {kind} costs more at an error of "
                f"{_enumerate(levels)} of a row's norm (perplexity: norm against direction)."
            )
    return sentences


def _modules(record: StudyRecord) -> list[str]:
    measured = sorted((row for row in record.rows if _has(row)), key=_value, reverse=True)
    if len(measured) < 2:
        return []
    worst = [f"{row['module']} (perplexity {_n(row)})" for row in measured[:5]]
    least = measured[-1]
    return [
        f"What hurts most alone, by {record.settings['method']} at keep "
        f"{record.settings['keep']:g}: {_enumerate(worst)}.",
        f"What hurts least: {least['module']} ({_n(least)}).",
    ]


def _places(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["grouping"] == ONE_END or row.get("direction_error") is None:
            continue
        key = (str(row["matrices"]), str(row["times_smaller"]), str(row["grouping"]))
        found.setdefault(key, []).append(row)
    return found


def _where(place: tuple[str, ...]) -> str:
    family, ratio, grouping = place
    label = FAMILIES.get(family, family).lower()
    return f"{label} {float(ratio):g} ×" + ("" if grouping == SEPARATED else f" {grouping}")


def _least(rows: Sequence[Row], name: str) -> Row | None:
    known = [row for row in rows if row.get(name) is not None]
    return min(known, key=lambda row: _value(row, name)) if known else None


def _value(row: Row, name: str = "perplexity") -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else float("inf")


def _has(row: Row) -> bool:
    return row.get("perplexity") is not None


def _n(row: Row, name: str = "perplexity") -> str:
    return format_value(row.get(name))


def _mean(rows: Iterable[Row]) -> float | None:
    values = [_value(row) for row in rows]
    return sum(values) / len(values) if values else None


def _enumerate(parts: Sequence[str]) -> str:
    return ", ".join(parts)
