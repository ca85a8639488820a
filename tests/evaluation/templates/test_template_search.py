"""Figures of searches against literal, slow versions of their definitions, ties above all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.identification.open_set import Searches
from evaluation.templates.search import cumulative_match, search, tpir_at_fpir

Rows = NDArray[np.float32]

# Few directions, so that equal scores are the rule; all products of them are exact.
DIRECTIONS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0.5, 0.5, 0.5]], np.float32)


@st.composite
def galleries(draw: st.DrawFn) -> tuple[Rows, list[int], Rows, list[int]]:
    """Probes and a gallery, subjects of which some are on one side alone, some with several templates."""
    probes = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
    gallery = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8))
    return (
        DIRECTIONS[[at for at, _ in probes]],
        [subject for _, subject in probes],
        DIRECTIONS[[at for at, _ in gallery]],
        [subject for _, subject in gallery],
    )


def literal(drawn: tuple[Rows, list[int], Rows, list[int]]) -> list[tuple[int, float, float]]:
    """(rank, mate's score, best score of others) of each probe, one comparison at a time."""
    probes, of_probe, gallery, of_gallery = drawn
    outcomes = []
    for probe, subject in zip(probes, of_probe, strict=True):
        scores = [float(np.dot(probe, row)) for row in gallery]
        mates = [score for score, of in zip(scores, of_gallery, strict=True) if of == subject]
        others = [score for score, of in zip(scores, of_gallery, strict=True) if of != subject]
        rank = 1 + sum(other >= max(mates) for other in others) if mates else 0
        outcomes.append((rank, max(mates, default=-np.inf), max(others, default=-np.inf)))
    return outcomes


@given(galleries(), st.integers(1, 5))
def test_ranks_and_scores_are_those_of_single_comparisons(
    drawn: tuple[Rows, list[int], Rows, list[int]], block: int
) -> None:
    probes, of_probe, gallery, of_gallery = drawn
    found = search(probes, np.array(of_probe), gallery, np.array(of_gallery), block=block)
    measured = zip(found.rank.tolist(), found.mate.tolist(), found.other.tolist(), strict=True)
    assert list(measured) == literal(drawn)


@given(galleries(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_rates_are_counts_over_single_searches(
    drawn: tuple[Rows, list[int], Rows, list[int]], fpir: float
) -> None:
    probes, of_probe, gallery, of_gallery = drawn
    found = search(probes, np.array(of_probe), gallery, np.array(of_gallery))
    outcomes = literal(drawn)
    mated = [one for one in outcomes if one[0] > 0]
    strangers = [one[2] for one in outcomes if one[0] == 0]
    if not mated or not strangers:
        with pytest.raises(ValueError, match="at least one probe"):
            tpir_at_fpir(found, fpir)
        return
    point = tpir_at_fpir(found, fpir)
    assert point.false_alarms == sum(score >= point.threshold for score in strangers)
    assert point.measured_fpir == point.false_alarms / len(strangers) <= fpir
    assert point.tpir == sum(rank == 1 and mate >= point.threshold for rank, mate, _ in mated) / len(mated)
    assert point.tpir_any_rank == sum(mate >= point.threshold for _, mate, _ in mated) / len(mated)
    assert point.supported == (int(fpir * len(strangers) + 1e-9) >= 1)
    # Any lower threshold that changes anything lets too many strangers pass.
    for score in (*strangers, *(mate for _, mate, _ in mated)):
        if score < point.threshold:
            assert sum(other >= score for other in strangers) / len(strangers) > fpir


@given(galleries())
def test_the_cumulative_match_counts_mates_at_each_rank_or_before(
    drawn: tuple[Rows, list[int], Rows, list[int]],
) -> None:
    probes, of_probe, gallery, of_gallery = drawn
    found = search(probes, np.array(of_probe), gallery, np.array(of_gallery))
    ranks = [rank for rank, _, _ in literal(drawn) if rank]
    if not ranks:
        with pytest.raises(ValueError, match="at least one probe"):
            cumulative_match(found, 4)
        return
    expected = [sum(rank <= limit for rank in ranks) / len(ranks) for limit in range(1, 5)]
    assert cumulative_match(found, 4).tolist() == expected


def test_constant_scores_find_nobody() -> None:
    same = np.tile(DIRECTIONS[:1], (5, 1))
    found = search(same, np.arange(5), same[:4], np.arange(4))
    assert found.rank.tolist() == [4, 4, 4, 4, 0]
    assert cumulative_match(found, 4).tolist() == [0, 0, 0, 1]
    assert tpir_at_fpir(found, 0.1).tpir == 0


def test_a_gallery_of_mates_alone_has_no_best_stranger() -> None:
    found = search(DIRECTIONS[:2], np.array([1, 2]), DIRECTIONS[:1], np.array([1]))
    assert found.rank.tolist() == [1, 0]
    assert found.other.tolist() == [-np.inf, 0.0]


def test_of_several_mates_the_best_counts() -> None:
    found = search(DIRECTIONS[:1], np.array([1]), DIRECTIONS[[3, 0, 4]], np.array([1, 1, 2]))
    assert (found.rank[0], found.mate[0]) == (1, 1.0)


def test_a_thousandth_needs_a_thousand_strangers() -> None:
    scores = np.linspace(-0.5, 0.5, 999)
    ranks = np.array([1] + [0] * 999)
    mates = np.array([0.9] + [-np.inf] * 999)
    found = Searches(np.arange(1000), ranks > 0, ranks, mates, np.array([0.0, *scores]))
    point = tpir_at_fpir(found, 1e-3)
    assert not point.supported
    assert point.false_alarms == 0
    assert tpir_at_fpir(found, 1e-2).supported


@pytest.mark.parametrize(
    ("probes", "of_probe", "gallery", "of_gallery", "words"),
    [
        (DIRECTIONS[:0], [], DIRECTIONS, range(5), "probes must be rows"),
        (DIRECTIONS, range(5), DIRECTIONS[:0], [], "gallery must be rows of 3 dimensions"),
        (DIRECTIONS, range(5), DIRECTIONS[:, :2], range(5), "gallery must be rows of 3 dimensions"),
        (DIRECTIONS, range(4), DIRECTIONS, range(5), "5 rows need as many subjects"),
        (DIRECTIONS * np.nan, range(5), DIRECTIONS, range(5), "probes hold a row that is not finite"),
    ],
)
def test_nonsense_is_refused(
    probes: Rows, of_probe: range, gallery: Rows, of_gallery: range, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        search(probes, np.array(of_probe), gallery, np.array(of_gallery))


@pytest.mark.parametrize("fpir", [-0.1, 1.1, float("nan")])
def test_a_rate_outside_0_to_1_is_refused(fpir: float) -> None:
    found = search(DIRECTIONS[:2], np.array([1, 2]), DIRECTIONS[:1], np.array([1]))
    with pytest.raises(ValueError, match=r"lies in 0\.\.1"):
        tpir_at_fpir(found, fpir)


def test_a_looser_rate_never_finds_fewer() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(60, 4)).astype(np.float32)
    found = search(rows[:40], np.arange(40), rows[20:] + 0.1, np.arange(20, 60))
    rates = [tpir_at_fpir(found, fpir).tpir for fpir in (0.0, 0.1, 0.3, 0.7, 1.0)]
    assert all(one <= other for one, other in itertools.pairwise(rates))
