"""Several changes of the gallery in one transaction, for what must be written together with what a job records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from index.audit_records import Action, Note
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
    """The changes of one transaction. It ends with the call that handed it out.

    notes: what was done by it so far, for the audit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.notes: list[Note] = []

    def exported(self, collection: str, faces: int) -> None:
        """Says that a file with so many faces of a collection was made; changes nothing."""
        self.notes.append(Note(Action.EXPORT, collection, faces=faces))

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
        written = faces.add_many(self._connection, collection, items, contract_id, names)
        self.notes.extend(enrolled(collection, written))
        return written

    def remove_person(self, collection: str, person: str) -> None:
        """With every face and crop. Raises UnknownPerson."""
        gone = persons.remove(self._connection, collection, person)
        self.notes.append(Note(Action.DELETE_PERSON, collection, person, faces=gone))

    def remove_face(self, collection: str, person: str, face: str) -> None:
        """The person's template is made anew. Raises UnknownFace."""
        faces.remove(self._connection, collection, person, face)
        self.notes.append(Note(Action.DELETE_FACE, collection, person, about=face, faces=1))

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
        self.notes.append(Note(Action.REEMBED, collection, person, about=str(role), faces=len(new)))

    def bring_many(
        self, collection: str, role: Role, new: Mapping[str, Sequence[NewFace]], contract_id: str
    ) -> None:
        """As bring, of many persons by their ids. Raises UnknownForm."""
        forms.bring_many(self._connection, collection, role, new, contract_id)
        self.notes.extend(
            Note(Action.REEMBED, collection, person, about=str(role), faces=len(its_faces))
            for person, its_faces in new.items()
        )

    def require(self, claim: Claim) -> None:
        """Raises LeaseLost where the items of a claim are no longer held, before anything is done for them."""
        job_items.require(self._connection, claim, [item.key for item in claim.items])

    def make_collection(self, new: NewCollection) -> Collection:
        """The collection of that id, made where it is missing. Raises InvalidRecord."""
        if collections.find(self._connection, new.id) is None:
            self.notes.append(Note(Action.CREATE_COLLECTION, new.id))
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
            restored = carried.restore(self._connection, collection, new, contract_id, precision)
        self.notes.extend(Note(Action.IMPORT, collection, one.id, faces=len(one.faces)) for one in new)
        return restored

    def merge_persons(self, collection: str, into: str, sources: Sequence[str]) -> Person:
        """`into` gets every face of `sources`, at least one, who are gone. Raises UnknownPerson."""
        kept = faces.merge(self._connection, collection, into, sources)
        self.notes.extend(merged(collection, into, sources))
        return kept

    def purge_faces(self, collection: str, span: Span, before: int, *, remove_empty: bool) -> Purged:
        """Removes faces made before a time (microseconds), and the persons whose last face that was."""
        touched: dict[str, tuple[int, bool]] = {}
        gone = purge.old_faces(
            self._connection,
            collection,
            span,
            before,
            remove_empty=remove_empty,
            dry_run=False,
            touched=touched,
        )
        self.notes.extend(_purged(collection, touched))
        return gone

    def purge_persons(self, collection: str, span: Span, before: int) -> Purged:
        """Removes persons who were not changed since before a time (microseconds), with every face."""
        touched: dict[str, tuple[int, bool]] = {}
        gone = purge.old_persons(self._connection, collection, span, before, dry_run=False, touched=touched)
        self.notes.extend(_purged(collection, touched))
        return gone

    def rebuild_index(self, collection: str) -> None:
        """Whoever follows the store makes the collection's index anew from it. Raises UnknownCollection."""
        key = collections.row(self._connection, collection).key
        log.advance(self._connection, key, log.Kind.REBUILD)
        self.notes.append(Note(Action.REBUILD, collection))


def enrolled(collection: str, written: Written) -> list[Note]:
    """A note for each person who got faces."""
    counted = Counter(face.person_id for face in written.faces)
    return [Note(Action.ENROL, collection, person, faces=faces) for person, faces in counted.items()]


def merged(collection: str, into: str, sources: Sequence[str]) -> list[Note]:
    """Of who got the faces, and of each person who is gone."""
    gone = [Note(Action.DELETE_PERSON, collection, source, outcome="merged") for source in sources]
    return [Note(Action.MERGE, collection, into), *gone]


def _purged(collection: str, touched: Mapping[str, tuple[int, bool]]) -> list[Note]:
    return [
        Note(
            Action.DELETE_PERSON if whole else Action.DELETE_FACE,
            collection,
            person,
            outcome="purged",
            faces=faces,
        )
        for person, (faces, whole) in touched.items()
    ]
