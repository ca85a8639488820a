"""Grouping by likeness: as a slow, literal version groups, whatever the order in which pairs are given."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.jobs.clusters import alike_pairs, clusters
from tests.serving.jobs.made_jobs import like, units

THRESHOLD = 0.6


def literal(rows: NDArray[np.float32], threshold: float) -> list[list[int]]:
    """All pairs, most alike first; two groups become one where the means of their members are alike."""
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    pairs = [(-cosines[i, j], i, j) for i in range(len(rows)) for j in range(i + 1, len(rows))]
    group_of = {at: frozenset([at]) for at in range(len(rows))}
    for cosine, i, j in sorted(pairs):
        one, other = group_of[i], group_of[j]
        if -cosine < threshold or one is other:
            continue
        means = [rows[sorted(group)].astype(np.float64).mean(axis=0) for group in (one, other)]
        if means[0] @ means[1] / np.prod([np.linalg.norm(mean) for mean in means]) >= threshold:
            for member in one | other:
                group_of[member] = one | other
            joined = one | other
            for member in joined:
                group_of[member] = joined
    return sorted(sorted(group) for group in set(group_of.values()))


def people(seed: int, count: int, faces: int, spread: float) -> NDArray[np.float32]:
    """Faces of `count` people, at about this cosine from their person, shuffled."""
    rows = [
        like(person, spread, 100 * at + face)
        for at, person in enumerate(units(count, seed))
        for face in range(faces)
    ]
    return np.random.default_rng(seed).permutation(np.array(rows)).astype(np.float32)


@pytest.mark.parametrize("spread", [0.95, 0.8, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_of_the_literal_version(seed: int, spread: float) -> None:
    rows = people(seed, 9, 5, spread)
    found = clusters(rows, *alike_pairs(rows, THRESHOLD), THRESHOLD)
    assert sorted(found) == literal(rows, THRESHOLD)
    assert sorted(place for group in found for place in group) == list(range(len(rows)))


def test_the_order_of_pairs_does_not_matter() -> None:
    rows = people(3, 9, 5, 0.75)
    pairs, cosines = alike_pairs(rows, THRESHOLD)
    order = np.random.default_rng(0).permutation(len(pairs))
    assert clusters(rows, pairs, cosines, THRESHOLD) == clusters(
        rows, pairs[order], cosines[order], THRESHOLD
    )


def test_people_who_are_far_apart_are_told_apart() -> None:
    rows = people(1, 20, 6, 0.95)
    found = clusters(rows, *alike_pairs(rows, THRESHOLD), THRESHOLD)
    assert [len(group) for group in found] == [6] * 20


def test_a_chain_does_not_join_its_ends() -> None:
    angles = np.deg2rad(np.arange(0, 180, 20))  # neighbours have a cosine of .94, ends of -.94
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = clusters(rows, *alike_pairs(rows, 0.9), 0.9)
    assert len(found) > 2
    for group in found:
        means = rows[group].mean(axis=0)
        assert (rows[group] @ means / np.linalg.norm(means) > 0.7).all()


def test_pairs_are_those_of_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.jobs.clusters.BLOCK_CELLS", 100)
    rows = people(2, 7, 5, 0.8)
    pairs, cosines = alike_pairs(rows, THRESHOLD)
    scores = rows @ rows.T
    wanted = {(i, j) for i, j in zip(*np.nonzero(scores >= THRESHOLD), strict=True) if i < j}
    assert {tuple(pair) for pair in pairs.tolist()} == wanted
    assert np.allclose(cosines, scores[pairs[:, 0], pairs[:, 1]], atol=1e-6)


def test_nobody_is_in_no_group() -> None:
    nothing = np.empty((0, 8), np.float32)
    assert clusters(nothing, *alike_pairs(nothing, 0.5), 0.5) == []
