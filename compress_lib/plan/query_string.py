"""Query strings of plans, short enough to share: `?model=…&rule=embedding~svd~0.5`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from compress_lib.data.text_spec import OWN_TEXT, TextSpec
from compress_lib.errors import CompressionError, unknown_name
from compress_lib.plan.plan import Generation, Plan
from compress_lib.plan.rule import Rule

RULE_FIELDS = tuple(
    field.name
    for field in fields(Rule)
    if field.name not in ("pattern", "method", "keep", "options")
)


COMPARE_WITH = "with"
"""Repeated parameter with the compared plans in order, each as a nested query string."""

SELF = "this"
"""Value of `COMPARE_WITH` for the link's own plan."""

MAX_COMPARED = 4


def is_link(query: str) -> bool:
    """Return whether a query string contains any parameter of a plan."""
    known = {"model", "rule", "prompt", COMPARE_WITH, *_values(Plan())}
    return any(name in known for name, _ in parse_qsl(query, keep_blank_values=True))


def to_query(plan: Plan, beside: Sequence[Plan] = ()) -> str:
    """Return a plan as a query string; a custom text is left out.

    Args:
        plan: The plan.
        beside: The compared plans in order, including `plan` itself; see `read_compared_plans`.
    """
    default = Plan()
    pairs = [("model", plan.model)]
    pairs += [("rule", _rule_text(rule)) for rule in plan.rules]
    usual = _values(default)
    pairs += [
        (name, str(value))
        for name, value in _values(plan).items()
        if value not in (usual[name], OWN_TEXT)
    ]
    pairs += [("prompt", prompt) for prompt in plan.prompts]
    pairs += [
        (COMPARE_WITH, SELF if other.key == plan.key else to_query(other))
        for other in beside[:MAX_COMPARED]
    ]
    return urlencode(pairs)


def read_compared_plans(query: str) -> list[Plan]:
    """Return the plans that a link compares, in order, including its own.

    Raises:
        CompressionError: A plan has an unknown name or a value out of range.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    given = [other for name, other in pairs if name == COMPARE_WITH][:MAX_COMPARED]
    return [from_query(query if other == SELF else other) for other in given]


def from_query(query: str) -> Plan:
    """Read a plan from a query string of `to_query`; missing parameters take their defaults.

    Raises:
        CompressionError: The plan has an unknown name or a value out of range.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    default = Plan()
    # `Plan` checks and converts numbers itself.
    values: dict[str, str] = {name: str(value) for name, value in _values(default).items()}
    values |= {name: value for name, value in pairs if name in values}
    rules = tuple(_rule_from_text(value) for name, value in pairs if name == "rule")
    return Plan(
        model=dict(pairs).get("model", default.model),
        rules=rules or default.rules,
        evaluation=TextSpec(
            corpus=values["text"],
            tokens=values["tokens"],  # type: ignore[arg-type]
            context=values["context"],  # type: ignore[arg-type]
            protocol=values["protocol"],
        ),
        calibration=TextSpec(
            corpus=values["calibration"],
            tokens=values["calibration_tokens"],  # type: ignore[arg-type]
        ),
        prompts=tuple(value for name, value in pairs if name == "prompt") or default.prompts,
        generation=Generation(
            max_new_tokens=values["new_tokens"],  # type: ignore[arg-type]
            temperature=values["temperature"],  # type: ignore[arg-type]
        ),
        seed=values["seed"],  # type: ignore[arg-type]
    )


def _values(plan: Plan) -> dict[str, str | int | float]:
    return {
        "text": plan.evaluation.corpus,
        "tokens": plan.evaluation.tokens,
        "context": plan.evaluation.context,
        "protocol": plan.evaluation.protocol,
        "calibration": plan.calibration.corpus,
        "calibration_tokens": plan.calibration.tokens,
        "new_tokens": plan.generation.max_new_tokens,
        "temperature": plan.generation.temperature,
        "seed": plan.seed,
    }


def _rule_text(rule: Rule) -> str:
    """Return a rule as text; fields that are not method options are prefixed with a dot."""
    usual = Rule()
    rule_fields = [
        f".{name}={getattr(rule, name)}"
        for name in RULE_FIELDS
        if getattr(rule, name) != getattr(usual, name)
    ]
    options = [f"{name}={value}" for name, value in sorted(rule.options.items())]
    return "~".join([rule.pattern, rule.method, repr(rule.keep), *rule_fields, *options])


def _rule_from_text(text: str) -> Rule:
    pattern, *rest = text.split("~")
    if len(rest) < 2:
        raise CompressionError(f"A rule in a link must be PATTERN~METHOD~KEEP, not {text!r}.")
    method, keep, *more = rest
    pairs = dict(part.partition("=")[::2] for part in more)
    rule_fields: dict[str, Any] = {n[1:]: value for n, value in pairs.items() if n.startswith(".")}
    for name in rule_fields:
        if name not in RULE_FIELDS:
            raise unknown_name("rule field in the link", name, RULE_FIELDS)
    options = {name: value for name, value in pairs.items() if not name.startswith(".")}
    return Rule(pattern=pattern, method=method, keep=keep, options=options, **rule_fields)  # type: ignore[arg-type]
