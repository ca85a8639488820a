"""Faces of one identity as points that were placed on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faces.calibration import Calibration
from training.curation.levels import Levels, levels_of
from training.curation.within import household, linked

# Cosine .3 one stranger in a hundred, .4 one in a thousand, and a decade every .1.
LEVELS = Levels(Calibration((0.1, 0.2, 0.3, 0.4, 0.5), (-0.5, -1, -2, -3, -4), "made up", 10_000, 1e-4))


def people(*sizes: int, spread: float = 0.5, seed: int = 0, dimension: int = 64) -> NDArray[np.float32]:
    """Faces of several people, one after the other; two of a person have cosine 1 / (1 + spread^2) or so."""
    random = np.random.default_rng(seed)
    rows = np.concatenate(
        [
            centre + spread * random.normal(size=(size, dimension)) / np.sqrt(dimension)
            for size, centre in zip(
                sizes, np.linalg.qr(random.normal(size=(dimension, len(sizes))))[0].T, strict=True
            )
        ]
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_levels_are_the_calibrations_and_rise_with_the_comparisons() -> None:
    assert LEVELS.stranger == pytest.approx(0.3)
    assert LEVELS.agree == pytest.approx(0.4)
    assert LEVELS.match(50) == pytest.approx(0.4)
    assert LEVELS.match(5_000) == pytest.approx(0.6)
    assert LEVELS.match(0) < LEVELS.match(10) < LEVELS.match(10**9)
    assert levels_of.__doc__


def test_faces_of_one_person_are_one_group() -> None:
    found = household(people(7), LEVELS)
    assert [group.tolist() for group in found.groups] == [list(range(7))]
    assert not found.strays
    assert not found.doubtful


def test_a_single_stranger_is_a_stray() -> None:
    found = household(people(5, 1), LEVELS)
    assert [stray.place for stray in found.strays] == [5]
    assert found.strays[0].cosine < 0.3 < 0.4 < found.strays[0].agree
    assert [group.tolist() for group in found.groups] == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("sizes", [(5, 5), (6, 2), (4, 3, 2)])
def test_several_people_are_several_groups_largest_first(sizes: tuple[int, ...]) -> None:
    found = household(people(*sizes), LEVELS)
    assert [len(group) for group in found.groups] == list(sizes)
    assert found.between < 0.3


@pytest.mark.parametrize("sizes", [(1, 1), (1, 1, 1), (2, 1, 1, 1)])
def test_where_too_few_agree_everything_is_doubtful(sizes: tuple[int, ...]) -> None:
    found = household(people(*sizes), LEVELS)
    assert found.doubtful
    assert sorted(place for group in found.groups for place in group.tolist()) == list(range(sum(sizes)))


def test_an_identity_of_thousands_is_judged_by_some_of_them_and_none_is_lost() -> None:
    rows = people(1500, 400, 1, 1)
    found = household(rows, LEVELS)
    assert [len(group) for group in found.groups] == [1500, 400]
    assert [stray.place for stray in found.strays] == [1900, 1901]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.floats(0, 2), st.integers(0, 99))
def test_no_face_is_lost_or_counted_twice(sizes: list[int], spread: float, seed: int) -> None:
    found = household(people(*sizes, spread=spread, seed=seed), LEVELS)
    places = [place for group in found.groups for place in group.tolist()] + [
        stray.place for stray in found.strays
    ]
    assert sorted(places) == list(range(sum(sizes)))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.floats(-0.5, 0.9), st.integers(0, 99))
def test_linkage_is_that_of_its_definition(count: int, cut: float, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(count, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows.T
    groups = [[place] for place in range(count)]
    while len(groups) > 1:
        means = {
            (one, other): cosines[np.ix_(groups[one], groups[other])].mean()
            for one in range(len(groups))
            for other in range(one + 1, len(groups))
        }
        (one, other), best = max(means.items(), key=lambda item: item[1])
        if best < cut:
            break
        groups[one] += groups.pop(other)
    found = linked(cosines.astype(np.float32), cut)
    assert sorted(group.tolist() for group in found) == sorted(sorted(group) for group in groups)
    assert [len(group) for group in found] == sorted((len(group) for group in found), reverse=True)
