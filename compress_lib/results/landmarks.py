"""Landmarks: precomputed runs of the default model, which the page shows from the start.

Every file in `assets/landmarks` is the record of one run, written by `compress-lab bench
landmarks`: with the plan that reproduces it, the source of the weights, and the versions used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from compress_lib.data.text_spec import AUTOMATIC
from compress_lib.errors import CompressionError
from compress_lib.methods import OptionValue
from compress_lib.methods.autoencoder.presets import LAB
from compress_lib.models.targets import Target, matches
from compress_lib.plan.allocation import allocate
from compress_lib.plan.plan import Plan
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.results.records import RunRecord
from compress_lib.utils.paths import ASSETS

FOLDER = ASSETS / "landmarks"

EMBEDDING = "embedding"
KEEPS = (0.9, 0.75, 0.5, 0.25)
LAYERS = "query,key,value,attention_output,ffn_gate,ffn_in,ffn_out"
OTHERS: tuple[tuple[str, Mapping[str, OptionValue], tuple[float, ...]], ...] = (
    ("autoencoder", LAB, (0.5, 0.25)),
    ("kronecker", {}, (0.5,)),
    ("tucker", {}, (0.5,)),
    ("magnitude_pruning", {}, (0.5, 0.25)),
    ("row_quantization", {}, (0.51, 0.25)),
    ("two_sided_svd", {}, (0.5,)),
    ("group_reduce", {}, (0.5,)),
    ("product_quantization", {}, (0.25, 0.125)),
    ("tiered", {}, (0.5, 0.25, 0.125)),
)
BY_SIZE: tuple[tuple[str, str, str, tuple[float, ...]], ...] = (
    ("attention", "*attn*", "svd", (0.9, 0.75, 0.5)),
    ("ffn", "*mlp*", "svd", (0.95, 0.9, 0.8)),
    ("everything", "*", "svd", (0.9, 0.75)),
    ("layers", LAYERS, "output_pca", (0.95, 0.9)),
    ("layers", LAYERS, "row_quantization", (0.51,)),
    # 8, 6, 5 and 4 bits.
    ("everything", "*", "row_quantization", (0.51, 0.4, 0.32, 0.26)),
)
"""Name, pattern, method and keeps of rules with uniform allocation."""

PIVOTED: Mapping[str, OptionValue] = {"storage": "pivoted"}
SHARED_OUT: tuple[tuple[str, str, str, float, Mapping[str, OptionValue]], ...] = (
    ("layers-two_sided_svd-pivoted", LAYERS, "two_sided_svd", 0.8, PIVOTED),
    ("layers-two_sided_svd-pivoted", LAYERS, "two_sided_svd", 0.6, PIVOTED),
    ("layers-two_sided_svd-pivoted-8", LAYERS, "two_sided_svd", 0.4, {**PIVOTED, "factor_bits": 8}),
    ("everything-mixed", "*", "mixed", 0.5, {}),
    ("everything-mixed", "*", "mixed", 0.3, {}),
)
"""Name, pattern, method, keep and options of rules that allocate bytes by estimated loss."""

ROUNDED: tuple[tuple[str, Mapping[str, OptionValue]], ...] = (
    ("int8", {}),
    ("int4", {}),
    ("int4", {"algorithm": "gptq"}),
)
TABLE_METHODS = ("svd", "row_normalized_svd", "frequency_svd", "autoencoder")


def landmark_plans() -> dict[str, Plan]:
    """Return the plans of all landmarks by file name."""
    plans = {"baseline": Plan(rules=(Rule(method=DENSE, keep=1.0),))}
    for method in TABLE_METHODS:
        for keep in KEEPS:
            rule = Rule(pattern=EMBEDDING, method=method, keep=keep)
            plans[f"{EMBEDDING}-{method}-{keep:g}"] = Plan(rules=(rule,))
    for method, options, sizes in OTHERS:
        for keep in sizes:
            rule = Rule(pattern=EMBEDDING, method=method, keep=keep, options=options)
            name = "autoencoder-lab" if method == "autoencoder" else method
            plans[f"{EMBEDDING}-{name}-{keep:g}"] = Plan(rules=(rule,))
    for name, pattern, method, keeps in BY_SIZE:
        for keep in keeps:
            rule = Rule(pattern=pattern, method=method, keep=keep)
            plans[f"{name}-{method}-{keep:g}"] = Plan(rules=(rule,))
    for name, pattern, method, keep, options in SHARED_OUT:
        rule = Rule(
            pattern=pattern, method=method, keep=keep, options=options, allocation="automatic"
        )
        plans[f"{name}-{keep:g}"] = Plan(rules=(rule,))
    for name, options in ROUNDED:
        rule = Rule(pattern=LAYERS, method=name, keep=1.0, options=options)
        plans["-".join(["layers", name, *map(str, options.values())])] = Plan(rules=(rule,))
    concatenated = Rule(pattern="key", method="output_pca", keep=0.25, group="concatenated")
    plans["key-output_pca-0.25-concatenated"] = Plan(rules=(concatenated,))
    plans["key-output_pca-0.25"] = Plan(rules=(replace(concatenated, group="separated"),))
    return plans


def load_landmarks(folder: Path = FOLDER) -> tuple[RunRecord, ...]:
    """Return the landmark records, sorted by name; empty if there are no files."""
    return tuple(landmarks_by_name(folder).values())


def find_landmark(key: str) -> RunRecord | None:
    """Return the landmark with a key, or None."""
    return next((record for record in load_landmarks() if record.key == key), None)


def record_targets(record: RunRecord) -> list[Target]:
    """Return the targets that a run compressed."""
    return [
        Target(t.names, t.family, t.layer, (t.rows, t.cols), t.bytes_before, t.head_dim)
        for t in record.targets
    ]


@cache
def landmark_targets() -> tuple[tuple[Target, ...], int]:
    """Return the default model's targets and its bytes, from the landmark records."""
    targets: dict[str, Target] = {}
    model_bytes = 0
    for record in load_landmarks():
        model_bytes = record.memory.baseline_bytes
        targets |= {target.names[0]: target for target in record_targets(record)}
    return tuple(targets.values()), model_bytes


