"""Option validation, and compatibility with option names and values of version 0.1.0."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compress_lib.errors import CompressionError
from compress_lib.methods import METHODS, build_method
from compress_lib.methods.base import Method
from compress_lib.plan.rule import Rule
from compress_lib.utils.options import OptionValue, declared_options, modernize


def _another(default: OptionValue, choices: tuple[str, ...] | None) -> OptionValue:
    """Return an allowed value that is not the default."""
    if choices is not None:
        return next(one for one in choices if one != default)
    if isinstance(default, bool):
        return not default
    return default if isinstance(default, str) else default * 2 or 32


def _renamed() -> Iterator[tuple[str, str, str, OptionValue]]:
    for name, method in METHODS.items():
        for one in declared_options(method):
            if one.formerly:
                yield name, one.formerly, one.name, _another(one.default, one.choices)


def _replaced() -> Iterator[tuple[str, str, OptionValue]]:
    for name, method in METHODS.items():
        for former, meanings in method.former_options.items():
            for value in meanings:
                yield name, former, value


def _values(method: Method) -> dict[str, OptionValue]:
    return {one.name: getattr(method, one.name) for one in method.options()}


RENAMED, REPLACED = list(_renamed()), list(_replaced())


def test_the_renamed_options_are_the_expected_ones() -> None:
    assert {former: name for _, former, name, _ in RENAMED} == {
        "group": "group_size",
        "factor_group": "factor_group_size",
        "sub": "subvector_size",
        "number": "exponent",
        "length": "norm_target",
        "fill": "use_full_budget",
        "keep_best": "select_best_by",
        "check_epochs": "eval_every",
    }
    assert {former for _, former, _ in REPLACED} == {"refine", "zero"}


@pytest.mark.parametrize(("method", "former", "name", "value"), RENAMED)
def test_a_former_name_means_the_option_of_today(
    method: str, former: str, name: str, value: OptionValue
) -> None:
    before, now = build_method(method, {former: value}), build_method(method, {name: value})
    assert before == now != build_method(method, {})
    assert former not in _values(before)
    # The key of a rule must not change: cached statistics and stored runs are looked up by it.
    assert before.former_values()[former] == now.former_values()[former]
    rules = [Rule(method=method, keep=0.3, options={key: value}) for key in (former, name)]
    assert rules[0] == rules[1]


@pytest.mark.parametrize(("method", "former", "value"), REPLACED)
def test_a_former_value_means_the_options_of_today(
    method: str, former: str, value: OptionValue
) -> None:
    built = build_method(method, {former: value})
    assert former not in _values(built)
    assert _values(built).items() >= METHODS[method].former_options[former][value].items()
    assert built.former_values()[former] == value


def test_a_new_combination_keeps_the_names_of_today() -> None:
    built = build_method("int4", {"algorithm": "gptq", "range": "minmax"})
    assert "refine" not in built.former_values()
    assert built.former_values()["range"] == "minmax"
    assert built.former_values()["algorithm"] == "gptq"


def test_an_option_cannot_be_given_by_both_names() -> None:
    assert build_method("int4", {"group": 32, "group_size": 32}) == build_method(
        "int4", {"group": 32}
    )
    with pytest.raises(CompressionError, match="group_size is given twice, as group and"):
        build_method("int4", {"group": 32, "group_size": 64})


def test_an_unknown_former_value_names_the_nearest() -> None:
    with pytest.raises(CompressionError, match="refine.*gptq"):
        modernize(METHODS["int4"], {"refine": "gtpq"})


def test_options_that_were_not_renamed_pass_unchanged() -> None:
    assert modernize(METHODS["svd"], {"unknown": 1}) == {"unknown": 1}
