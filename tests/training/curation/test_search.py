"""Pairs above a cosine, found in blocks and by lists, against the plain product."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.curation import search
from training.curation.grouping import Groups
from training.curation.search import best_above, pairs_above


def unit(rows: int, dimension: int = 16, seed: int = 0) -> NDArray[np.float32]:
    made = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def found(rows: NDArray[np.float32], cosine: float, exact: int = 10**9) -> list[tuple[int, int]]:
    parts = pairs_above(rows, cosine, exact=exact)
    pairs = [
        (one, other)
        for left, right, cosines in parts
        for one, other, value in zip(left.tolist(), right.tolist(), cosines.tolist(), strict=True)
        if abs(float(rows[one] @ rows[other]) - value) < 2e-3
    ]
    assert len(pairs) == len(set(pairs)), "a pair was told twice"
    return sorted(pairs)


@pytest.mark.parametrize("rows", [0, 1, 2, 97])
def test_blocks_find_every_pair_once(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_LEFT", 13)
    monkeypatch.setattr(search, "_RIGHT", 29)
    data = unit(rows)
    left, right = np.nonzero(np.triu(data @ data.T, 1) >= 0.4)
    assert found(data, 0.4) == list(zip(left.tolist(), right.tolist(), strict=True))


def test_lists_find_what_is_nearly_the_same_once() -> None:
    data = unit(3000)
    copies = data[::10] + np.float32(0.002) * unit(300, seed=1)
    rows = np.concatenate([data, copies / np.linalg.norm(copies, axis=1, keepdims=True)]).astype(np.float32)
    assert set(found(rows, 0.99, exact=100)) == {(10 * at, 3000 + at) for at in range(300)}


def test_the_best_of_many_are_found_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_LEFT", 3)
    monkeypatch.setattr(search, "_RIGHT", 7)
    queries, rows = unit(8, seed=1), unit(40)
    expected = np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :5]
    assert (best_above(queries, rows, 5) == expected).all()


def test_pairs_become_groups() -> None:
    assert Groups([(5, 9), (1, 2), (9, 7), (2, 3), (3, 1)]).all() == [[1, 2, 3], [5, 7, 9]]
    assert Groups().all() == []
