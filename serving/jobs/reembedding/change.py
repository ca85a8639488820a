"""What `reembed` and `rollback` have in common: a form of a collection is brought in step, then made the live one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from index.errors import UnknownCollection
from index.job_records import Claim, Item, ItemState, Job, NewItem, Outcome, Values
from index.records import Collection, Lacking, NewFace, Role
from index.writing import Settlement, Writing
from serving.jobs.kind import JobFailure, Options, Write
from serving.jobs.parts import collection_of, done, findings_of, some_at_a_time, span_of
from serving.jobs.reembedding.embedding import Embedding, Made
from serving.jobs.sources.source import LocalPath
from serving.service import Service

SPAN = 32
"""Persons of an item."""
IN_HAND = 16
"""Faces that may be embedded while writers wait, so that an exchange comes to an end under steady writes."""
ROUNDS = 8
"""Comparisons of one `finish`, while no more than IN_HAND persons change between one and the next."""
FORM = "form"
LOST = "no_crop_no_original"


class ChangeOptions(Options):
    """What both kinds can be asked."""

    originals: LocalPath | None = Field(
        default=None, description="Folder of the photos that jobs enrolled, for faces without a kept crop."
    )
    drop_missing: bool = Field(
        default=False, description="Switches although some faces have neither crop nor photo: without them."
    )


@dataclass(frozen=True)
class Change:
    """From which contract to which; they are those of the job's beginning, whatever is served or live later."""

    collection: str
    old: str
    new: str


class ChangeOfForm(ABC):
    """See docs/jobs.md. The first item says between which contracts; each other one is some persons."""

    name: str
    role: Role
    batch = 2
    needs_collection = True
    local = frozenset({"originals"})

    @abstractmethod
    def target(self, service: Service, found: Collection, job: Job) -> str | None:
        """The contract that the collection is to get; None where nothing here says which."""

    @abstractmethod
    def items(self, service: Service, job: Job, change: Change) -> Iterator[Sequence[NewItem]]:
        """Begins the form where it is not there. Raises JobFailure, FormConflict."""

    def switches(self, job: Job) -> bool:
        """Whether the forms are exchanged at the end."""
        return True

    @abstractmethod
    def make_room(self, service: Service, claim: Claim, change: Change) -> None:
        """Before the exchange: removes what would be in its way, where that was asked for."""

    def suits(self, service: Service, job: Job) -> bool:
        """This process serves both contracts. A job that can never be done is taken up, so that somebody is told."""
        try:
            found = service.gallery.collection(collection_of(job))
            change = _change_of(service, job)
        except UnknownCollection:
            return True
        wanted = self.target(service, found, job) if change is None else change.new
        if wanted is None:
            return change is None and self.role is Role.PREVIOUS
        return service.served(found.contract_id) is not None and service.served(wanted) is not None

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        found = service.gallery.collection(collection_of(job))
        target = _change_of(service, job)
        new = self.target(service, found, job) if target is None else target.new
        if new is None:
            raise JobFailure(
                f"collection {found.id!r} has no {self.role} form; there is nothing to go back to"
            )
        change = Change(found.id, found.contract_id, new) if target is None else target
        yield [NewItem(FORM, {"from": change.old, "to": change.new})]
        yield from self.items(service, job, change)

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        collection = collection_of(claim.job)
        found = service.gallery.collection(collection)
        first = [done(item, dict(item.payload)) for item in claim.items if item.item == FORM]
        parts = [item for item in claim.items if item.item != FORM]
        if not parts or found.contract_id == parts[0].payload["to"]:
            # Another job has come to this job's end before it.
            outcomes = [*first, *(done(item, {}) for item in parts)]
            return lambda _: Settlement(outcomes)
        contract = str(parts[0].payload["to"])
        embedding = self._embedding(service, claim.job, found, contract)
        lacks = [self._lacks(service, collection, contract, item) for item in parts]
        made = embedding.of([one for some in lacks for one in some])
        settled = [_settled(item, some, made) for item, some in zip(parts, lacks, strict=True)]

        def write(writing: Writing) -> Settlement:
            writing.bring_many(collection, self.role, made.new, contract)
            findings = [finding for _, some in settled for finding in some]
            return Settlement([*first, *(outcome for outcome, _ in settled)], findings)

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish. Compares all, brings what changed meanwhile by further items, and exchanges when little is
        left.
        """
        job = claim.job
        options = ChangeOptions.model_validate(
            {name: job.options[name] for name in ChangeOptions.model_fields}
        )
        change = _change_of(service, job)
        if change is None:
            raise JobFailure("its first part failed; resume the job to try it again")
        lost = _lost(service, job)
        found = service.gallery.collection(change.collection)
        embedding = self._embedding(service, job, found, change.new)
        for round in range(ROUNDS):
            if service.gallery.collection(change.collection).contract_id == change.new:
                return self._result(service, job, change, switched=True, missing=len(lost))
            revision, differing = service.gallery.forms.differing(change.collection, self.role, change.new)
            missing = sum((person, face) in lost for person, faces in differing.items() for face in faces)
            todo = [person for person, faces in differing.items() if _to_do(person, faces, lost)]
            lacks = self._few(service, change, todo)
            made = None if lacks is None else embedding.of(lacks)
            if lacks is None or made is None or _newly_lost(made, lost):
                _again(service, claim, change, revision, todo)
                return None
            if (missing and not options.drop_missing) or not self.switches(job):
                if not differing:
                    service.gallery.forms.in_step(change.collection, self.role, revision)
                return self._result(service, job, change, switched=False, missing=missing)
            if round == 0:
                self.make_room(service, claim, change)
                service.gallery.warm(change.collection, self.role)
            if self._exchange(service, claim, change, (revision, todo), embedding, options):
                return self._result(service, job, change, switched=True, missing=missing)
        return None

    def _few(self, service: Service, change: Change, todo: Sequence[str]) -> list[Lacking] | None:
        """What is lacked by few enough persons to be done by whoever finishes; None where they are many."""
        if len(todo) > IN_HAND:
            return None
        lacks = service.gallery.forms.lacking(change.collection, self.role, todo, change.new)
        return lacks if sum(len(one.faces) for one in lacks) <= IN_HAND else None

    def _exchange(
        self,
        service: Service,
        claim: Claim,
        change: Change,
        compared: tuple[int, Sequence[str]],
        embedding: Embedding,
        options: ChangeOptions,
    ) -> bool:
        def embed(lacks: Sequence[Lacking]) -> dict[str, list[NewFace]]:
            return embedding.at_once(lacks).new

        return service.gallery.forms.exchange_for(
            claim,
            change.collection,
            self.role,
            change.new,
            compared,
            embed,
            at_most=IN_HAND,
            drop_missing=options.drop_missing,
        )

    def _embedding(self, service: Service, job: Job, found: Collection, contract: str) -> Embedding:
        served = service.served(contract)
        if served is None:
            raise JobFailure(f"no pack of contract {contract} is served here any more")
        return Embedding(service, served, job.options.get("originals"), found.keep_crops)

    def _lacks(self, service: Service, collection: str, contract: str, item: Item) -> list[Lacking]:
        persons = item.payload.get("persons")
        if persons is None:
            with service.gallery.reading() as reading:
                persons = reading.named(collection, span_of(item))
        found = service.gallery.forms.lacking(collection, self.role, persons, contract)
        return [one for one in found if one.changed]

    def _result(
        self, service: Service, job: Job, change: Change, *, switched: bool, missing: int
    ) -> dict[str, Any]:
        form: Any = service.gallery.collection(change.collection)
        if form.contract_id != change.new:
            siblings = service.gallery.forms.siblings(change.collection)
            (form,) = [one for one in siblings if one.role is self.role and one.contract_id == change.new]
        begun = job.started_at or job.created_at
        return {
            "switched": switched,
            "from": change.old,
            "to": change.new,
            "persons": form.persons,
            "faces": form.faces,
            "missing": missing,
            "seconds": round((datetime.now(UTC) - begun).total_seconds(), 3),
        }


def _change_of(service: Service, job: Job) -> Change | None:
    """As the job's first item says once it is done; before that, None."""
    for record in service.gallery.jobs.items(job.id, limit=1):
        if {"from", "to"} <= record.result.keys():
            return Change(collection_of(job), str(record.result["from"]), str(record.result["to"]))
    return None


