"""Runs in words and as tables. Knows no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from compress_lib.methods import METHODS, is_sized, preset_of
from compress_lib.models.targets import FAMILIES, TABLES, matches
from compress_lib.plan.rule import COMPRESSED, DENSE, Rule, StoredRule
from compress_lib.results.records import RunRecord
from compress_lib.utils.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd


GROUPS = {
    "everything but the embedding": {
        *("query", "key", "value", "attention_output"),
        *("ffn_gate", "ffn_in", "ffn_out"),
    },
    "attention": {"query", "key", "value", "attention_output"},
    "FFN": {"ffn_gate", "ffn_in", "ffn_out"},
}


EVERYTHING = ("", "*")
"""Patterns that select all weights."""

ALLOCATED = {
    "by_family": "shared out by family",
    "automatic": "shared out",
    "measured": "shared out, families measured",
}


def describe(record: RunRecord) -> str:
    """Return a short name for a run, e.g. `SVD 0.5 · embedding` or `int4 · key (group 32)`."""
    parts: list[str] = []
    for rule in record.plan.rules:
        if rule.method == DENSE:
            # Before any other rule it leaves alone what nothing happens to anyway.
            parts += [f"{_in_pattern(rule.pattern)} left dense"] if parts else []
            continue
        method = METHODS.get(rule.method)
        label = method.label if method else rule.method
        if not is_sized(rule.method):
            label += f" {rule.keep:g}"
        parts.append(f"{label} · {_where(record, rule.pattern)}{_manner(rule)}")
    return ", ".join(parts) or "baseline"


def unique_labels(records: Sequence[RunRecord]) -> list[str]:
    """Return a name for every run; of those that `describe` calls alike, numbered ones."""
    seen: Counter[str] = Counter()
    labels = []
    for record in records:
        name = describe(record)
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def scope_label(record: RunRecord) -> str:
    """Say in a word or two which weights a run compressed, so that like stands with like."""
    found = {target.family for target in record.targets}
    layers = found.difference(TABLES)
    return "everything" if layers != found and len(layers) > 1 else _in_words(found)


def settings_label(record: RunRecord) -> str:
    """Say what is unusual about how a run compressed, to stand behind its scope; or nothing."""
    rules = [rule for rule in record.plan.rules if rule.method != DENSE]
    return _manner(rules[0]) if len(rules) == 1 else ""


def describe_decoding(record: RunRecord) -> str:
    """Say what decoding costs at every call, or nothing where nothing has to be decoded."""
    decoded = [target for target in record.targets if target.decode_cost]
    if not decoded:
        return ""
    cost = sum(target.decode_cost for target in decoded)
    dense = sum(target.rows * target.cols for target in decoded)
    return (
        f"Decoding costs {format_count(cost)} multiply-adds at every call, {cost / dense:.3g} × a "
        "dense multiplication of one token."
    )


def _manner(rule: Rule) -> str:
    """Say what is unusual about how a rule compresses."""
    preset = preset_of(rule.method, rule.options)
    found = [f"preset {preset}"] if preset else []
    if is_sized(rule.method) and not preset:
        # Its size says nothing: its options tell such runs apart.
        found += _unusual_options(rule)
    elif rule.options.get("factor_bits"):
        found.append(f"factors in {rule.options['factor_bits']} bits")
    if rule.group == "concatenated":
        found.append(f"together by {rule.window}" if rule.window else "together")
    if rule.orientation != "automatic":
        found.append(rule.orientation)
    if rule.tie == "input":
        found.append("input end only")
    found += [ALLOCATED[rule.allocation]] if rule.allocation in ALLOCATED else []
    if rule.inputs == COMPRESSED:
        found.append("layer by layer")
    return f" ({', '.join(found)})" if found else ""


def _unusual_options(rule: Rule) -> list[str]:
    """Return the options of a rule that are not the default: `group size 32`, `gptq`."""
    if not rule.options or isinstance(rule, StoredRule):
        return [f"{name} {value}" for name, value in rule.options.items()]
    declared = {option.name: option for option in METHODS[rule.method].options()}
    found = []
    for name, value in rule.options.items():
        option = declared[name]
        if value != option.default:
            label = option.label.lower()
            text = label if value is True else f"{label} {value}"
            found.append(str(value) if option.choices else text)
    return found


def _where(record: RunRecord, pattern: str) -> str:
    """Say in words which weights a pattern selected in a run."""
    if pattern in EVERYTHING:
        return "everything"
    if "@" in pattern:
        return pattern
    found = {target.family for target in record.targets if matches(target, pattern)}
    return _in_words(found) or pattern


def _in_pattern(pattern: str) -> str:
    """Say a pattern in words where it has some, whatever weights it selected."""
    if pattern in EVERYTHING:
        return "everything"
    parts = [part.strip() for part in pattern.split(",")]
    if all(part in FAMILIES for part in parts):
        return _in_words(set(parts))
    return ", ".join(_layers(part) if part[:1] == "@" else part for part in parts)


def _layers(part: str) -> str:
    return f"{'layers' if '-' in part else 'layer'} {part[1:]}"


def _in_words(found: set[str]) -> str:
    for words, families in GROUPS.items():
        if found and found <= families and len(found) >= len(families) - 1:
            return words
    return ", ".join(FAMILIES[f].lower() for f in FAMILIES if f in found)


def to_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row a run, with every metric of `metrics.METRICS`."""
    import pandas as pd

    rows = [
        {
            "key": record.key,
            "run": describe(record),
            "model": record.model.id,
            "source": record.model.source,
            "corpus": record.perplexity.corpus,
            "methods": ", ".join(record.methods),
            "baseline_perplexity": record.perplexity.baseline,
            "perplexity_stderr": record.perplexity.compressed_stderr,
            "bytes": record.memory.compressed_bytes,
            **record.metrics(),
            "seconds": sum(record.seconds.values()),
        }
        for record in records
    ]
    return pd.DataFrame(rows)


def targets_frame(record: RunRecord) -> pd.DataFrame:
    """Return one row a compressed weight."""
    import pandas as pd

    rows = []
    for target in record.targets:
        row = asdict(target)
        row["names"] = ", ".join(target.names)
        direction = row.pop("direction_error")
        del row["history"]
        rows.append(row | {f"direction_{name}": value for name, value in direction.items()})
    return pd.DataFrame(rows)
