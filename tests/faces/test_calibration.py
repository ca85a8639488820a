"""Calibration: a cosine's false match rate, and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.calibration import Calibration

MEASURED = Calibration((0.0, 0.2, 0.3, 0.4), (-0.3, -2.0, -3.5, -5.0), "some pairs", 10**6, 1e-5)


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    count = draw(st.integers(2, 12))
    steps = draw(st.lists(st.floats(0.01, 0.1), min_size=count, max_size=count))
    falls = draw(st.lists(st.floats(0.01, 1), min_size=count, max_size=count))
    start = draw(st.floats(-1, -0.3))
    cosines = tuple(float(value) for value in start + np.cumsum(steps))
    return Calibration(cosines, tuple(float(value) for value in -np.cumsum(falls)), "drawn", 100, 1e-6)


@given(calibrations(), st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_cosine_never_has_a_higher_false_match_rate(
    calibration: Calibration, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    assert 0 < calibration.false_match_rate(high) <= calibration.false_match_rate(low) <= 1


@given(calibrations(), st.floats(-12, 0))
def test_the_threshold_of_a_rate_has_that_rate(calibration: Calibration, level: float) -> None:
    cosine = calibration.threshold(10**level)
    assert -1 <= cosine <= 1
    if cosine < 1:
        assert math.log10(calibration.false_match_rate(cosine)) == pytest.approx(level, abs=1e-6)
    else:
        assert calibration.false_match_rate(1.0) >= 10**level * (1 - 1e-9)


def test_measured_points_are_met_and_between_them_the_logarithm_is_linear() -> None:
    for cosine, level in zip(MEASURED.cosines, MEASURED.log10_fmr, strict=True):
        assert math.log10(MEASURED.false_match_rate(cosine)) == pytest.approx(level)
    assert MEASURED.match_level(0.25) == pytest.approx(2.75)
    assert MEASURED.match_level(-1) == 0
    assert MEASURED.threshold(1) == -1


def test_beyond_the_data_the_last_decade_goes_on_and_says_so() -> None:
    assert MEASURED.match_level(0.5) == pytest.approx(6.5)
    assert MEASURED.is_extrapolated(0.5)
    assert not MEASURED.is_extrapolated(0.35)
    assert MEASURED.threshold(1e-8) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cosines": (0.0, 0.2, 0.2, 0.4)}, "rise"),
        ({"cosines": (0.0, 0.2)}, "same length"),
        ({"log10_fmr": (-0.3, -2.0, -1.0, -5.0)}, "fall"),
        ({"log10_fmr": (0.3, -2.0, -3.0, -5.0)}, "fall"),
        ({"cosines": (0.0, 0.2, 0.3, 1.4)}, "rise"),
        ({"cosines": (0.0, 0.2, 0.3, math.nan)}, "finite"),
        ({"pairs": 0}, "pairs"),
        ({"floor": 0.0}, "floor"),
    ],
)
def test_what_is_no_calibration_is_refused(change: dict[str, object], word: str) -> None:
    values: dict[str, object] = {
        "cosines": MEASURED.cosines,
        "log10_fmr": MEASURED.log10_fmr,
        "data": "some",
        "pairs": 5,
        "floor": 1e-5,
    }
    with pytest.raises(ValueError, match=word):
        Calibration(**{**values, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, math.nan])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="max_fmr"):
        MEASURED.threshold(rate)
