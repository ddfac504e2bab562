"""Sharing bytes out: against every possible choice, where there are few."""

from __future__ import annotations

import itertools
import random

import pytest

from compress_lib.errors import BudgetError
from compress_lib.methods.rate_distortion import (
    OperatingPoint,
    allocate_lagrangian,
    at_uniform_keep,
    lower_hull,
)


def curve(*pairs: tuple[int, float]) -> list[OperatingPoint]:
    return [OperatingPoint(nbytes, loss) for nbytes, loss in pairs]


def test_points_that_others_beat_are_not_on_the_hull() -> None:
    given = curve((1, 9), (2, 8), (3, 2), (4, 3), (5, 1), (5, 0.5), (2, 9))
    assert [(p.nbytes, p.loss) for p in lower_hull(given)] == [(1, 9), (3, 2), (5, 0.5)]


def test_a_byte_goes_where_it_gains_most() -> None:
    steep, flat = curve((1, 100), (2, 10), (3, 0)), curve((1, 3), (2, 2), (3, 0))
    assert [p.nbytes for p in allocate_lagrangian([steep, flat], 4)] == [3, 1]


def test_convex_curves_get_the_best_of_all_choices() -> None:
    made = random.Random(3)
    for _ in range(30):
        curves = []
        for _ in range(3):
            gains = sorted((made.random() for _ in range(4)), reverse=True)
            curves.append(curve(*((2 + k, sum(gains[k:])) for k in range(5))))
        budget = made.randint(6, 18)
        found = allocate_lagrangian(curves, budget)
        best = min(
            sum(p.loss for p in choice)
            for choice in itertools.product(*curves)
            if sum(p.nbytes for p in choice) <= budget
        )
        assert sum(p.nbytes for p in found) <= budget
        assert sum(p.loss for p in found) == pytest.approx(best)


def test_nothing_that_would_still_fit_is_left_unspent() -> None:
    made = random.Random(4)
    for _ in range(30):
        curves = [
            curve(*((made.randint(1, 60), made.random()) for _ in range(6))) for _ in range(4)
        ]
        budget = sum(min(p.nbytes for p in c) for c in curves) + made.randint(0, 80)
        found = allocate_lagrangian(curves, budget)
        left = budget - sum(p.nbytes for p in found)
        assert left >= 0
        for chosen, points in zip(found, curves, strict=True):
            better = [
                p for p in points if p.loss < chosen.loss and p.nbytes - chosen.nbytes <= left
            ]
            assert not [p for p in better if p.nbytes > chosen.nbytes]


def test_all_bytes_leave_everything_as_it_is() -> None:
    curves = [curve((1, 5), (10, 0)), curve((2, 7), (20, 0))]
    assert [p.loss for p in allocate_lagrangian(curves, 30)] == [0, 0]


def test_too_few_bytes_are_refused_with_those_needed() -> None:
    with pytest.raises(BudgetError, match="at least 11 B"):
        allocate_lagrangian([curve((5, 1)), curve((6, 1))], 10)


def test_the_same_is_chosen_for_the_same() -> None:
    curves = [curve((1, 2), (2, 1), (3, 0)) for _ in range(5)]
    assert allocate_lagrangian(curves, 9) == allocate_lagrangian(curves, 9)


def test_a_family_keeps_the_same_share() -> None:
    curves = [
        curve(*((k, 10.0 - k) for k in range(1, 11))),
        curve(*((2 * k, 10.0 - k) for k in range(1, 11))),
    ]
    for choice in at_uniform_keep(curves, [10, 20], steps=10):
        first, second = choice.members
        assert second.nbytes == 2 * first.nbytes
        assert choice.nbytes == first.nbytes + second.nbytes
