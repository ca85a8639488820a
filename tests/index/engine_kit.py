"""Engines of every kind, rows for them, and the slow reference they are held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.facelike import FaceLike
from index.engine.base import SearchedRows, Space
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.faiss_gpu import FaissGpuEngine
from index.engine.held import Tuning
from index.records import Fusion, Precision, Search
from index.template import stored, unit_rows, widened
from tests.index.gpu_stand_in import StandIn

KINDS = ("exact", "fast", "gpu")
SMALL = Tuning(fast_from=64, train_from=64, delta_rows=128, segment_rows=2048, small_segments=2)


def engine_of(kind: str, root: Path, tuning: Tuning = SMALL):
    return FaissGpuEngine(root, tuning, StandIn()) if kind == "gpu" else FaissCpuEngine(root, tuning)


def space_of(kind: str, fusion=Fusion.MEAN, precision=Precision.FLOAT16, dimension=64, contract="a") -> Space:
    return Space(1, contract, dimension, fusion, Search.FAST if kind == "fast" else Search.EXACT, precision)


def rows_of(space: Space, persons, vectors, keys=None) -> SearchedRows:
    persons = np.asarray(persons, np.int64)
    vectors = np.asarray(vectors, np.float64).reshape(len(persons), space.dimension)
    units = stored(unit_rows(vectors, space.dimension), space.precision)
    return SearchedRows(persons, persons if keys is None else np.asarray(keys, np.int64), units)


def nothing(space: Space) -> SearchedRows:
    return rows_of(space, [], np.empty((0, space.dimension)))


def filled(engine, space, count=600, seed=0):
    people = FaceLike(space.dimension, seed).people(0, count)
    engine.rebuild(space, [], 1)
    for revision, start in enumerate(range(0, count, 100), start=2):
        part = np.arange(start, min(start + 100, count))
        engine.apply(space, part, rows_of(space, part, people[part]), revision)
        engine.maintain(1)
    return people


class Changing:
    """People who come, change and go by chance, as rows to apply; `truth` has the vectors of each who is there."""

    def __init__(self, space: Space, rng: np.random.Generator, next_key: int = 0) -> None:
        self.space, self.rng, self.next_key = space, rng, next_key
        self.truth: dict[int, np.ndarray] = {}

    def change(self, persons: np.ndarray) -> SearchedRows:
        mean, dimension = self.space.fusion is Fusion.MEAN, self.space.dimension
        blocks, owners, keys = [], [], []
        for person in persons.tolist():
            count = 0 if self.rng.random() < 0.3 else 1 if mean else int(self.rng.integers(1, 5))
            drawn = self.rng.standard_normal((count, dimension))
            self.truth.pop(person, None)
            if count:
                self.truth[person] = drawn
            blocks.append(drawn)
            owners += [person] * count
            keys += [person] if mean and count else range(self.next_key, self.next_key + count)
            self.next_key += count
        return rows_of(self.space, owners, np.concatenate(blocks), keys)

    def everything(self) -> SearchedRows:
        owners = [person for person, drawn in self.truth.items() for _ in drawn]
        return rows_of(self.space, owners, np.concatenate(list(self.truth.values())))


def assert_hits_are_brute_forces(rows: SearchedRows, probes, found) -> None:
    for probe, hits in zip(probes, found, strict=True):
        expected = brute(rows, probe.astype(np.float64), 3)
        assert hits.persons.tolist() == [person for person, _ in expected]
        np.testing.assert_allclose(hits.cosines, [score for _, score in expected], atol=1e-5)


def brute(rows: SearchedRows, probe, limit):
    """The slow reference: every cosine in float64, the best row of each person."""
    vectors = widened(rows.vectors).astype(np.float64)
    scores = vectors @ probe / np.linalg.norm(vectors, axis=1)
    best: dict[int, float] = {}
    for person, score in zip(rows.persons.tolist(), scores, strict=True):
        best[person] = max(score, best.get(person, -2.0))
    return sorted(best.items(), key=lambda item: (-item[1], item[0]))[:limit]
