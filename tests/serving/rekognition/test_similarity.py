"""The scale of similarities: it never falls, its inverse is one, and 80 and 99 mean what the documentation says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.calibration import Calibration
from faces.pack import load_pack
from serving.rekognition.errors import AwsError
from serving.rekognition.similarity import (
    IDENTICAL,
    Similarities,
    level_of_similarity,
    similarity_of_level,
)

LEVELS = st.floats(0, 60, allow_nan=False)
COSINES = st.floats(-1, 1, allow_nan=False)
SCALE = Similarities.of(load_pack("default"))


def test_80_is_one_in_a_thousand_and_99_one_in_a_million() -> None:
    assert [similarity_of_level(level) for level in (0, 3, 6, 9, 12)] == pytest.approx(
        [0, 80, 99, 99.9, 99.99]
    )
    calibration = SCALE.calibration
    assert calibration is not None
    assert calibration.false_match_rate(SCALE.threshold(80)) == pytest.approx(1e-3)
    assert calibration.false_match_rate(SCALE.threshold(99)) == pytest.approx(1e-6)


@given(LEVELS, LEVELS)
def test_a_rarer_false_match_is_never_less_similar(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= similarity_of_level(low) <= similarity_of_level(high) <= 100


@given(st.floats(0, 30))
def test_a_level_comes_back_from_its_similarity(level: float) -> None:
    assert level_of_similarity(similarity_of_level(level)) == pytest.approx(level, abs=1e-5)


@given(st.floats(0, 100))
def test_a_similarity_comes_back_from_its_level(similarity: float) -> None:
    level = level_of_similarity(similarity)
    assert math.isinf(level) == (similarity == 100)
    if similarity < 100:
        assert similarity_of_level(level) == pytest.approx(similarity, abs=1e-9)


@given(COSINES, COSINES)
def test_a_higher_cosine_is_never_less_similar(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= SCALE.similarity(low) <= SCALE.similarity(high) <= 100


@given(COSINES, st.floats(0, 100))
def test_a_cosine_is_accepted_just_when_its_similarity_is(cosine: float, similarity: float) -> None:
    if cosine >= SCALE.threshold(similarity):
        assert SCALE.similarity(cosine) >= similarity - 1e-6
    else:
        assert SCALE.similarity(cosine) <= similarity + 1e-6


def test_the_same_picture_has_similarity_100_and_no_other_has() -> None:
    assert SCALE.similarity(1.0) == SCALE.similarity(IDENTICAL) == 100
    assert SCALE.similarity(IDENTICAL - 1e-3) < 100
    assert SCALE.threshold(100) == IDENTICAL
    assert SCALE.threshold(0) == -1


def test_a_calibration_that_ends_early_goes_on_rising() -> None:
    short = Similarities("short", Calibration((0.0, 0.2), (-0.3, -1.0), "few pairs", 100, 0.1))
    found = [short.similarity(cosine / 20) for cosine in range(-20, 20)]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


def test_a_pack_without_calibration_is_told_and_not_guessed() -> None:
    bare = Similarities("bare", None)
    assert bare.threshold(0) == -1
    with pytest.raises(AwsError, match="'bare' has no calibration"):
        bare.threshold(80)
    with pytest.raises(AwsError, match="'bare' has no calibration"):
        bare.similarity(0.5)
