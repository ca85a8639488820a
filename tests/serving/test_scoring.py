"""Thresholds by false match rate, for one comparison and for a whole gallery."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.calibration import Calibration
from serving.errors import ApiError
from serving.scoring import Scale

CALIBRATION = Calibration(
    cosines=(0.0, 0.1, 0.2, 0.3, 0.4),
    log10_fmr=(-0.5, -1.5, -2.5, -4.0, -6.0),
    data="made for this test",
    pairs=10_000_000,
    floor=1e-6,
)


@given(st.integers(1, 10_000_000), st.floats(1e-6, 0.5))
def test_the_threshold_of_a_rate_has_that_rate(gallery: int, rate: float) -> None:
    scale = Scale(CALIBRATION, gallery)
    threshold = scale.threshold(None, rate, 0.5)
    found = scale.rate(threshold)
    assert found is not None
    assert found == pytest.approx(rate, rel=1e-3)


@given(st.integers(1, 1000), st.floats(-0.2, 0.9))
def test_a_search_of_n_templates_errs_as_n_independent_comparisons_do(gallery: int, cosine: float) -> None:
    one = Scale(CALIBRATION).rate(cosine)
    many = Scale(CALIBRATION, gallery).rate(cosine)
    assert one is not None
    assert many is not None
    literal = 1.0
    for _ in range(gallery):
        literal *= 1.0 - one
    assert many == pytest.approx(1.0 - literal, abs=1e-9)


def test_a_larger_gallery_asks_for_a_higher_cosine() -> None:
    small = Scale(CALIBRATION, 100).threshold(None, 1e-3, 1e-3)
    large = Scale(CALIBRATION, 1_000_000).threshold(None, 1e-3, 1e-3)
    assert large > small


def test_the_match_level_is_minus_log10_of_the_rate() -> None:
    scale = Scale(CALIBRATION)
    rate, level = scale.rate(0.3), scale.level(0.3)
    assert rate is not None
    assert level == pytest.approx(-math.log10(rate))
    assert level == pytest.approx(4.0)


def test_a_rate_below_what_the_data_supports_is_marked() -> None:
    assert Scale(CALIBRATION).extrapolated(0.9)
    assert not Scale(CALIBRATION).extrapolated(0.2)


def test_without_calibration_a_cosine_must_be_given_and_no_rate_is_claimed() -> None:
    scale = Scale(None)
    assert scale.threshold(0.4, None, 1e-4) == 0.4
    assert scale.rate(0.9) is None
    with pytest.raises(ApiError, match="no calibration"):
        scale.threshold(None, None, 1e-4)


def test_a_threshold_and_a_rate_together_are_refused() -> None:
    with pytest.raises(ApiError, match="not both"):
        Scale(CALIBRATION).threshold(0.4, 1e-3, 1e-4)
