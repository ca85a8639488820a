"""Ranked candidates of many probes as arrays, and what they say about each probe's mate; knows no engine, no rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.identification.open_set import Float64, Int64, Searches

NOBODY = -1


@dataclass(frozen=True)
class CandidateLists:
    """What a search returned for each of P probes. Both (P, L), in any order within a probe.

    people: int64 numbers of persons, from 0; NOBODY beyond the end of a shorter list. cosines: -1..1; what stands
    beyond the end does not count. whole: whether every person of the gallery is in every list.
    """

    people: Int64
    cosines: NDArray[Any]
    whole: bool = False

    def __post_init__(self) -> None:
        if self.people.ndim != 2 or self.people.shape != self.cosines.shape:
            raise ValueError(
                f"people and cosines must both be (probes, candidates); they are {self.people.shape} and "
                f"{self.cosines.shape}"
            )
        wrong = (self.people != NOBODY) & ~(np.abs(self.cosines) <= 1.0)
        if wrong.any():
            probe, place = (int(at[0]) for at in np.nonzero(wrong))
            raise ValueError(
                f"candidate {place} of probe {probe} has the cosine {self.cosines[probe, place]}; every cosine must "
                "lie in -1..1"
            )
        if (self.people < NOBODY).any():
            raise ValueError(f"a candidate has the number {self.people.min()}; persons are numbered from 0")

    def best(self) -> Int64:
        """(P,) the best candidate of each probe, NOBODY without any; of several with one cosine the lowest number."""
        if not self.people.shape[1]:
            return np.full(len(self.people), NOBODY, np.int64)
        first = np.lexsort((self.people, -self._counted()), axis=-1)[:, :1]
        found: Int64 = np.take_along_axis(self.people, first, axis=1)[:, 0]
        return found

    def _counted(self) -> Float64:
        return np.where(self.people == NOBODY, -np.inf, self.cosines.astype(np.float64))


def searches_of(lists: CandidateLists, people: Int64, enrolled: Int64) -> Searches:
    """What the lists say of probes whose persons are known.

    people: (P,) the person each probe shows. enrolled: numbers of all persons in the gallery, in any order. A person
    who stands several times in a list counts once, with the best cosine. The mate's rank is one more than the number
    of others whose cosine is not below its own, so that a tie counts against it.
    """
    if people.shape != (len(lists.people),):
        raise ValueError(
            f"people must name the person of each of {len(lists.people)} probes; its shape is {people.shape}"
        )
    found, cosines = _each_once(lists)
    is_mate = found == people[:, None]
    mate = np.where(is_mate, cosines, -np.inf).max(axis=1, initial=-np.inf)
    others = np.where(is_mate, -np.inf, cosines)
    mated = np.isin(people, enrolled)
    _require_enrolled(is_mate.any(axis=1) & ~mated, people)
    before = np.count_nonzero(others >= mate[:, None], axis=1)
    return Searches(
        people=people,
        mated=mated,
        rank=np.where(mate > -np.inf, before + 1, 0).astype(np.int64),
        mate=mate,
        other=others.max(axis=1, initial=-np.inf),
        depth=None if lists.whole else lists.people.shape[1],
    )


def _each_once(lists: CandidateLists) -> tuple[Int64, Float64]:
    """People (P, L) and cosines (P, L) by person, all but the best line of each one at -inf."""
    cosines = lists._counted()
    order = np.lexsort((-cosines, lists.people), axis=-1)
    people = np.take_along_axis(lists.people, order, axis=1)
    cosines = np.take_along_axis(cosines, order, axis=1)
    cosines[:, 1:][people[:, 1:] == people[:, :-1]] = -np.inf
    people[cosines == -np.inf] = NOBODY
    return people, cosines


def _require_enrolled(wrong: NDArray[np.bool_], people: Int64) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"person {people[at]} was found for probe {at}, but is not among the enrolled")
