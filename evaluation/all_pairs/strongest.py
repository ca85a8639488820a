"""The impostor pairs at or above a cosine, as arrays with people and votes; judges nothing.

Where people are drawn anew (evaluation/resampling.py) a pair of people counts the product of how often its two people
were drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import AllPairs, at_or_above, bin_edges, require_finite, rows_of_people

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_PAIRS = 1_200_000
"""Pairs of photos that a bootstrap goes through at most, some ten milliseconds a time; enough for an FMR of 1e-2 on
LFW.
"""


@dataclass(frozen=True)
class StrongestPairs:
    """Every pair of photos of different people with a cosine of `lowest` or more.

    cosines: (K,) float64, falling. left, right: (K,) int64, rows of the two photos. left_person, right_person: (K,)
    int64, 0..people-1 in the order of the sorted names. votes: (K,) float64, what a pair of photos has of the one vote
    of its pair of people. people: how many there are, also those without a strong pair.
    """

    cosines: Floats
    left: Integers
    right: Integers
    left_person: Integers
    right_person: Integers
    votes: Floats
    people: int
    lowest: float

    @property
    def people_pairs(self) -> int:
        """All pairs of people, the votes that a rate is a share of."""
        return self.people * (self.people - 1) // 2

    def passing(self, cosine: float) -> int:
        """How many pairs of photos reach a cosine. ValueError below `lowest`, where some of them are not known."""
        if cosine < self.lowest:
            raise ValueError(f"pairs were kept down to a cosine of {self.lowest:.4f}, not to {cosine:.4f}")
        return int(np.searchsorted(-self.cosines, -cosine, side="right"))

    def votes_of(self, drawn: NDArray[Any] | None = None) -> Floats:
        """(K,) float64, the votes; with `drawn` (people,), how often each person was drawn, those of that draw."""
        if drawn is None:
            return self.votes
        votes: Floats = self.votes * (drawn[self.left_person] * drawn[self.right_person])
        return votes


def strongest_pairs(
    embeddings: NDArray[Any],
    people: Sequence[str],
    lowest: float,
    *,
    block: int = 1024,
    progress: Callable[[int], None] | None = None,
) -> StrongestPairs:
    """All pairs of embeddings (N, D), unit rows, of different people with a cosine of at least `lowest` (-1..1).

    Cosines are float32 products, as in count_all_pairs. Memory is about block * N * 10 bytes and 60 bytes a pair kept.
    ValueError where names and rows do not go together, or there are fewer than two people.
    """
    rows = rows_of_people(embeddings, people)
    require_finite(rows)
    names, identity, photos = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    if names.size < 2:
        raise ValueError(f"pairs of different people need at least two people; there is {names.size}")
    lefts, rights, found = [], [], []
    for start in range(0, len(rows), block):
        stop = min(start + block, len(rows))
        cosines = np.clip(rows[start:stop] @ rows[start:].T, -1.0, 1.0)  # (B, N - start)
        passing = (cosines >= lowest) & (identity[start:stop, None] != identity[None, start:])
        left, right = np.nonzero(passing)
        upper = left < right
        lefts.append(left[upper] + start)
        rights.append(right[upper] + start)
        found.append(cosines[left[upper], right[upper]])
        if progress is not None:
            progress(stop - start)
    left, right, values = np.concatenate(lefts), np.concatenate(rights), np.concatenate(found)
    order = np.lexsort((right, left, -values))
    left, right = left[order], right[order]
    return StrongestPairs(
        cosines=values[order].astype(np.float64),
        left=left,
        right=right,
        left_person=identity[left],
        right_person=identity[right],
        votes=1.0 / (photos[identity[left]] * photos[identity[right]]),
        people=int(names.size),
        lowest=lowest,
    )


def lowest_for(pairs: AllPairs, fmr: float, most: int = MOST_PAIRS) -> float:
    """The cosine down to which pairs must be collected for rates up to `fmr` (0..1), or less far where that were more
    than `most` pairs of photos.
    """
    votes, counts = at_or_above(pairs.impostor_people), at_or_above(pairs.impostor)
    enough = int(np.searchsorted(-votes, -fmr * votes[0], side="right")) - 1
    bearable = int(np.searchsorted(-counts, -most, side="left"))
    edges = bin_edges()
    return float(edges[min(max(enough, bearable, 0), edges.size - 1)])
