"""Which groups of faces of different identities show one person, and whom a stray face resembles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.curation.levels import Levels
from training.curation.search import best_above, pairs_above
from training.curation.within import median_between

MOST = 32
"""Faces of a group that are compared with another's, evenly chosen."""
_CONSIDERED = 5

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Record numbers (n,) -> (n, D) float32 unit rows."""


@dataclass(frozen=True)
class Groups:
    """Groups of faces, each of one identity.

    identity: (G,) int64. members: the records of each, ascending. centres: (G, D) float32, unit means.
    """

    identity: NDArray[np.int64]
    members: list[NDArray[np.int64]]
    centres: NDArray[np.float32]

    @property
    def comparisons(self) -> int:
        return len(self.members) * (len(self.members) - 1) // 2


@dataclass(frozen=True)
class Same:
    """Two groups, one < other, that show one person. cosine: the median between their faces."""

    one: int
    other: int
    cosine: float


def same_people(groups: Groups, rows: Rows, levels: Levels) -> list[Same]:
    """Every two groups of different identities whose faces match, half of the pairs at least, at
    levels.match(all comparisons); most alike first.

    The centres find the candidates: their cosine is the mean of all pairs, divided by the lengths of the two means,
    which are below 1.
    """
    threshold = levels.match(groups.comparisons)
    found = []
    for left, right, _ in pairs_above(groups.centres, threshold):
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            if groups.identity[one] == groups.identity[other]:
                continue
            cosine = median_between(rows(some(groups.members[one])), rows(some(groups.members[other])))
            if cosine >= threshold:
                found.append(Same(one, other, cosine))
    return sorted(found, key=lambda same: (-same.cosine, same.one, same.other))


def resembled(
    strays: NDArray[np.int64], own: NDArray[np.int64], groups: Groups, rows: Rows, levels: Levels
) -> list[tuple[int, float] | None]:
    """For each stray record, (S,), of the identity `own`, (S,): another identity that it matches at
    levels.match(all comparisons), with the median cosine, or None.
    """
    threshold = levels.match(len(strays) * len(groups.members))
    if not len(strays) or not groups.members:
        return [None] * len(strays)
    nearest = best_above(rows(strays), groups.centres, min(_CONSIDERED, len(groups.members)))
    found: list[tuple[int, float] | None] = []
    for stray, identity, places in zip(strays, own.tolist(), nearest.tolist(), strict=True):
        scored = [
            (median_between(rows(stray[None]), rows(some(groups.members[place]))), -place)
            for place in places
            if groups.identity[place] != identity
        ]
        cosine, place = max(scored, default=(-1.0, 0))
        found.append((int(groups.identity[-place]), cosine) if cosine >= threshold else None)
    return found


def some(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most MOST of them, evenly spread."""
    if len(members) <= MOST:
        return members
    return members[np.linspace(0, len(members) - 1, MOST).astype(np.int64)]
