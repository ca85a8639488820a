"""Finds persons of a collection who look like one, and photos that several were enrolled from; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from index.job_records import Claim, Item, Job, NewItem, Outcome, Values
from index.writing import Settlement, Writing
from serving.jobs.groups import Groups
from serving.jobs.kind import OfCollection, Options, Write
from serving.jobs.likeness import DEFAULT_FMR, Likeness, scale_of, score, suits
from serving.jobs.neighbours import near
from serving.jobs.parts import collection_of, done, findings_of, span_items, span_of, totals
from serving.scoring import Scale
from serving.service import Service

SPAN = 100
COPIES = "copies"


class Dedup(OfCollection):
    """See docs/job-kinds.md. Options: how alike. Findings: pairs `a` < `b`, each once."""

    name = "dedup"
    batch = 16
    options: type[Options] = Likeness

    def suits(self, service: Service, job: Job) -> bool:
        """See Kind.suits."""
        return suits(service, job, Likeness.model_validate(job.options))

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        Likeness.model_validate(job.options).cosine(scale_of(service, job))
        yield [NewItem(COPIES)]
        yield from span_items(service, job, SPAN)

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        scale = scale_of(service, claim.job)
        threshold = Likeness.model_validate(claim.job.options).cosine(scale)
        outcomes: list[Outcome] = []
        findings: list[Values] = []
        for item in claim.items:
            if item.item == COPIES:
                found = _copies(service, claim.job)
                outcomes.append(done(item, {"copies": len(found)}))
            else:
                found, counts = _alike(service, claim.job, item, threshold, scale)
                outcomes.append(done(item, counts))
            findings.extend(found)

        def write(_: Writing) -> Settlement:
            return Settlement(outcomes, findings)

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        job = claim.job
        scale = scale_of(service, job)
        options = Likeness.model_validate(job.options)
        threshold = options.cosine(scale)
        groups = Groups()
        for pair in findings_of(service.gallery, job.id):
            groups.join(pair["a"], pair["b"])
        counted = totals(service.gallery, job.id)
        compared = counted["compared"]
        rate = scale.rate(threshold)
        return {
            "compared": compared,
            "pairs": counted["pairs"],
            "copies": counted["copies"],
            "groups": len(groups),
            "persons": groups.names,
            "largest_group": groups.largest,
            "cut": counted["cut"],
            "threshold": round(threshold, 6),
            "max_fmr": options.max_fmr or (DEFAULT_FMR if options.threshold is None else None),
            "expected_by_chance": None if rate is None else round(rate * compared * (compared - 1) / 2, 3),
        }


DEDUP = Dedup()


def _alike(
    service: Service, job: Job, item: Item, threshold: float, scale: Scale
) -> tuple[list[Values], dict[str, int]]:
    """Pairs of which the smaller id is in the item's part."""
    collection = collection_of(job)
    with service.gallery.reading() as reading:
        contract = reading.collection(collection).contract_id
        persons = reading.searched(collection, span_of(item))
    everybody = near(service.gallery, collection, contract, persons, threshold)
    findings: list[Values] = []
    for one in everybody:
        # Both would find each other: neighbours above a threshold are complete. The smaller id reports it.
        others = [other for other in one.others if one.id < other.person_id]
        findings.extend({"a": one.id, "b": other.person_id, **score(other.cosine, scale)} for other in others)
    cut = sum(one.cut for one in everybody)
    return findings, {"compared": len(everybody), "pairs": len(findings), "cut": cut}


def _copies(service: Service, job: Job) -> list[Values]:
    """One finding for each further person of a photo; `photos` counts those that the two have in common."""
    with service.gallery.reading() as reading:
        owned = reading.copies(collection_of(job))
    photos: dict[tuple[str, str], int] = {}
    for _, group in groupby(owned, key=lambda one: one[0]):
        first, *others = [person for _, person in group]
        for other in others:
            photos[first, other] = photos.get((first, other), 0) + 1
    found: list[dict[str, Any]] = [{"a": a, "b": b, "photos": count} for (a, b), count in photos.items()]
    return list(found)