def _settled(item: Item, lacks: Sequence[Lacking], made: Made) -> tuple[Outcome, list[Values]]:
    """What becomes of an item, and a finding for each person with faces that could not be embedded."""
    mine = [one.person_id for one in lacks]
    lost = {person: made.lost[person] for person in mine if person in made.lost}
    result = {"persons": len(mine), "faces": sum(len(made.new[person]) for person in mine)}
    if not lost:
        return done(item, result), []
    count = sum(map(len, lost.values()))
    message = (
        f"{count} faces of {len(lost)} persons have neither a kept crop nor the photo they were enrolled from"
    )
    findings: list[Values] = [
        {"person": person, "faces": sorted(faces), "reasons": sorted(set(faces.values()))}
        for person, faces in lost.items()
    ]
    return Outcome(item.key, ItemState.REJECTED, (LOST,), message, {**result, "lost": count}), findings


def _lost(service: Service, job: Job) -> set[tuple[str, str]]:
    """(person, face) of everything that the job found it cannot embed."""
    return {(one["person"], face) for one in findings_of(service.gallery, job.id) for face in one["faces"]}


def _to_do(person: str, faces: Sequence[str], lost: set[tuple[str, str]]) -> bool:
    """Whether anything can be done about a person who differs."""
    return not faces or any((person, face) not in lost for face in faces)


def _newly_lost(made: Made, lost: set[tuple[str, str]]) -> bool:
    return any((person, face) not in lost for person, faces in made.lost.items() for face in faces)


def _again(service: Service, claim: Claim, change: Change, revision: int, todo: Sequence[str]) -> None:
    """Lists those who changed meanwhile as further items. Raises JobFailure where that was done to no end."""
    if claim.job.failed:
        raise JobFailure(f"{claim.job.failed} parts failed; resume the job to try them again")
    parts = [todo[start : start + SPAN] for start in range(0, len(todo), SPAN)]
    items = (
        NewItem(f"again:{revision}:{at}", {"from": change.old, "to": change.new, "persons": list(part)})
        for at, part in enumerate(parts)
    )
    for some in some_at_a_time(items):
        service.gallery.jobs.listed(claim, some)
