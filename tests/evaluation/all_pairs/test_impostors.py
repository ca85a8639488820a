"""Counting all pairs by blocks, against counting them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import BINS, at_or_above, bin_edges, count_all_pairs


def unit_rows(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(2, 23), st.integers(1, 6), st.integers(1, 25), st.integers(0, 12), st.integers(0, 10_000))
@settings(max_examples=60)
def test_blocks_count_every_pair_once_as_a_double_loop_does(
    count: int, people: int, block: int, strongest: int, seed: int
) -> None:
    rows = unit_rows(count, 5, seed)
    names = [f"p{n}" for n in np.random.default_rng(seed).integers(0, people, count)]
    counted = count_all_pairs(rows, names, strongest=strongest, block=block)
    cosines = {True: [], False: []}
    impostors = []
    for i in range(count):
        for j in range(i + 1, count):
            cosine = float(rows[i] @ rows[j])
            cosines[names[i] == names[j]].append(cosine)
            if names[i] != names[j]:
                impostors.append((cosine, i, j))
    sizes = {name: names.count(name) for name in names}
    votes = [1 / (sizes[names[i]] * sizes[names[j]]) for _, i, j in impostors]
    assert counted.impostor_people.sum() == pytest.approx(sum(votes))
    assert (counted.impostor_people > 0).tolist() == (counted.impostor > 0).tolist()
    for counts, expected in ((counted.genuine, cosines[True]), (counted.impostor, cosines[False])):
        assert counts.sum() == len(expected)
        values = np.repeat(bin_edges(), counts)
        assert values == pytest.approx(np.floor((np.sort(expected) + 1) * 1e4) / 1e4 - 1, abs=1.01e-4)
    best = sorted(impostors, reverse=True)[:strongest]
    assert [pair.cosine for pair in counted.strongest] == pytest.approx([c for c, _, _ in best], abs=1e-6)
    assert {(pair.left, pair.right) for pair in counted.strongest} == {(i, j) for _, i, j in best}


def test_the_ends_of_the_scale_have_their_bins() -> None:
    rows = np.array([[1, 0], [1, 0], [-1, 0], [0, 1]], np.float32)
    counted = count_all_pairs(rows, ["a", "b", "c", "d"])
    assert counted.impostor[BINS - 1] == 1
    assert counted.impostor[0] == 2
    assert counted.impostor[(BINS - 1) // 2] == 3
    assert at_or_above(counted.impostor)[0] == 6
    assert at_or_above(counted.impostor)[BINS - 1] == 1


def test_progress_adds_up_to_all_rows() -> None:
    done: list[int] = []
    count_all_pairs(unit_rows(10, 4, 0), ["x"] * 10, block=4, progress=done.append)
    assert done == [4, 4, 2]


def test_rows_that_are_not_unit_vectors_are_refused_with_their_number() -> None:
    rows = unit_rows(4, 3, 1)
    rows[2] *= 2
    with pytest.raises(ValueError, match="row 2 has length 2"):
        count_all_pairs(rows, list("abcd"))
    rows[1] = np.nan
    with pytest.raises(ValueError, match="row 1 has length nan"):
        count_all_pairs(rows, list("abcd"))
    with pytest.raises(ValueError, match="do not go with 3 names"):
        count_all_pairs(rows, list("abc"))
