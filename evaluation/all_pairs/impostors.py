"""Every pair of a set of embeddings, counted by cosine in one blocked pass; never holds all scores, judges
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS_PER_UNIT = 10_000
BINS = 2 * BINS_PER_UNIT + 1
"""Bins of 1e-4 from -1 up; the last one holds the cosine 1 alone."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class StrongPair:
    """Two rows of different people, left < right, and their cosine."""

    left: int
    right: int
    cosine: float


@dataclass(frozen=True)
class AllPairs:
    """genuine, impostor: (BINS,) int64, pairs a bin; bin k holds the cosines from -1 + k * 1e-4 up to the
    next edge. impostor_people: (BINS,) float64, the impostor pairs with one vote for each pair of people,
    shared by all their photos; it sums to the number of pairs of people. strongest: the impostor pairs of
    highest cosine, falling, at most as many as were asked for.
    """

    genuine: Counts
    impostor: Counts
    impostor_people: NDArray[np.float64]
    strongest: tuple[StrongPair, ...]


def bin_edges() -> NDArray[np.float64]:
    """(BINS,) float64, the lowest cosine of each bin."""
    edges: NDArray[np.float64] = np.arange(BINS, dtype=np.float64) / BINS_PER_UNIT - 1.0
    return edges


def at_or_above(counts: NDArray[Any]) -> NDArray[Any]:
    """(BINS,) counts a bin -> (BINS,) what lies at or above each bin's lower edge."""
    total: NDArray[Any] = np.cumsum(counts[::-1])[::-1]
    return total


def count_all_pairs(
    embeddings: NDArray[Any],
    people: Sequence[str],
    *,
    strongest: int = 0,
    block: int = 1024,
    progress: Callable[[int], None] | None = None,
) -> AllPairs:
    """Counts all N (N - 1) / 2 pairs of embeddings (N, D), unit rows, by cosine, genuine and impostor apart.

    Cosines are float32 products, so a pair nearer than about 1e-7 to an edge may fall on its other side.
    `progress` is called with the rows done after each block. Memory is about block * N * 40 bytes. ValueError
    for rows that are not finite or not of unit length, naming the first.
    """
    rows = rows_of_people(embeddings, people)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) < 1e-3))
    if wrong.size:
        raise ValueError(
            f"row {wrong[0]} has length {lengths[wrong[0]]:.4g}; every row must be a unit vector"
        )
    _, identity, photos = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    vote = 1.0 / photos[identity]  # (N,) float64
    votes = np.zeros(BINS)
    totals = np.zeros((2, BINS + 1), dtype=np.int64)  # impostor, genuine; last: the diagonal and below
    kept = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    for start in range(0, len(rows), block):
        stop = min(start + block, len(rows))
        cosines = rows[start:stop] @ rows[start:].T  # (B, N - start)
        same = identity[start:stop, None] == identity[None, start:]
        bins = _bins(cosines)
        bins[np.tril_indices(stop - start, m=len(rows) - start)] = BINS
        totals += np.bincount((bins + same * (BINS + 1)).ravel(), minlength=2 * (BINS + 1)).reshape(2, -1)
        bins[same] = BINS
        shared = vote[start:stop, None] * vote[None, start:]
        votes += np.bincount(bins.ravel(), weights=shared.ravel(), minlength=BINS + 1)[:BINS]
        if strongest:
            cosines[bins == BINS] = -np.inf
            kept = _merge_strongest(kept, cosines, start, strongest)
        if progress is not None:
            progress(stop - start)
    pairs = (StrongPair(int(i), int(j), float(c)) for i, j, c in zip(*kept, strict=True))
    return AllPairs(totals[1, :BINS].copy(), totals[0, :BINS].copy(), votes, tuple(pairs))


def rows_of_people(embeddings: NDArray[Any], people: Sequence[str]) -> NDArray[np.float32]:
    """Embeddings (N, D) as float32 rows; ValueError where there are not as many as names."""
    rows = np.ascontiguousarray(embeddings, dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(people):
        raise ValueError(f"embeddings of shape {rows.shape} do not go with {len(people)} names")
    return rows


def require_finite(rows: NDArray[Any]) -> None:
    """ValueError naming the first row of (N, D) that is not finite."""
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if broken.size:
        raise ValueError(f"row {broken[0]} is not finite")


def _bins(cosines: NDArray[np.float32]) -> NDArray[np.int32]:
    scaled = (cosines + np.float32(1.0)) * np.float32(BINS_PER_UNIT)
    bins: NDArray[np.int32] = np.clip(np.floor(scaled), 0, BINS - 1).astype(np.int32)
    return bins


def _merge_strongest(
    kept: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    cosines: NDArray[np.float32],
    start: int,
    count: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    left, right, best = kept
    lowest = best[-1] if best.size >= count else -np.inf
    rows, columns = np.nonzero(cosines > lowest)
    left = np.concatenate([left, rows + start])
    right = np.concatenate([right, columns + start])
    best = np.concatenate([best, cosines[rows, columns]])
    order = np.lexsort((right, left, -best))[:count]
    return left[order], right[order], best[order]
