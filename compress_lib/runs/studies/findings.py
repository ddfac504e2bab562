"""Findings of a study: sentences generated from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compress_lib.models.targets import FAMILIES
from compress_lib.results.describe import family_in_text
from compress_lib.runs.studies.quality.table import NAME as QUALITY
from compress_lib.runs.studies.quality.table import quality_findings
from compress_lib.runs.studies.record import Row, StudyRecord, format_value

SVD, NORMALISED = "SVD", "row-normalised SVD"
AUTOENCODER = "autoencoder"
SEPARATED, CONCATENATED = "separated", "concatenated"
ONE_END = "input only"


def findings(record: StudyRecord) -> list[str]:
    """Return the findings of a study as sentences; empty if there are too few rows."""
    if record.name == QUALITY:
        return quality_findings(record)
    if "times_smaller" in record.columns:
        return _grid(record.rows)
    if "level" in record.columns:
        return _direction_norm(record)
    return _modules(record)


def _grid(rows: Sequence[Row]) -> list[str]:
    sentences = [
        _compare_autoencoder(rows, SVD),
        _compare_autoencoder(rows, NORMALISED),
        *_sharing(rows),
        *_best_methods(rows),
    ]
    return [sentence for sentence in sentences if sentence]


def _compare_autoencoder(rows: Sequence[Row], rival: str) -> str:
    """Where does the best autoencoder have a lower direction error than an SVD at equal bytes?"""
    lower: list[str] = []
    not_lower: list[str] = []
    name = "direction_error"
    for place, members in _places(rows).items():
        other = _least([r for r in members if r["method"] == rival], name)
        best = _least([r for r in members if str(r["method"]).startswith(AUTOENCODER)], name)
        if other is None or best is None:
            continue
        text = f"{_place_label(place)} ({_n(best, name)} vs. {_n(other, name)})"
        (lower if _value(best, name) < _value(other, name) else not_lower).append(text)
    if not lower and not not_lower:
        return ""
    claim = f"The best autoencoder has a lower direction error than {rival}"
    count = f"in {len(lower)} of {len(lower) + len(not_lower)} comparisons"
    better = f": {_enumerate(lower)}" if lower else ""
    worse = f". Not lower: {_enumerate(not_lower)}" if not_lower else ""
    return f"{claim} {count}{better}{worse}."


def _sharing(rows: Sequence[Row]) -> list[str]:
    """Does a shared basis or decoder lower the perplexity at equal bytes?"""
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
        text = f"{method} at {float(ratio):g}× ({_n(alone)} → {_n(shared)})"
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
                    f"{label}: {winner} has a lower perplexity than {loser} for "
                    f"{_enumerate(cases)} (separated → concatenated)."
                )
    return sentences


def _best_methods(rows: Sequence[Row]) -> list[str]:
    """Which method has the lowest perplexity at each size?"""
    sizes: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if _has(row) and row["grouping"] != ONE_END:
            sizes.setdefault((str(row["matrices"]), str(row["times_smaller"])), []).append(row)
    # Rows with a dense LM head, which have lower perplexities, are excluded.
    has_dense_head = any(row["grouping"] == ONE_END for row in rows)
    scope = " with embedding and LM head compressed" if has_dense_head else ""
    winners = []
    for (family, ratio), members in sizes.items():
        best = _least(members, "perplexity")
        assert best is not None
        grouping = "" if best["grouping"] == SEPARATED else f" {best['grouping']}"
        place = f"{family_in_text(family)} {float(ratio):g}× smaller"
        winners.append(f"{best['method']}{grouping} for {place} ({_n(best)})")
    return [f"Lowest perplexity{scope}: {_enumerate(winners)}."] if winners else []


def _direction_norm(record: StudyRecord) -> list[str]:
    """At equal error, does the norm or the direction raise the perplexity more?"""
    sentences = []
    all_ends = list(dict.fromkeys(str(row["ends"]) for row in record.rows))
    for ends in all_ends:
        rows = [row for row in record.rows if row["ends"] == ends and _has(row)]
        worse: dict[str, list[str]] = {}
        for level in sorted({_value(row, "level") for row in rows}):
            means = {
                kind: _mean(r for r in rows if r["perturbed"] == kind and r["level"] == level)
                for kind in ("only the norm", "only the direction")
            }
            if None in means.values():
                continue
            norm, direction = (value or 0.0 for value in means.values())
            kind = "norm" if norm > direction else "direction"
            worse.setdefault(kind, []).append(
                f"{level:g} ({format_value(norm)} vs. {format_value(direction)})"
            )
        if ends == "both":
            where = "In embedding and LM head" if len(all_ends) > 1 else "In these weights"
        else:
            where = "In the input embedding only"
        for kind, levels in worse.items():
            sentences.append(
                f"{where}, a change of {kind} raises the perplexity more at a relative error of "
                f"{_enumerate(levels)} (perplexity: norm vs. direction)."
            )
    return sentences


def _modules(record: StudyRecord) -> list[str]:
    """Which weights raise the perplexity most, and which least?"""
    measured = sorted((row for row in record.rows if _has(row)), key=_value, reverse=True)
    if len(measured) < 2:
        return []
    worst = [f"{row['module']} (perplexity {_n(row)})" for row in measured[:5]]
    least = measured[-1]
    return [
        f"Most sensitive, compressed alone with {record.settings['method']} at keep "
        f"{record.settings['keep']:g}: {_enumerate(worst)}.",
        f"Least sensitive: {least['module']} (perplexity {_n(least)}).",
    ]


def _places(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Group rows by matrices, size and grouping, without those with a dense LM head."""
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row["grouping"] == ONE_END or row.get("direction_error") is None:
            continue
        key = (str(row["matrices"]), str(row["times_smaller"]), str(row["grouping"]))
        places.setdefault(key, []).append(row)
    return places


def _place_label(place: tuple[str, ...]) -> str:
    family, ratio, grouping = place
    suffix = "" if grouping == SEPARATED else f" {grouping}"
    return f"{family_in_text(family)} {float(ratio):g}×{suffix}"


def _least(rows: Sequence[Row], name: str) -> Row | None:
    measured = [row for row in rows if row.get(name) is not None]
    return min(measured, key=lambda row: _value(row, name)) if measured else None


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
