"""Two-way conversion between plans and form values; validates all input from the browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compress_lib.data.text_spec import OWN_TEXT, TextSpec
from compress_lib.errors import CompressionError, check_number
from compress_lib.methods import METHODS, Option
from compress_lib.models.targets import FAMILIES
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.query_string import from_query
from compress_lib.plan.rule import DENSE, Rule
from compress_lib.ui.common import texts
from compress_lib.ui.form.validation import (
    as_share,
    check_limit,
    corpus_name,
    model_name,
    share_of,
    table_rows,
)

CHOICES = tuple(family for family in FAMILIES if family != "other")
LAYERS = tuple(family for family in CHOICES if family not in ("embedding", "head"))
PRESETS = {
    texts.PRESET_EMBEDDING: ("embedding",),
    texts.PRESET_LAYERS: LAYERS,
    texts.PRESET_EVERYTHING: CHOICES,
}
"""Module types of each preset button, by its label."""

PLAIN = "svd"
"""The default method, which supports every matrix."""

GROUPING = ("group", "window", "orientation", "tie", "allocation", "inputs")
"""Fields of `Rule` that the form sets once for all rules, except dense ones."""


def method_choices() -> list[tuple[str, str]]:
    """Return the label and name of every method, for a menu."""
    return [(method.label, name) for name, method in METHODS.items()]


def option_key(method: str, option: str) -> str:
    """Return the name of the form field of a method's option."""
    return f"{method}.{option}"


def option_fields() -> list[tuple[str, Option]]:
    """Return every option of every method, with the name of the method."""
    return [(name, option) for name, method in METHODS.items() for option in method.options()]


Values = Mapping[str, Any]
"""Values of the form by field name; options by `option_key`."""


def read_plan(values: Values) -> Plan:
    """Return the plan of the form's values.

    Raises:
        CompressionError: A value is unknown, out of range or missing.
    """
    get = values.get
    generation = Generation(
        max_new_tokens=check_limit(texts.NEW_TOKENS, get("new_tokens"), "new_tokens"),
        temperature=check_number(texts.TEMPERATURE, get("temperature")),
    )
    return Plan(
        model=model_name(get("model")),
        rules=_rules(values),
        evaluation=TextSpec(
            corpus=corpus_name(get("corpus"), own=True),
            tokens=check_limit(texts.TOKENS, get("tokens"), "evaluation_tokens"),
            context=get("context"),  # type: ignore[arg-type]
            protocol=str(get("protocol")),
            text=str(get("own_text") or "") if get("corpus") == OWN_TEXT else None,
        ),
        calibration=TextSpec(
            corpus=corpus_name(get("calibration"), own=False),
            tokens=check_limit(
                texts.CALIBRATION_TOKENS, get("calibration_tokens"), "calibration_tokens"
            ),
        ),
        prompts=(str(get("prompt") or ""),),
        generation=generation,
        seed=get("seed"),  # type: ignore[arg-type]
    )


def form_values(plan: Plan) -> dict[str, Any]:
    """Return the form's values for a plan; the inverse of `read_plan`."""
    first, rest = plan.rules[0], plan.rules[1:]
    families = _families_of(first)
    if not families:
        rest = plan.rules
    options = {
        option_key(method, option.name): option.default for method, option in option_fields()
    }
    for rule in plan.rules:
        options |= {option_key(rule.method, name): value for name, value in rule.options.items()}
    head = first if families else Rule()
    together = next((rule for rule in plan.rules if rule.method != DENSE), Rule())
    return {
        **{name: getattr(together, name) for name in GROUPING},
        "model": plan.model,
        "families": families,
        "method": head.method,
        "keep": head.keep,
        "overrides": [
            [rule.pattern, rule.method, "" if rule.method == DENSE else str(rule.keep)]
            for rule in rest
        ]
        # An empty table needs one empty row to type into.
        or [["", "", ""]],
        "corpus": plan.evaluation.corpus,
        "own_text": plan.evaluation.text or "",
        "tokens": plan.evaluation.tokens,
        "context": plan.evaluation.context,
        "protocol": plan.evaluation.protocol,
        "calibration": plan.calibration.corpus,
        "calibration_tokens": plan.calibration.tokens,
        "prompt": plan.prompts[0] if plan.prompts else "",
        "new_tokens": plan.generation.max_new_tokens,
        "temperature": plan.generation.temperature,
        "seed": plan.seed,
        **options,
    }


def round_trip(plan: Plan) -> tuple[Plan, bool]:
    """Return a plan after conversion to form values and back, and whether it is equivalent.

    The provenance of a plan (revision of the weights, hashes of texts) is ignored.

    Raises:
        CompressionError: The form rejects a value of the plan.
    """
    shown = read_plan(form_values(plan))
    expected = replace(plan.without_provenance(), rules=shown.rules)
    same = [_rule_values(rule) for rule in shown.rules] == [
        _rule_values(rule) for rule in plan.rules
    ]
    return shown, same and expected.key == shown.key


def _rule_values(rule: Rule) -> dict[str, Any]:
    """Return the values by which rules are compared; of a dense rule only its pattern counts."""
    if rule.method == DENSE:
        return {"pattern": rule.pattern, "method": DENSE}
    return rule.canonical(0)


def _rules(values: Values) -> tuple[Rule, ...]:
    get = values.get
    method, keep = str(get("method")), get("keep")
    families = [family for family in CHOICES if family in (get("families") or [])]
    rules = []
    if families:
        pattern = "*" if len(families) == len(CHOICES) else ",".join(families)
        rules.append(_rule(values, pattern, method, share_of(method, keep)))
    for where, other, share in table_rows(get("overrides")):
        if not where:
            raise CompressionError(texts.OVERRIDE_WHERE.format(given=other or share))
        own_keep = as_share(share) if share else share_of(other or method, keep)
        if own_keep is None:
            raise CompressionError(texts.OVERRIDE_KEEP.format(where=where, given=share))
        rules.append(_rule(values, where, other or method, own_keep))
    if not rules:
        raise CompressionError(texts.NOTHING_CHOSEN)
    return tuple(rules)


def _rule(values: Values, pattern: str, method: str, keep: Any) -> Rule:
    options = {
        option.name: values[option_key(method, option.name)]
        for option in (METHODS[method].options() if method in METHODS else ())
        if values.get(option_key(method, option.name)) not in (None, "", option.default)
    }
    if method == DENSE:
        return Rule(pattern=pattern, method=method)
    together = {name: values.get(name) for name in GROUPING}
    return Rule(pattern=pattern, method=method, keep=keep, options=options, **together)  # type: ignore[arg-type]


def _families_of(rule: Rule) -> list[str]:
    """Return the module types of a rule; empty if checkboxes cannot express its pattern."""
    if rule.method == DENSE:
        return []
    if rule.pattern in ("", "*"):
        return list(CHOICES)
    parts = [part.strip() for part in rule.pattern.split(",")]
    return parts if all(part in CHOICES for part in parts) else []


def first_plan(query: str) -> tuple[Plan, str | None]:
    """Return the plan of a link and an error message; the default plan if it is invalid."""
    try:
        return plan_for_form(from_query(query))
    except CompressionError as error:
        return Plan(), str(error)


def plan_for_form(plan: Plan) -> tuple[Plan, str | None]:
    """Return the plan as the form shows it, and a message if the form cannot show all of it.

    Raises:
        CompressionError: The form rejects a value of the plan.
    """
    shown, same = round_trip(plan)
    return shown, None if same else texts.MORE_THAN_THE_FORM
