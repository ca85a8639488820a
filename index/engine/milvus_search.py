"""Exact answers from rows that Milvus found: cosines computed here, by person, asked again until nobody is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from index.engine.base import Hits
from index.engine.milvus_link import BELOW_NOTHING, Nearest
from index.engine.search import ROUNDING, SLACK, WIDER, Pool, grouped, suffices
from index.template import Float32, cosines

Ask = Callable[[Float32, int, Sequence[int]], Iterable[Nearest]]
"""Of probes (n, D), k and persons to leave out: the k rows nearest to each probe by their products, best first."""


def search(ask: Ask, probes: Float32, limit: int, threshold: float, most: int) -> list[Hits]:
    """At most `limit` persons of at least `threshold` for each unit probe of (n, D).

    most: rows that one answer can hold. Where the rows found do not suffice (many of one person), those probes are
    asked again for four times as many; beyond `most`, for the rows of everybody else.
    """
    hits: list[Hits | None] = [None] * len(probes)
    open_probes = np.arange(len(probes))
    k = min(limit + SLACK, most)
    while len(open_probes):
        answers = ask(probes[open_probes], k, ())
        for number, nearest in zip(open_probes.tolist(), answers, strict=True):
            pool = _pool(nearest, probes[number])
            found = grouped([pool], limit, threshold)
            if suffices([pool], found, limit, threshold):
                hits[number] = found
            elif k == most:
                hits[number] = _beyond(ask, probes[number], limit, threshold, most)
        open_probes = np.array([number for number, done in enumerate(hits) if done is None], np.int64)
        k = min(WIDER * k, most)
    return [done for done in hits if done is not None]


def _beyond(ask: Ask, probe: Float32, limit: int, threshold: float, most: int) -> Hits:
    pools: list[Pool] = []
    settled: set[int] = set()
    while True:
        (nearest,) = ask(probe[None], most, sorted(settled))
        pool = _pool(nearest, probe)
        found = grouped([*pools, pool], limit, threshold)
        if suffices([pool], found, limit, threshold):
            return found
        pools.append(pool)
        # Whoever is well above the rows left out has no better one among them. Where nobody is, so many rows are
        # alike that they cannot be told apart by their products either.
        sure = pool.persons[pool.cosines > pool.worst + ROUNDING]
        settled.update((sure if len(sure) else pool.persons).tolist())


def _pool(nearest: Nearest, probe: Float32) -> Pool:
    worst = nearest.worst if nearest.worst > BELOW_NOTHING else -2.0
    return Pool(
        nearest.persons, nearest.keys, cosines(nearest.vectors, probe), len(nearest.keys), worst, None
    )
