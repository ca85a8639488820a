"""Answers from rows that an index found by their products are those of brute force, however few it gives at once."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from index.engine.milvus_link import BELOW_NOTHING, Nearest
from index.engine.milvus_search import search
from index.records import Fusion
from index.template import unit_rows, widened
from tests.index.engine_kit import brute, rows_of, space_of

SPACE = space_of("exact", Fusion.SAMPLES, dimension=16)


class Flat:
    """Compares every row, as Milvus does."""

    def __init__(self, persons, vectors) -> None:
        self.rows = rows_of(SPACE, persons, vectors, range(len(persons)))
        self.vectors = widened(self.rows.vectors)
        self.asked = 0

    def __call__(self, probes, k: int, without: Sequence[int]) -> Iterator[Nearest]:
        for probe in probes:
            self.asked += 1
            left = np.flatnonzero(~np.isin(self.rows.persons, without))
            products = self.vectors[left] @ probe
            order = np.argsort(-products)[:k]
            chosen = left[order]
            worst = float(products[order[-1]]) if len(chosen) == k < len(left) else BELOW_NOTHING
            yield Nearest(self.rows.persons[chosen], self.rows.keys[chosen], self.vectors[chosen], worst)


@pytest.mark.parametrize("most", [20, 64, 10_000])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_answers_are_those_of_brute_force(most: int, limit: int) -> None:
    rng = np.random.default_rng(most + limit)
    owners = rng.integers(1, 60, 900)
    # A few persons with hundreds of nearly equal samples hide the others.
    owners[:600] = rng.integers(1, 4, 600)
    centres = rng.standard_normal((60, 16))
    flat = Flat(owners, centres[owners] + 0.05 * rng.standard_normal((900, 16)))
    probes = unit_rows(centres[1:9] + 0.3 * rng.standard_normal((8, 16)), 16)
    for probe, hits in zip(probes, search(flat, probes, limit, -1.0, most), strict=True):
        expected = brute(flat.rows, probe.astype(np.float64), limit)
        assert hits.persons.tolist() == [person for person, _ in expected]
        np.testing.assert_allclose(hits.cosines, [score for _, score in expected], atol=1e-5)


def test_a_threshold_ends_the_search_early() -> None:
    rng = np.random.default_rng(3)
    flat = Flat(np.arange(1, 500), rng.standard_normal((499, 16)))
    probes = widened(flat.rows.vectors[:2])
    assert [hits.persons.tolist() for hits in search(flat, probes, 30, 0.99, 100)] == [[1], [2]]
    assert flat.asked == 2


def test_more_rows_alike_than_an_answer_holds_do_not_keep_a_search_for_ever() -> None:
    vectors = np.ones((300, 16)) + 1e-4 * np.random.default_rng(1).standard_normal((300, 16))
    flat = Flat([1] * 150 + [2] * 150, vectors)
    hits = search(flat, unit_rows(np.ones((1, 16)), 16), 5, -1.0, 40)
    assert sorted(hits[0].persons.tolist()) == [1, 2]


def test_an_empty_collection_has_nobody() -> None:
    flat = Flat([], np.empty((0, 16)))
    assert search(flat, unit_rows(np.ones((1, 16)), 16), 5, -1.0, 40)[0].persons.tolist() == []
