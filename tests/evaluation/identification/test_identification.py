"""One-to-many figures, on cases small enough to count by hand and against literal definitions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.identification.best_candidate import (
    Outcome,
    comparison_fmr,
    identification,
    threshold_at_fpir,
)

OUTCOMES = [
    Outcome("ada", "ada", 0.9),
    Outcome("ada", "ada", 0.4),
    Outcome("bo", "ada", 0.8),
    Outcome("bo", None),
    Outcome(None, "ada", 0.5),
    Outcome(None, "bo", 0.3),
    Outcome(None, None),
]
PEOPLE = st.sampled_from(["ada", "bo", None])
PROBE = st.builds(Outcome, PEOPLE, PEOPLE, st.floats(-1, 1))


def test_the_figures_of_a_hand_counted_case() -> None:
    result = identification(OUTCOMES, 0.5)
    assert (result.mated, result.strangers) == (4, 3)
    assert result.rank1 == 2 / 4
    assert result.fnir == 3 / 4
    assert result.fpir == 1 / 3


def test_a_probe_without_a_face_counts_against_the_mated_and_for_the_strangers() -> None:
    result = identification([Outcome("ada", None), Outcome(None, None)], -1.0)
    assert (result.rank1, result.fnir, result.fpir) == (0.0, 1.0, 0.0)


def test_an_absent_kind_of_probe_gives_no_rate_rather_than_a_perfect_one() -> None:
    assert math.isnan(identification(OUTCOMES[:4], 0.5).fpir)
    assert math.isnan(identification(OUTCOMES[4:], 0.5).rank1)


@given(st.lists(PROBE, min_size=1, max_size=30), st.floats(0, 1))
def test_the_threshold_by_fpir_keeps_the_rate_and_is_the_lowest_that_does(
    outcomes: list[Outcome], fpir: float
) -> None:
    strangers = [outcome for outcome in outcomes if outcome.truth is None]
    if not strangers:
        with pytest.raises(ValueError, match="at least one probe of a stranger"):
            threshold_at_fpir(outcomes, fpir)
        return
    threshold = threshold_at_fpir(outcomes, fpir)
    assert identification(outcomes, threshold).fpir <= fpir + 1e-9
    below = [o.cosine for o in strangers if o.found is not None and o.cosine < threshold]
    if below:
        assert identification(outcomes, max(below)).fpir > fpir - 1e-9 or threshold == -1.0


@given(st.floats(1e-6, 0.5), st.integers(1, 10**8))
def test_a_search_of_n_comparisons_at_the_corrected_rate_has_the_fpir_asked_for(
    fpir: float, size: int
) -> None:
    fmr = comparison_fmr(fpir, size)
    assert -math.expm1(size * math.log1p(-fmr)) == pytest.approx(fpir, rel=1e-6)
    assert comparison_fmr(fpir, 1) == pytest.approx(fpir)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one probe"):
        identification([], 0.5)
    with pytest.raises(ValueError, match="probe 0 has the cosine nan"):
        identification([Outcome("a", "a", float("nan"))], 0.5)
    with pytest.raises(ValueError, match="a gallery of at least 1"):
        comparison_fmr(0.01, 0)
