"""Several changes of the gallery in one transaction, for what must be written together with what a job records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from index.carried import CarriedPerson, Purged, Restored, Span
from index.job_records import Claim, Outcome, Values
from index.records import Collection, NewCollection, NewFace, Person, Precision, Role, Written
from index.store import carried, collections, faces, forms, job_items, log, persons, purge


@dataclass(frozen=True)
class Settlement:
    """What becomes of claimed items, and what was found on the way."""

    outcomes: Sequence[Outcome]
    findings: Sequence[Values] = ()


class Writing:
    """The changes of one transaction. It ends with the call that handed it out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known_sources(
        self, collection: str, sources: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Face id of each (person id, source) that is enrolled already. Raises UnknownCollection."""
        return faces.known_sources(self._connection, collection, sources)

    def add_faces(
        self,
        collection: str,
        items: Sequence[tuple[str, NewFace]],
        *,
        contract_id: str,
        names: Mapping[str, str] | None = None,
    ) -> Written:
        """Faces of many persons, who are made where they are missing, by `names` where it has their ids.

        Errors as `Gallery.add_faces`.
        """
        return faces.add_many(self._connection, collection, items, contract_id, names)

    def remove_person(self, collection: str, person: str) -> None:
        """With every face and crop. Raises UnknownPerson."""
        persons.remove(self._connection, collection, person)

    def remove_face(self, collection: str, person: str, face: str) -> None:
        """The person's template is made anew. Raises UnknownFace."""
        faces.remove(self._connection, collection, person, face)

    def bring(
        self,
        collection: str,
        role: Role,
        person: str,
        new: Sequence[NewFace],
        contract_id: str | None = None,
    ) -> None:
        """Makes a person of another form what the live one is now; `new` are templates of faces it lacks, by their ids.

        contract_id: of that form, which must have it. Raises UnknownForm.
        """
        forms.bring(self._connection, collection, role, person, new, contract_id)

    def require(self, claim: Claim) -> None:
        """Raises LeaseLost where the items of a claim are no longer held, before anything is done for them."""
        job_items.require(self._connection, claim, [item.key for item in claim.items])

    def make_collection(self, new: NewCollection) -> Collection:
        """The collection of that id, made where it is missing. Raises InvalidRecord."""
        if collections.find(self._connection, new.id) is None:
            return collections.create(self._connection, new)
        return collections.get(self._connection, new.id)

    def known_persons(self, collection: str, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are persons of the collection."""
        return set(persons.keys_of(self._connection, collections.row(self._connection, collection), ids))

    def restore(
        self, collection: str, new: Sequence[CarriedPerson], *, contract_id: str, precision: Precision
    ) -> Restored:
        """Persons with their faces as they were stored elsewhere: all of them, or nothing and an error, after which the
        transaction can go on. Errors as index.store.carried.restore.
        """
        with self._connection.begin_nested():
            return carried.restore(self._connection, collection, new, contract_id, precision)

    def merge_persons(self, collection: str, into: str, sources: Sequence[str]) -> Person:
        """`into` gets every face of `sources`, at least one, who are gone. Raises UnknownPerson."""
        return faces.merge(self._connection, collection, into, sources)

    def purge_faces(self, collection: str, span: Span, before: int, *, remove_empty: bool) -> Purged:
        """Removes faces made before a time (microseconds), and the persons whose last face that was."""
        return purge.old_faces(
            self._connection, collection, span, before, remove_empty=remove_empty, dry_run=False
        )

    def purge_persons(self, collection: str, span: Span, before: int) -> Purged:
        """Removes persons who were not changed since before a time (microseconds), with every face."""
        return purge.old_persons(self._connection, collection, span, before, dry_run=False)

    def rebuild_index(self, collection: str) -> None:
        """Whoever follows the store makes the collection's index anew from it. Raises UnknownCollection."""
        key = collections.row(self._connection, collection).key
        log.advance(self._connection, key, log.Kind.REBUILD)
