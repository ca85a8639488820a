"""Who in a collection looks like its own persons: every neighbour above a threshold, not the few best alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.gallery import Gallery
from index.reading import PersonRows
from index.records import Candidate
from index.template import Float32

FIRST, WIDER, MOST = 20, 4, 1280
"""Candidates asked for at first; how many times as many where all of them are alike; and at most."""
PROBES = 256
"""Searched in one call."""


@dataclass(frozen=True)
class Near:
    """One person, and who is alike, best first. cut: there were more than could be asked for."""

    key: int
    id: str
    others: Sequence[Candidate]
    cut: bool


def near(
    gallery: Gallery, collection: str, contract_id: str, persons: PersonRows, threshold: float
) -> list[Near]:
    """The neighbours of each person who has a row, by number; nobody is their own.

    A person with several rows has the best cosine of any. Errors as Gallery.identify.
    """
    answers, cut = search_all(gallery, collection, contract_id, persons.rows, threshold)
    best: dict[int, dict[str, Candidate]] = {}
    short: set[int] = set()
    for key, found, is_cut in zip(persons.keys.tolist(), answers, cut, strict=True):
        mine = best.setdefault(key, {})
        for one in found:
            known = mine.get(one.person_id)
            if known is None or one.cosine > known.cosine:
                mine[one.person_id] = one
        if is_cut:
            short.add(key)
    return [_near(key, persons.ids[key], mine, key in short) for key, mine in sorted(best.items())]


def _near(key: int, id: str, found: dict[str, Candidate], cut: bool) -> Near:
    others = [one for one in found.values() if one.person_id != id]
    others.sort(key=lambda one: (-one.cosine, one.person_id))
    return Near(key, id, others, cut)


def search_all(
    gallery: Gallery, collection: str, contract_id: str, probes: Float32, threshold: float
) -> tuple[list[list[Candidate]], list[bool]]:
    """Everybody at or above a threshold for each probe of (n, D), MOST at most, and whether that was not enough."""
    answers: list[list[Candidate]] = [[] for _ in probes]
    waiting, limit = list(range(len(probes))), FIRST
    while waiting:
        for start in range(0, len(waiting), PROBES):
            part = waiting[start : start + PROBES]
            found = gallery.identify(
                collection, probes[part], contract_id=contract_id, limit=limit, threshold=threshold
            )
            for place, candidates in zip(part, found, strict=True):
                answers[place] = candidates
        full = [place for place in waiting if len(answers[place]) == limit]
        if limit >= MOST:
            return answers, [place in set(full) for place in range(len(probes))]
        waiting, limit = full, limit * WIDER
    return answers, [False] * len(probes)
