"""One-to-many figures of many searches, against counting probe by probe and against those of the best candidate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.identification.best_candidate import Outcome, identification, threshold_at_fpir
from evaluation.identification.open_set import (
    Searches,
    cmc,
    det,
    fnir_at,
    fpir_at,
    open_set_point,
    rank_rate,
    rank_rate_of_people,
)

COSINES = st.sampled_from([-1.0, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0])
"""Few values, so that ties are common."""


@st.composite
def probes(draw: st.DrawFn) -> tuple[int, bool, int, float, float]:
    """Person, mated, rank, mate, other: any state one probe can be in."""
    person, mated = draw(st.integers(0, 4)), draw(st.booleans())
    other = draw(st.one_of(st.just(-math.inf), COSINES))
    if not mated or draw(st.booleans()):
        return person, mated, 0, -math.inf, other
    mate = draw(COSINES)
    rank = 1 if mate > other else draw(st.integers(2, 6))
    return person, mated, rank, mate, other


def searches(lines: list[tuple[int, bool, int, float, float]], depth: int | None = None) -> Searches:
    people, mated, rank, mate, other = (np.array(column) for column in zip(*lines, strict=True))
    return Searches(people, mated, rank, mate.astype(float), other.astype(float), depth)


def outcomes(found: Searches) -> list[Outcome]:
    """The same probes by their best candidate alone: of equal cosines the stranger is the candidate."""
    made = []
    for mated, rank, mate, other in zip(found.mated, found.rank, found.mate, found.other, strict=True):
        truth = "mate" if mated else None
        if rank == 1:
            made.append(Outcome(truth, "mate", float(mate)))
        elif other > -math.inf:
            made.append(Outcome(truth, "other", float(other)))
        else:
            made.append(Outcome(truth, None))
    return made


@given(st.lists(probes(), min_size=1, max_size=25), st.floats(-1, 1))
@settings(max_examples=100, deadline=None)
def test_rates_at_a_threshold_are_those_of_the_one_candidate_figures(
    lines: list[tuple[int, bool, int, float, float]], threshold: float
) -> None:
    found = searches(lines)
    expected = identification(outcomes(found), threshold)
    assert rank_rate(found, 1) == pytest.approx(expected.rank1, nan_ok=True)
    assert fnir_at(found, threshold) == pytest.approx(expected.fnir, nan_ok=True)
    assert fpir_at(found, threshold) == pytest.approx(expected.fpir, nan_ok=True)


@given(st.lists(probes(), min_size=1, max_size=25), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_the_threshold_for_an_fpir_is_that_of_the_one_candidate_figures(
    lines: list[tuple[int, bool, int, float, float]], fpir: float
) -> None:
    found = searches(lines)
    if found.mated.all():
        with pytest.raises(ValueError, match="at least one probe of a stranger"):
            open_set_point(found, fpir)
        return
    point = open_set_point(found, fpir)
    assert point.threshold == threshold_at_fpir(outcomes(found), fpir)
    assert point.measured_fpir == fpir_at(found, point.threshold) <= fpir + 1e-9
    assert point.false_positives == round(point.measured_fpir * np.count_nonzero(~found.mated))
    assert point.fnir == pytest.approx(fnir_at(found, point.threshold), nan_ok=True)
    assert point.supported == (fpir * np.count_nonzero(~found.mated) >= 1 - 1e-9)


@given(st.lists(probes(), min_size=1, max_size=25), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_rates_by_rank_count_probe_by_probe(
    lines: list[tuple[int, bool, int, float, float]], deepest: int
) -> None:
    found = searches(lines)
    curve = cmc(found, deepest)
    of_mated = [(person, rank) for person, mated, rank, _, _ in lines if mated]
    for rank in range(1, deepest + 1):
        hits = [1 <= place <= rank for _, place in of_mated]
        expected = sum(hits) / len(hits) if hits else math.nan
        assert curve[rank - 1] == pytest.approx(expected, nan_ok=True)
        assert rank_rate(found, rank) == pytest.approx(expected, nan_ok=True)
    shares = [
        np.mean([1 <= place <= deepest for person, place in of_mated if person == one])
        for one in {person for person, _ in of_mated}
    ]
    expected = float(np.mean(shares)) if shares else math.nan
    assert rank_rate_of_people(found, deepest) == pytest.approx(expected, nan_ok=True)


@given(st.lists(probes(), min_size=2, max_size=25), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_point_of_the_curve_holds_at_its_threshold(
    lines: list[tuple[int, bool, int, float, float]], rank: int
) -> None:
    found = searches(lines)
    if found.mated.all() or not found.mated.any():
        with pytest.raises(ValueError, match="needs both kinds of probe"):
            det(found, rank)
        return
    curve = det(found, rank)
    assert (curve.thresholds[0], curve.fpir[0], curve.fnir[0]) == (math.inf, 0.0, 1.0)
    assert (np.diff(curve.thresholds) < 0).all()
    assert (np.diff(curve.fpir) >= 0).all()
    assert (np.diff(curve.fnir) <= 0).all()
    for threshold, fpir, fnir in zip(curve.thresholds, curve.fpir, curve.fnir, strict=True):
        assert fpir == pytest.approx(fpir_at(found, threshold))
        assert fnir == pytest.approx(fnir_at(found, threshold, rank))


def test_a_case_counted_by_hand() -> None:
    none = -math.inf
    found = searches(
        [
            (0, True, 1, 0.9, 0.2),
            (0, True, 1, 0.4, 0.3),
            (1, True, 2, 0.5, 0.5),  # a tie: the mate is second
            (1, True, 0, none, none),  # nothing found
            (2, False, 0, none, 0.45),
            (2, False, 0, none, none),
            (3, False, 0, none, 0.1),
        ]
    )
    assert rank_rate(found, 1) == 0.5
    assert rank_rate(found, 2) == 0.75
    assert fnir_at(found, 0.4) == 0.5
    assert fnir_at(found, 0.41) == 0.75
    assert fnir_at(found, 0.41, rank=2) == 0.5
    assert fpir_at(found, -1.0) == 2 / 3
    point = open_set_point(found, 1 / 3)
    assert (point.false_positives, point.supported, point.fnir) == (1, True, 0.5)
    assert 0.1 < point.threshold < 0.1 + 1e-9
    strict = open_set_point(found, 0.01)
    assert (strict.false_positives, strict.supported, strict.fnir) == (0, False, 0.75)


def test_an_empty_gallery_finds_nobody_and_accuses_nobody() -> None:
    found = searches([(0, False, 0, -math.inf, -math.inf)] * 3)
    assert math.isnan(rank_rate(found, 1))
    assert fpir_at(found, -1.0) == 0.0
    point = open_set_point(found, 0.0)
    assert (point.threshold, point.false_positives) == (-1.0, 0)
    assert math.isnan(point.fnir)


GOOD = searches([(0, True, 1, 0.9, 0.2), (1, True, 2, 0.3, 0.4), (2, False, 0, -math.inf, 0.1)], depth=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mate": np.array([np.nan, 0.3, -np.inf])}, "probe 0: mate must be -1..1"),
        ({"other": np.array([0.2, np.nan, 0.1])}, "probe 1: other must be -1..1"),
        ({"other": np.array([0.2, 0.4, 1.5])}, "probe 2: other must be -1..1"),
        ({"rank": np.array([1, -1, 0])}, "ranks begin at 1"),
        ({"rank": np.array([1, 0, 0])}, "there together or not"),
        ({"rank": np.array([1, 2, 3]), "mate": np.array([0.9, 0.3, 0.1])}, "a non-mated probe has no mate"),
        ({"other": np.array([0.9, 0.4, 0.1])}, "a mate of rank 1 is above everybody else; found 0.9"),
        ({"other": np.array([0.2, -np.inf, 0.1])}, "has somebody before it"),
        ({"mated": np.array([1, 1, 0])}, "mated must be bool"),
        ({"mate": np.array([0.9, 0.3])}, "mate must be of one length"),
    ],
)
def test_searches_that_cannot_be_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **change)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one probe"):
        Searches(*(np.empty(0, kind) for kind in (np.int64, np.bool_, np.int64, float, float)))
    with pytest.raises(ValueError, match="rank 6 was asked for, the searches returned 5 candidates"):
        rank_rate(GOOD, 6)
    with pytest.raises(ValueError, match="rank 6 was asked for"):
        cmc(GOOD, 6)
    with pytest.raises(ValueError, match="ranks begin at 1"):
        fnir_at(GOOD, 0.5, rank=0)
    with pytest.raises(ValueError, match=r"lies in 0\.\.1; 1\.5"):
        open_set_point(GOOD, 1.5)
