"""Groups faces of nobody known: persons named as unknown, or faces on photos; merges or enrols them where asked.

First every part finds who is known and who is alike; `finish` makes groups of that and lists an item for each; these
tell and write. All groups are listed in one transaction with a mark, so a crash leaves all of them or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from index.job_records import Claim, Item, ItemRecord, Job, NewItem, Outcome, Values
from index.writing import Settlement, Writing
from serving.enrolment import QualityGate
from serving.jobs import unknown_faces, unknown_persons
from serving.jobs.clusters import clusters
from serving.jobs.kind import Options, Write
from serving.jobs.likeness import Likeness, scale_of, suits
from serving.jobs.parts import done, records, span_items
from serving.service import Service

SPAN = 50
TOLD_AT_ONCE = 100
"""Members in one finding; a larger group has several."""
MOST_MEMBERS = 1000
"""Of one group; a larger one is several. A group that is merged is written in one transaction."""


class ClusterOptions(Likeness):
    """Whom to group, and what becomes of the groups."""

    photos: unknown_faces.Photos | None = Field(
        default=None, description="Where photos are; without them persons are grouped."
    )
    prefix: str = Field(
        default="unknown-",
        pattern=r"^[^/\x00-\x1f\x7f-\x9f]{1,200}$",
        description="How the ids of unknown persons begin.",
    )
    quality: QualityGate = Field(
        default=QualityGate.AUTO, description="Photos: auto leaves faces out that are not fit to enrol."
    )
    smallest: int = Field(default=2, ge=1, description="Members of a group that is told of.")
    merge: bool = Field(default=False, description="Persons: merges each group into its first by id.")
    enroll: bool = Field(default=False, description="Photos: enrols each group as a new unknown person.")

    @model_validator(mode="after")
    def _written_by_its_source(self) -> Self:
        if self.merge and self.photos is not None:
            raise ValueError("merge is for persons; what is found on photos is enrolled (enroll)")
        if self.enroll and self.photos is None:
            raise ValueError("enroll is for photos; persons are merged (merge)")
        return self


class Cluster:
    """See docs/job-kinds.md."""

    name = "cluster"
    batch = 8
    options: type[Options] = ClusterOptions
    needs_collection = True
    local = frozenset({"photos"})

    def suits(self, service: Service, job: Job) -> bool:
        """See Kind.suits. Photos need the collection's pack, whatever the threshold."""
        options = ClusterOptions.model_validate(job.options)
        if options.photos is None:
            return suits(service, job, options)
        return options.photos.visible() and suits(service, job, Likeness())

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        options = ClusterOptions.model_validate(job.options)
        options.cosine(scale_of(service, job))
        if options.photos is None:
            yield from span_items(service, job, SPAN)
        else:
            yield from unknown_faces.listed(options.photos)

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        job = claim.job
        options = ClusterOptions.model_validate(job.options)
        threshold = options.cosine(scale_of(service, job))
        groups = [item for item in claim.items if item.upload is None and "members" in item.payload]
        parts = [item for item in claim.items if item not in groups]
        if options.photos is None:
            looked = [unknown_persons.look(service, job, item, options.prefix, threshold) for item in parts]
        else:
            looked = unknown_faces.look(service, job, parts, options.photos, options.quality, threshold)
        members = [_members(service, job, item, options) for item in groups]

        def write(writing: Writing) -> Settlement:
            outcomes = [outcome for outcome, _ in looked]
            findings = [finding for _, some in looked for finding in some]
            for item, group in zip(groups, members, strict=True):
                outcomes.append(_write(writing, job, item, options, group))
                findings.extend(_told(item, options, group))
            return Settlement(outcomes, findings)

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish. Groups are made anew where failed parts were resumed and are done by now."""
        job = claim.job
        options = ClusterOptions.model_validate(job.options)
        everything = list(records(service.gallery, job.id))
        parts = [one for one in everything if "unknown" in one.result]
        if any(one.result.get("groups_of") == len(parts) for one in everything):
            return _result(everything, parts)
        threshold = options.cosine(scale_of(service, job))
        if options.photos is None:
            alike = unknown_persons.gather(service, job, parts)
        else:
            alike = unknown_faces.gather(service, job, parts, threshold)
        found = [
            [alike.members[at] for at in group[start : start + MOST_MEMBERS]]
            for group in clusters(alike.rows, alike.pairs, alike.cosines, threshold)
            if len(group) >= options.smallest
            for start in range(0, len(group), MOST_MEMBERS)
        ]
        name = f"group {job.id} {len(parts)}"
        items = [NewItem(f"{name}.{n}", {"n": n, "members": group}) for n, group in enumerate(found, 1)]
        service.gallery.jobs.listed(claim, [*items, NewItem(name, {"members": [], "groups_of": len(parts)})])
        return None


CLUSTER = Cluster()


def _members(service: Service, job: Job, item: Item, options: ClusterOptions) -> Sequence[Any]:
    named: Sequence[Any] = item.payload["members"]
    return named if options.photos is None else unknown_faces.members(service, job, named)


def _write(writing: Writing, job: Job, item: Item, options: ClusterOptions, group: Sequence[Any]) -> Outcome:
    if "groups_of" in item.payload:
        return done(item, {"groups_of": item.payload["groups_of"]})
    result: Values = {}
    if options.merge:
        result = unknown_persons.merge(writing, job, group)
    elif options.enroll:
        result = unknown_faces.enroll(writing, job, options.prefix, group)
    return done(item, {"members": len(group), **result})


def _told(item: Item, options: ClusterOptions, group: Sequence[Any]) -> list[Values]:
    """A group as findings, all under its number."""
    name = unknown_persons.told if options.photos is None else unknown_faces.told
    return [
        {"cluster": item.payload["n"], **name(group[start : start + TOLD_AT_ONCE]), "known": None}
        for start in range(0, len(group), TOLD_AT_ONCE)
    ]


def _result(everything: Sequence[ItemRecord], parts: Sequence[ItemRecord]) -> Values:
    groups = [one.result for one in everything if "members" in one.result]
    return {
        "looked_at": sum(part.result["looked_at"] for part in parts),
        "known": sum(part.result["known"] for part in parts),
        "groups": len(groups),
        "grouped": sum(group["members"] for group in groups),
        "merged": sum(group.get("merged", 0) for group in groups),
        "enrolled": sum(group.get("enrolled", 0) for group in groups),
    }
