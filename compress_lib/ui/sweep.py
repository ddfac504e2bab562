"""Grid of plans: every method at every size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compress_lib.errors import CompressionError
from compress_lib.methods import is_sized
from compress_lib.plan.plan import Plan
from compress_lib.ui.common import texts
from compress_lib.ui.form import validation
from compress_lib.utils.profiles import limits


def sweep_plans(plan: Plan, methods: Any, keeps: Any) -> list[Plan]:
    """Return one plan per method and size.

    Args:
        plan: Base plan. Its first rule is varied; the other rules stay.
        methods: Names of methods. A method whose options determine its size is run once.
        keeps: Comma-separated sizes, as shares (`0.5`) or percentages (`50%`).

    Raises:
        CompressionError: No method is given, a size is invalid, or there are too many plans.
    """
    names = [name for name in methods if isinstance(name, str)] if isinstance(methods, list) else []
    shares = [
        validation.as_share(part.strip()) for part in str(keeps or "").split(",") if part.strip()
    ]
    if not names or not shares or None in shares:
        raise CompressionError(texts.SWEEP_WANTS)
    sized = [name for name in dict.fromkeys(names) if is_sized(name)]
    count = len(sized) + (len(dict.fromkeys(names)) - len(sized)) * len(dict.fromkeys(shares))
    # A long job would block the queue for everyone else.
    most = limits()["sweep_plans"]
    if count > most:
        raise CompressionError(texts.SWEEP_MANY.format(count=count, limit=most))
    first = plan.rules[0]
    plans: list[Plan] = []
    for name in dict.fromkeys(names):
        options = first.options if name == first.method else {}
        sizes = [1.0] if is_sized(name) else [share for share in shares if share is not None]
        for keep in dict.fromkeys(sizes):
            rule = replace(first, method=name, keep=keep, options=options)
            plans.append(replace(plan, rules=(rule, *plan.rules[1:])))
    return plans
