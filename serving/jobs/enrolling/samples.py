"""Writes the samples of a claim into the gallery, each photo once a person, and says what became of each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.errors import InvalidRecord
from index.job_records import Item, ItemState, Outcome
from index.record_rules import check_person
from index.records import NewFace, NewPerson
from index.writing import Settlement, Writing


@dataclass(frozen=True)
class Sample:
    """A face fit to be enrolled. face: with its source."""

    item: Item
    person: NewPerson
    face: NewFace

    @property
    def origin(self) -> tuple[str, str]:
        """By what it is known whether it was enrolled before."""
        assert self.face.source is not None
        return self.person.id, self.face.source


@dataclass(frozen=True)
class Ready:
    """What is to be written of a claim: faces, and items of which no face comes."""

    samples: Sequence[Sample]
    outcomes: Sequence[Outcome]


def write(writing: Writing, collection: str, ready: Ready, *, contract_id: str) -> Settlement:
    """One transaction's part: new faces, persons made where they are missing, an outcome for every item."""
    known = dict(writing.known_sources(collection, [sample.origin for sample in ready.samples]))
    new: dict[tuple[str, str], Sample] = {}
    for sample in ready.samples:
        if sample.origin not in known:
            new.setdefault(sample.origin, sample)
    if new:
        faces = [(sample.person.id, sample.face) for sample in new.values()]
        names = {sample.person.id: sample.person.name for sample in new.values() if sample.person.name}
        written = writing.add_faces(collection, faces, contract_id=contract_id, names=names)
        known.update((origin, face.id) for origin, face in zip(new, written.faces, strict=True))
    made = [
        enrolled(
            sample.item, sample.person.id, known[sample.origin], already=new.get(sample.origin) is not sample
        )
        for sample in ready.samples
    ]
    return Settlement([*ready.outcomes, *made])


def person_of(item: Item) -> NewPerson:
    """Whom an item shows, as its source says. Raises InvalidRecord."""
    person = NewPerson(str(item.payload.get("person") or ""), str(item.payload.get("name") or ""))
    check_person(person)
    return person


def enrolled(item: Item, person: str, face: str, *, already: bool) -> Outcome:
    """The item is done. already: another item, or an earlier job, brought its photo."""
    result = {"person": person, "face": face}
    return Outcome(item.key, ItemState.DONE, result={**result, "already": True} if already else result)


def invalid(item: Item, error: Exception | str) -> Outcome:
    """What the source says of the item is wrong."""
    line = item.payload.get("line")
    message = str(error) if line is None else f"line {line}: {error}"
    return Outcome(
        item.key, ItemState.REJECTED, ("invalid_row",), message, {} if line is None else {"line": line}
    )


def failed(item: Item, reason: str, message: str) -> Outcome:
    """There was trouble around the item; it can be tried again."""
    return Outcome(item.key, ItemState.FAILED, (reason,), message)


def rejection_of(item: Item) -> Outcome | None:
    """The outcome of an item that was listed only to say what is wrong with it, or of which nobody knows the person."""
    if item.payload.get("invalid"):
        return invalid(item, str(item.payload["invalid"]))
    try:
        person_of(item)
    except InvalidRecord as error:
        return invalid(item, error)
    return None
