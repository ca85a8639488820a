"""The fast search beside every comparison: how often the best candidate is the same, and when it looks twice."""

import numpy as np
import pytest

from benchmarks.facelike import FaceLike
from index.engine.base import SearchedRows
from index.engine.held import Held, Tuning
from index.engine.rows import NEVER, Delta, Segment, View
from index.engine.scan import WideScanner
from index.engine.search import search
from index.records import Precision
from index.template import stored, unit_rows, widened
from tests.index.engine_kit import space_of

ROWS = 36_000
PROBES = 1000


@pytest.mark.parametrize("dimension", [128, 256])
def test_the_fast_search_has_the_best_candidate_of_every_comparison_in_999_of_1000_searches(dimension):
    made = FaceLike(dimension)
    people = made.people(0, ROWS)
    rows = stored(made.photos(people, 0), Precision.FLOAT16)
    mates, strangers = people[:PROBES], made.people(2, PROBES)
    probes = unit_rows(made.photos(np.concatenate([mates, strangers]), 1), dimension)
    held = Held(space_of("fast", dimension=dimension), Tuning())
    held.rebuild(held.space, [SearchedRows(np.arange(ROWS), np.arange(ROWS), rows)], 1)
    assert held.stats().engine == "codes"

    found = held.search(probes, 1, -1.0).hits
    best = np.max(
        [(probes @ widened(rows[n : n + 6000]).T).max(axis=1) for n in range(0, ROWS, 6000)], axis=0
    )
    as_good = (
        np.array([hits.cosines[0] for hits in found]) >= best - 2e-4
    )  # half-precision rows are not quite unit
    assert as_good[:PROBES].mean() >= 0.999
    assert as_good[PROBES:].mean() >= 0.999


class RoughScanner:
    """Cosines with an error of standard deviation .05, as coarse codes have; remembers how much it was asked for."""

    exact = False

    def __init__(self, rows):
        self._rows = rows
        self._errors = np.random.default_rng(0).normal(0, 0.05, len(rows)).astype(np.float32)
        self.asked: list[int] = []

    def search(self, probes, k):
        self.asked.append(k)
        scores = probes @ self._rows.T + self._errors
        order = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, order, 1), order


@pytest.fixture(scope="module")
def rough():
    """Rows, and a search of them by a RoughScanner: the answer and what the scanner was asked for."""
    rows = FaceLike(64).people(0, 2000)
    numbers = np.arange(len(rows))
    segment = Segment(numbers, numbers, rows, np.full(len(rows), NEVER))
    view = View(0, 1, (segment,), Delta(64), 0, len(rows), 0)

    def asked(probe, threshold):
        scanner = RoughScanner(rows)
        (hits,) = search(view, probe[None], 1, threshold, 40, lambda _: scanner)
        return hits, scanner.asked

    return rows, asked


def test_a_clear_mate_is_found_at_first_look(rough):
    rows, asked = rough
    hits, looks = asked(rows[7], -1.0)
    assert hits.persons.tolist() == [7]
    assert looks == [40]


def test_a_best_candidate_that_hardly_stands_out_is_looked_at_twice_and_no_more(rough):
    rows, asked = rough
    probe = FaceLike(64).people(1, 1)[0]
    hits, looks = asked(probe, -1.0)
    assert looks == [40, 160]
    _, order = WideScanner(rows).search(probe[None], 1)
    assert hits.persons.tolist() == order[0].tolist()


def test_a_stranger_far_below_the_threshold_is_looked_at_once(rough):
    _, asked = rough
    hits, looks = asked(FaceLike(64).people(1, 1)[0], 0.9)
    assert len(hits.persons) == 0
    assert looks == [40]
