"""From ranked candidates to what they say of each probe's mate, against looking at one list after another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.identification.candidate_lists import NOBODY, CandidateLists, searches_of

CANDIDATE = st.tuples(st.integers(NOBODY, 5), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]))
WIDTH = 6


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.lists(CANDIDATE, min_size=WIDTH, max_size=WIDTH)),
        min_size=1,
        max_size=8,
    )
)
@settings(max_examples=100, deadline=None)
def test_a_mates_rank_counts_each_other_person_once_and_ties_against_it(
    probes: list[tuple[int, list[tuple[int, float]]]],
) -> None:
    lists = CandidateLists(
        np.array([[person for person, _ in line] for _, line in probes]),
        np.array([[cosine for _, cosine in line] for _, line in probes]),
    )
    found = searches_of(lists, np.array([truth for truth, _ in probes]), np.arange(6))
    for at, (truth, line) in enumerate(probes):
        best: dict[int, float] = {}
        for person, cosine in line:
            if person != NOBODY:
                best[person] = max(cosine, best.get(person, -math.inf))
        mate = best.pop(truth, -math.inf)
        assert found.mated[at] == (truth < 6)
        assert found.mate[at] == mate
        assert found.other[at] == max(best.values(), default=-math.inf)
        before = sum(cosine >= mate for cosine in best.values())
        assert found.rank[at] == (before + 1 if mate > -math.inf else 0)
    assert found.depth == WIDTH


def test_the_best_candidate_is_the_lowest_number_among_equals() -> None:
    lists = CandidateLists(
        np.array([[4, 2, 9], [NOBODY, 3, NOBODY], [NOBODY] * 3]),
        np.array([[0.5, 0.5, 0.1], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0]]),
    )
    assert lists.best().tolist() == [2, 3, NOBODY]


def test_an_empty_gallery_leaves_every_probe_without_candidates() -> None:
    lists = CandidateLists(np.empty((3, 0), np.int64), np.empty((3, 0)), whole=True)
    found = searches_of(lists, np.arange(3), np.empty(0, np.int64))
    assert lists.best().tolist() == [NOBODY] * 3
    assert not found.mated.any()
    assert (found.other == -math.inf).all()
    assert found.depth is None


def test_lists_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="candidate 1 of probe 0 has the cosine nan"):
        CandidateLists(np.array([[1, 2]]), np.array([[0.5, np.nan]]))
    with pytest.raises(ValueError, match="both be \\(probes, candidates\\)"):
        CandidateLists(np.array([[1, 2]]), np.array([0.5, 0.4]))
    with pytest.raises(ValueError, match="a candidate has the number -3"):
        CandidateLists(np.array([[1, -3]]), np.array([[0.5, 0.4]]))
    one = CandidateLists(np.array([[1]]), np.array([[0.5]]))
    with pytest.raises(ValueError, match="each of 1 probes"):
        searches_of(one, np.array([1, 2]), np.array([1]))
    with pytest.raises(ValueError, match="person 1 was found for probe 0, but is not among the enrolled"):
        searches_of(one, np.array([1]), np.array([2]))
