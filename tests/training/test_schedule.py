"""How far a step goes: each schedule against its formula, at every step of runs of any length."""

from __future__ import annotations

import itertools
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.schedule import Kind, rate_factor

KINDS = get_args(Kind)
STEPS = st.integers(1, 400)
WARMUP = st.floats(0, 0.99)


def curve(steps: int, warmup: float, kind: Kind) -> list[float]:
    return [rate_factor(step, steps, warmup=warmup, kind=kind) for step in range(steps)]


@given(STEPS, WARMUP, st.sampled_from(KINDS))
def test_every_step_is_its_formula_written_out(steps: int, warmup: float, kind: Kind) -> None:
    rising = round(warmup * steps)
    for step, factor in enumerate(curve(steps, warmup, kind)):
        if step < rising:
            expected = (step + 1) / rising
        else:
            t = (step - rising) / (steps - rising)
            expected = {
                "cosine": (1 + math.cos(math.pi * t)) / 2,
                "polynomial": (1 - t) ** 2,
                "constant": 1.0,
            }[kind]
        assert factor == pytest.approx(expected, abs=1e-12)


@given(STEPS, WARMUP, st.sampled_from(KINDS))
def test_warm_up_rises_in_equal_parts_to_one(steps: int, warmup: float, kind: Kind) -> None:
    rising = round(warmup * steps)
    up = curve(steps, warmup, kind)[:rising]
    assert all(
        later - earlier == pytest.approx(1 / rising) for earlier, later in itertools.pairwise([0.0, *up])
    )
    assert up[-1:] in ([], [1.0])


@given(STEPS, WARMUP, st.sampled_from(KINDS))
def test_the_rate_is_above_zero_at_every_step_and_never_above_one(
    steps: int, warmup: float, kind: Kind
) -> None:
    assert all(0.0 < factor <= 1.0 for factor in curve(steps, warmup, kind))


@given(STEPS, WARMUP, st.sampled_from(KINDS))
def test_after_the_warm_up_the_rate_goes_on_where_it_was_and_never_rises(
    steps: int, warmup: float, kind: Kind
) -> None:
    rising = round(warmup * steps)
    down = curve(steps, warmup, kind)[rising:]
    assert down[:1] in ([], [1.0]), "the last step of the warm-up has the full rate too: no jump"
    assert all(later <= earlier for earlier, later in itertools.pairwise(down))


@pytest.mark.parametrize("kind", ["cosine", "polynomial"])
def test_a_long_run_ends_near_zero_without_a_jump(kind: Kind) -> None:
    factors = curve(1000, 0.05, kind)
    assert 0.0 < factors[-1] < 1e-5
    assert max(abs(later - earlier) for earlier, later in itertools.pairwise(factors)) <= 1 / 50 + 1e-12


def test_a_cosine_is_at_half_in_the_middle_and_a_square_at_a_quarter() -> None:
    assert rate_factor(500, 1000, warmup=0.0, kind="cosine") == pytest.approx(0.5)
    assert rate_factor(500, 1000, warmup=0.0, kind="polynomial") == pytest.approx(0.25)


def test_a_constant_rate_stays() -> None:
    assert curve(10, 0.0, "constant") == [1.0] * 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_one_step_takes_it_whole(kind: Kind) -> None:
    assert curve(1, 0.4, kind) == [1.0]


@given(st.integers(-3, 500), st.integers(0, 400), st.sampled_from(KINDS))
def test_a_step_outside_the_run_is_refused_by_number(step: int, steps: int, kind: Kind) -> None:
    if 0 <= step < steps:
        rate_factor(step, steps, warmup=0.1, kind=kind)
        return
    with pytest.raises(ValueError, match=rf"step {step} is outside 0\.\.{steps - 1}"):
        rate_factor(step, steps, warmup=0.1, kind=kind)