def landmark_of(plan: Plan) -> RunRecord | None:
    """Return the landmark that is equivalent to a plan, however its rules are written, or None."""
    try:
        allocate(plan, landmark_targets()[0])
    except CompressionError:
        # A run would reject the plan as well.
        return None
    landmark = _by_effect().get(_effect(plan))
    if landmark is None or plan.revision not in (None, landmark.model.revision):
        return None
    same_protocol = plan.evaluation.protocol in (AUTOMATIC, landmark.perplexity.protocol)
    return landmark if same_protocol else None


@cache
def _by_effect() -> dict[str, RunRecord]:
    return {_effect(record.plan): record for record in load_landmarks()}


def _effect(plan: Plan) -> str:
    """Return a key that is equal for plans with the same effect on every matrix of the model."""
    effects: dict[str, Any] = {}
    for index, rule in enumerate(plan.rules):
        effect = {k: v for k, v in rule.canonical(plan.seed).items() if k != "pattern"}
        # Allocation and grouping act on all targets of one rule, so the rule matters as well.
        separate = (rule.allocation, rule.group) == ("uniform", "separated")
        for target in landmark_targets()[0]:
            if matches(target, rule.pattern):
                effects[target.name] = [effect, None if separate else index]
    compressed = {name: pair for name, pair in effects.items() if pair[0]["method"] != DENSE}
    return replace(plan.without_provenance(), rules=(Rule(),)).key + json.dumps(
        compressed, sort_keys=True
    )


@cache
def landmarks_by_name(folder: Path = FOLDER) -> dict[str, RunRecord]:
    """Return the landmark records by file name; every file is read once per process."""
    return {
        file.stem: RunRecord.from_json(json.loads(file.read_text(encoding="utf-8")))
        for file in sorted(folder.glob("*.json"))
    }
