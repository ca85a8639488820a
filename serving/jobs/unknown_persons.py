"""Persons of a collection who are named as unknown: whom they look like, and what becomes of a group of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from index.job_records import Item, ItemRecord, ItemState, Job, Outcome, Values
from index.records import Fusion
from index.writing import Writing
from serving.jobs.clusters import Alike
from serving.jobs.neighbours import near
from serving.jobs.parts import collection_of, done, span_of
from serving.service import Service

EDGES = 64
"""Neighbours of one person that are remembered, the most alike ones."""


def look(
    service: Service, job: Job, item: Item, prefix: str, threshold: float
) -> tuple[Outcome, Sequence[Values]]:
    """Who of a part's unknown persons is somebody known, and which unknown persons the others are like."""
    if item.upload is not None:
        message = "this job groups persons of the collection; a job with photos={kind: uploads} takes photos"
        return Outcome(item.key, ItemState.REJECTED, ("not_asked_for",), message), ()
    collection = collection_of(job)
    with service.gallery.reading() as reading:
        contract = reading.collection(collection).contract_id
        persons = reading.searched(collection, span_of(item), prefix)
    everybody = near(service.gallery, collection, contract, persons, threshold)
    findings: list[Values] = []
    known: list[int] = []
    likes: list[tuple[int, str, float]] = []
    for one in everybody:
        named = next((other for other in one.others if not other.person_id.startswith(prefix)), None)
        if named is None:
            likes.extend((one.key, other.person_id, other.cosine) for other in one.others[:EDGES])
            continue
        known.append(one.key)
        cosine = round(named.cosine, 6)
        findings.append({"cluster": None, "persons": [one.id], "known": named.person_id, "cosine": cosine})
    with service.gallery.reading() as reading:
        keys = reading.keys(collection, sorted({id for _, id, _ in likes}))
    alike = [[key, keys[id], round(cosine, 6)] for key, id, cosine in likes if id in keys]
    unknown = sorted({one.key for one in everybody} - set(known))
    return done(
        item, {"looked_at": len(everybody), "known": len(known), "unknown": unknown, "alike": alike}
    ), findings


def gather(service: Service, job: Job, parts: Iterable[ItemRecord]) -> Alike:
    """The unknown persons who are left, by id, and who of them is like whom. members: their ids."""
    results = [part.result for part in parts]
    unknown = sorted({key for result in results for key in result["unknown"]})
    with service.gallery.reading() as reading:
        means = reading.rows_of(collection_of(job), unknown, Fusion.MEAN)
    ids = [means.ids[key] for key in means.keys.tolist()]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rows = means.rows[order] / np.linalg.norm(means.rows[order], axis=1, keepdims=True)
    place = {int(means.keys[at]): n for n, at in enumerate(order)}
    alike: dict[tuple[int, int], float] = {}
    for result in results:
        for one, other, cosine in result["alike"]:
            # Someone found to be known, or gone meanwhile, is in no group.
            if one in place and other in place:
                alike[min(place[one], place[other]), max(place[one], place[other])] = cosine
    pairs = np.array(list(alike), np.int64).reshape(-1, 2)
    return Alike([ids[at] for at in order], rows, pairs, np.array(list(alike.values()), np.float64))


def merge(writing: Writing, job: Job, persons: Sequence[str]) -> Values:
    """Who is left of a group becomes its first person."""
    there = writing.known_persons(collection_of(job), persons)
    left = [person for person in persons if person in there]
    if left[1:]:
        writing.merge_persons(collection_of(job), left[0], left[1:])
    return {"merged": max(0, len(left) - 1)}


def told(members: Sequence[Any]) -> Values:
    """Members of a group as findings name them."""
    return {"persons": list(members)}
