"""Second stage of a search: exact cosines of the rows the scanners chose, grouped by person; no state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.engine.base import Hits
from index.engine.rows import Segment, View
from index.engine.scan import Scanner, best
from index.template import Float32, cosines, widened

SLACK = 16
"""Rows an exact scanner gives beyond `limit`: for the dead among them and for ties within rounding."""
ROUNDING = 1e-3
"""No exact scanner's score differs from the exact cosine by more."""

WIDER = 4
"""How many times as many rows are taken where those chosen do not suffice."""
SURE = 4.5
"""Standard deviations of the codes' errors by which the best candidate must lie above the rows that were left out."""

Choose = Callable[[Segment], Scanner]


@dataclass(frozen=True)
class Pool:
    """Rows of one block that may be nearest to one probe.

    asked: rows taken of the scanner. worst: the lowest score among them, -2 when they are all rows of the block.
    errors: the exact cosines (m,) less the scores of a scanner of codes; None where the scanner is exact.
    """

    persons: NDArray[np.int64]
    keys: NDArray[np.int64]
    cosines: Float32
    asked: int
    worst: float
    errors: Float32 | None

    @property
    def exact(self) -> bool:
        return self.errors is None


def search(
    view: View, probes: Float32, limit: int, threshold: float, candidates: int, choose: Choose
) -> list[Hits]:
    """At most `limit` persons of at least `threshold` for each unit probe of (n, D) float32.

    choose: the scanner of a segment. candidates: rows taken from a scanner of codes. Where the rows chosen do
    not suffice (dead ones, many of one person), those probes are searched again for four times as many; once
    also where the best of them is too little above the rows that the codes left out.
    """
    hits: list[Hits | None] = [None] * len(probes)
    open_probes = np.arange(len(probes))
    exact_k, least = limit + SLACK, max(candidates, limit + SLACK)
    codes_k = least
    while len(open_probes):
        pools = _pools(view, probes[open_probes], exact_k, codes_k, choose)
        for number, mine in zip(open_probes.tolist(), pools, strict=True):
            found = grouped(mine, limit, threshold)
            looked_twice = codes_k > least
            if suffices(mine, found, limit, threshold) and (looked_twice or _sure(mine, found, threshold)):
                hits[number] = found
        open_probes = np.array([number for number, done in enumerate(hits) if done is None], np.int64)
        exact_k, codes_k = WIDER * exact_k, WIDER * codes_k
    return [done for done in hits if done is not None]


def _pools(view: View, probes: Float32, exact_k: int, codes_k: int, choose: Choose) -> list[list[Pool]]:
    pools: list[list[Pool]] = [[] for _ in probes]
    coded: list[tuple[Segment, Float32, NDArray[np.int64]]] = []
    for segment in view.segments:
        scanner = choose(segment)
        k = min(exact_k if scanner.exact else codes_k, len(segment))
        scores, positions = scanner.search(probes, k)
        if not scanner.exact:
            coded.append((segment, scores, positions))
            continue
        whole = k == len(segment)
        for mine, probe, score, position in zip(pools, probes, scores, positions, strict=True):
            worst = -2.0 if whole else float(score[-1])
            mine.append(_judged(view, segment, probe, position, k, worst))
    for number, mine in enumerate(pools):
        mine.extend(_coded_pools(view, coded, number, probes[number], codes_k))
    if view.end:
        for mine, pool in zip(pools, _delta_pools(view, probes, exact_k), strict=True):
            mine.append(pool)
    return pools


def _coded_pools(
    view: View,
    coded: list[tuple[Segment, Float32, NDArray[np.int64]]],
    number: int,
    probe: Float32,
    k: int,
) -> list[Pool]:
    """The k best by code among all coded segments; their scores come from one coder, so they compare."""
    if not coded:
        return []
    scores = np.concatenate([score[number] for _, score, _ in coded])
    last = max(0, len(scores) - k)
    floor = np.partition(scores, last)[last]
    pools = []
    for segment, score, position in coded:
        taken = (score[number] >= floor) & (position[number] >= 0)
        chosen = position[number][taken]
        worst = -2.0 if len(chosen) == len(segment) else float(floor)
        pools.append(_judged(view, segment, probe, chosen, len(chosen), worst, score[number][taken]))
    return pools


def _judged(
    view: View,
    segment: Segment,
    probe: Float32,
    positions: NDArray[np.int64],
    asked: int,
    worst: float,
    by_code: Float32 | None = None,
) -> Pool:
    """The living rows at `positions`. by_code: their scores, where codes chose them."""
    living = segment.died[positions] > view.at
    alive = positions[living]
    exact_cosines = cosines(widened(segment.rows[alive]), probe)
    errors = None if by_code is None else exact_cosines - by_code[living]
    return Pool(segment.persons[alive], segment.keys[alive], exact_cosines, asked, worst, errors)


def _delta_pools(view: View, probes: Float32, k: int) -> list[Pool]:
    delta, end = view.delta, view.end
    scores = probes @ delta.rows[:end].T
    scores[:, delta.died[:end] <= view.at] = -2.0
    k = min(k, end)
    top, positions = best(scores, k)
    pools = []
    for probe, score, position in zip(probes, top, positions, strict=True):
        alive = position[score > -2.0]
        worst = -2.0 if k == end else float(score[-1])
        exact_cosines = cosines(delta.rows[alive], probe)
        pools.append(Pool(delta.persons[alive], delta.keys[alive], exact_cosines, k, worst, None))
    return pools


def grouped(pools: list[Pool], limit: int, threshold: float) -> Hits:
    """The best row of each person, best first, ties by number, the threshold last."""
    if not pools:
        nothing = np.empty(0, np.int64)
        return Hits(nothing, nothing, np.empty(0, np.float32))
    persons = np.concatenate([pool.persons for pool in pools])
    keys = np.concatenate([pool.keys for pool in pools])
    scores = np.concatenate([pool.cosines for pool in pools])
    order = np.lexsort((keys, persons, -scores))
    _, first = np.unique(persons[order], return_index=True)
    chosen = order[np.sort(first)[:limit]]
    chosen = chosen[scores[chosen] >= threshold]
    return Hits(persons[chosen], keys[chosen], scores[chosen])


def suffices(pools: list[Pool], found: Hits, limit: int, threshold: float) -> bool:
    """Whether no row outside the pools can belong to the answer (codes: is at all likely to)."""
    full = len(found.persons) == limit
    needed = max(float(found.cosines[-1]), threshold) if full and limit else threshold
    coded = [pool for pool in pools if not pool.exact]
    for pool in pools:
        if pool.exact and pool.worst > needed - ROUNDING and pool.worst > -2.0:
            return False
    if all(pool.worst == -2.0 for pool in coded):
        return True
    alive = sum(len(pool.cosines) for pool in coded)
    if 2 * alive < sum(pool.asked for pool in coded):
        return False
    lowest = min(float(pool.cosines.min()) for pool in coded if len(pool.cosines))
    return full or lowest < threshold


def _sure(pools: list[Pool], found: Hits, threshold: float) -> bool:
    """Whether no row that the codes left out is at all likely to be better than the best of `found`.

    How far codes are off for this very probe is known from the rows they chose, whose exact cosines are known too.
    """
    cut = [(pool.worst, pool.errors) for pool in pools if pool.errors is not None and pool.worst > -2.0]
    if not any(len(errors) for _, errors in cut):
        return True
    errors = np.concatenate([errors for _, errors in cut])
    left_out = max(worst for worst, _ in cut) + float(errors.mean())
    best_found = float(found.cosines[0]) if len(found.cosines) else threshold
    return best_found > left_out + SURE * float(errors.std())
