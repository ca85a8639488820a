"""The cosines of each person's own pairs of photos, a vote a person, and false non-match rates over people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import require_finite, rows_of_people
from evaluation.all_pairs.strongest import Floats, Integers

MOST_PHOTOS = 100
"""Photos of one person that are compared with each other: 4,950 pairs."""


@dataclass(frozen=True)
class GenuinePairs:
    """cosines: (G,) float64, rising. person: (G,) int64, 0..people-1 in the order of the sorted names. votes: (G,)
    float64, what a pair has of the one vote of its person. people: how many there are, also those with one photo.
    """

    cosines: Floats
    person: Integers
    votes: Floats
    people: int

    def compared(self) -> NDArray[np.bool_]:
        """(people,) bool, who has a pair at all."""
        found = np.zeros(self.people, np.bool_)
        found[self.person] = True
        return found

    def false_non_match_rate(self, cosine: float, drawn: NDArray[Any] | None = None) -> float:
        """The share of votes below a cosine, 0..1; NaN without any. drawn: (people,), how often each was drawn."""
        votes = self.votes if drawn is None else self.votes * drawn[self.person]
        total = votes.sum()
        below = int(np.searchsorted(self.cosines, cosine, side="left"))
        return float(votes[:below].sum() / total) if total > 0 else float("nan")


def genuine_pairs(
    embeddings: NDArray[Any], people: Sequence[str], *, most_photos: int = MOST_PHOTOS
) -> GenuinePairs:
    """All pairs of one person's embeddings (N, D), unit rows, for each person.

    Of a person with more than `most_photos` rows that many, spread evenly over them, are compared. Cosines are float32
    products. ValueError where names and rows do not go together, or a row is not finite.
    """
    rows = rows_of_people(embeddings, people)
    require_finite(rows)
    names, identity = np.unique(np.asarray(people, dtype=np.str_), return_inverse=True)
    order = np.argsort(identity, kind="stable")
    ends = np.cumsum(np.bincount(identity, minlength=names.size))
    cosines, persons, votes = [], [], []
    for person, of_person in enumerate(np.split(order, ends[:-1])):
        if of_person.size > most_photos:
            of_person = of_person[np.arange(most_photos) * of_person.size // most_photos]
        own = rows[of_person]
        found = np.clip((own @ own.T)[np.triu_indices(len(own), k=1)], -1.0, 1.0).astype(np.float64)
        cosines.append(found)
        persons.append(np.full(found.size, person, np.int64))
        votes.append(np.full(found.size, 1.0 / max(found.size, 1)))
    together = np.concatenate(cosines)
    rising = np.argsort(together, kind="stable")
    return GenuinePairs(
        together[rising], np.concatenate(persons)[rising], np.concatenate(votes)[rising], int(names.size)
    )
