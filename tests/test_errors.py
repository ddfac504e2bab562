"""What a person gets for a wrong number or name: one sentence with what is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_lib.errors import CompressionError, check_integer, check_number, unknown_name


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", "half", "0,5", "0.5.", [], {}, object()),
        *("nan", "inf", "-inf", float("nan"), float("inf"), "1e999", 10**400),
        *(-0.1, 1.1, "-1", "2"),
    ],
)
def test_what_is_no_number_in_its_bounds_gets_a_sentence(value: object) -> None:
    with pytest.raises(CompressionError, match="^keep must be a number from 0 to 1, not "):
        check_number("keep", value, minimum=0, maximum=1)


@pytest.mark.parametrize("value", [1.5, "1.5", 1e-9])
def test_what_is_no_whole_number_gets_a_sentence(value: object) -> None:
    with pytest.raises(CompressionError, match="^rank must be a whole number, not "):
        check_integer("rank", value)


def test_bounds_are_named_as_far_as_there_are_any() -> None:
    with pytest.raises(CompressionError, match="a number of at least 2, not 1"):
        check_integer("tokens", 1, minimum=2)
    with pytest.raises(CompressionError, match="a number of at most 2, not 3"):
        check_number("x", 3, maximum=2)
    with pytest.raises(CompressionError, match="a number, not 'x'"):
        check_number("x", "x")


@given(st.integers(-(2**53), 2**53))
def test_whole_numbers_pass_in_every_spelling(value: int) -> None:
    assert check_integer("n", value) == value
    assert check_integer("n", f" {value} ") == value
    assert check_integer("n", f"{value}.0") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_pass_unchanged(value: float) -> None:
    assert check_number("x", value) == check_number("x", repr(value)) == value


def test_a_name_is_told_the_nearest_and_all() -> None:
    allowed = ["svd", "row_normalized_svd", "autoencoder"]
    text = str(unknown_name("method", "auto_encoder", allowed))
    assert text == (
        "Unknown method 'auto_encoder'. Did you mean 'autoencoder'? "
        "Allowed: svd, row_normalized_svd, autoencoder."
    )
    assert "Did you mean" not in str(unknown_name("method", "xyz", allowed))
    assert str(unknown_name("method", "", [])) == "Unknown method ''. Allowed: ."
