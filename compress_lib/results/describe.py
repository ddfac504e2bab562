"""Labels and data frames of runs."""

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
    "by_family": "allocated per module type",
    "automatic": "allocated by loss",
    "measured": "allocated by corrected loss",
}


def describe(record: RunRecord) -> str:
    """Return a short label, e.g. `SVD 0.5 · embedding` or `int4 · key (group size 32)`."""
    parts: list[str] = []
    for rule in record.plan.rules:
        if rule.method == DENSE:
            # A leading dense rule has no effect.
            parts += [f"{_pattern_label(rule.pattern)} left dense"] if parts else []
            continue
        method = METHODS.get(rule.method)
        label = method.label if method else rule.method
        if not is_sized(rule.method):
            label += f" {rule.keep:g}"
        parts.append(f"{label} · {_where(record, rule.pattern)}{_settings(rule)}")
    return ", ".join(parts) or "baseline"


def unique_labels(records: Sequence[RunRecord]) -> list[str]:
    """Return a label for every run; runs with the same description are numbered."""
    seen: Counter[str] = Counter()
    labels = []
    for record in records:
        name = describe(record)
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def scope_label(record: RunRecord) -> str:
    """Return a short label of the weights that a run compressed, to group similar runs."""
    families = {target.family for target in record.targets}
    layers = families.difference(TABLES)
    return "everything" if layers != families and len(layers) > 1 else _families_label(families)


def settings_label(record: RunRecord) -> str:
    """Return a run's non-default settings in parentheses, a suffix for its scope; may be empty."""
    rules = [rule for rule in record.plan.rules if rule.method != DENSE]
    return _settings(rules[0]) if len(rules) == 1 else ""


def describe_decoding(record: RunRecord) -> str:
    """Return a sentence on the decoding cost per forward pass; empty if there is none."""
    decoded = [target for target in record.targets if target.decode_cost]
    if not decoded:
        return ""
    cost = sum(target.decode_cost for target in decoded)
    dense = sum(target.rows * target.cols for target in decoded)
    return (
        f"Decoding costs {format_count(cost)} multiply-adds per forward pass, {cost / dense:.3g}× "
        "the dense matrix products for one token."
    )


def family_in_text(family: str) -> str:
    """Return the label of a module type within a sentence, e.g. `query` or `FFN gate`."""
    label = FAMILIES.get(family, family)
    is_acronym = label.partition(" ")[0].isupper()
    return label if is_acronym else label.lower()


def _settings(rule: Rule) -> str:
    """Return a rule's non-default settings in parentheses."""
    preset = preset_of(rule.method, rule.options)
    settings = [f"preset {preset}"] if preset else []
    if is_sized(rule.method) and not preset:
        # Without a keep in the label, only the options distinguish such runs.
        settings += _nondefault_options(rule)
    elif rule.options.get("factor_bits"):
        settings.append(f"{rule.options['factor_bits']}-bit factors")
    if rule.group == "concatenated":
        window = f" in groups of {rule.window} layers" if rule.window else ""
        settings.append(f"concatenated{window}")
    if rule.orientation != "automatic":
        settings.append(rule.orientation)
    if rule.tie == "input":
        settings.append("input embedding only")
    settings += [ALLOCATED[rule.allocation]] if rule.allocation in ALLOCATED else []
    if rule.inputs == COMPRESSED:
        settings.append("sequential")
    return f" ({', '.join(settings)})" if settings else ""


def _nondefault_options(rule: Rule) -> list[str]:
    """Return a rule's non-default options, e.g. `group size 32` or `gptq`."""
    if not rule.options or isinstance(rule, StoredRule):
        return [f"{name} {value}" for name, value in rule.options.items()]
    declared = {option.name: option for option in METHODS[rule.method].options()}
    texts = []
    for name, value in rule.options.items():
        option = declared[name]
        if value != option.default:
            label = option.label.lower()
            text = label if value is True else f"{label} {value}"
            texts.append(str(value) if option.choices else text)
    return texts


def _where(record: RunRecord, pattern: str) -> str:
    """Return a label of the weights that a pattern selected in a run."""
    if pattern in EVERYTHING:
        return "everything"
    if "@" in pattern:
        return pattern
    families = {target.family for target in record.targets if matches(target, pattern)}
    return _families_label(families) or pattern


def _pattern_label(pattern: str) -> str:
    """Return a label of a pattern, independent of the weights that it selects."""
    if pattern in EVERYTHING:
        return "everything"
    parts = [part.strip() for part in pattern.split(",")]
    if all(part in FAMILIES for part in parts):
        return _families_label(set(parts))
    return ", ".join(_layers(part) if part[:1] == "@" else part for part in parts)


def _layers(part: str) -> str:
    return f"{'layers' if '-' in part else 'layer'} {part[1:]}"


def _families_label(families: set[str]) -> str:
    for label, members in GROUPS.items():
        # One missing module type is allowed: not every architecture has an FFN gate.
        if families and families <= members and len(families) >= len(members) - 1:
            return label
    return ", ".join(family_in_text(family) for family in FAMILIES if family in families)


def to_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return a data frame with one row per run and every metric of `metrics.METRICS`."""
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
    """Return a data frame with one row per compressed weight of a run."""
    import pandas as pd

    rows = []
    for target in record.targets:
        row = asdict(target)
        row["names"] = ", ".join(target.names)
        direction = row.pop("direction_error")
        del row["history"]
        rows.append(row | {f"direction_{name}": value for name, value in direction.items()})
    return pd.DataFrame(rows)
