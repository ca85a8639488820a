"""Samples one by one, whosever they are: found by id, searched, given from one person to another. Holds no SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from index.audit_records import Action, Note, Noted
from index.engine.base import VectorEngine
from index.errors import EngineBehind, InvalidRecord
from index.follower import Follower
from index.records import Collection, FaceRecord, Fusion, NewFace, NewPerson, Person, Receipt
from index.store import collections, faces, log, persons, samples
from index.store.base import TemplateStore
from index.template import Float32, unit_rows

T = TypeVar("T")


@dataclass(frozen=True)
class SampleHit:
    """A sample found. cosine: exact, of the stored row, -1..1."""

    face: FaceRecord
    cosine: float


class SampleReading:
    """Questions to one moment of the store; each raises UnknownCollection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def collection(self, id: str) -> Collection:
        """As it is at this moment."""
        return collections.get(self._connection, id)

    def find(self, collection: str, ids: Sequence[str]) -> dict[str, FaceRecord]:
        """Each sample that is in the collection among the face ids `ids`."""
        return samples.find(self._connection, collection, ids)

    def page(self, collection: str, after: str | None, limit: int) -> list[FaceRecord]:
        """Samples of everybody by face id, beyond `after`."""
        return samples.page(self._connection, collection, after, limit)

    def of_person(self, collection: str, person_id: str, after: str | None, limit: int) -> list[FaceRecord]:
        """Samples of one person by face id, beyond `after`. Raises UnknownPerson."""
        return faces.page(self._connection, collection, person_id, after, limit)

    def template(self, collection: str, face_id: str) -> Float32 | None:
        """(D,) float32 of stored precision, None where there is no such sample."""
        return samples.template(self._connection, collection, face_id)

    def templates(self, collection: str, person_id: str) -> Float32:
        """(n, D) float32 of stored precision: every sample of a person. Raises UnknownPerson."""
        return samples.person_samples(self._connection, collection, person_id)

    def person_template(self, collection: str, person_id: str) -> Float32 | None:
        """(D,) float32, the mean of a person's samples, None without any. Raises UnknownPerson."""
        return samples.person_template(self._connection, collection, person_id)

    def person(self, collection: str, id: str) -> Person:
        """Raises UnknownPerson."""
        return persons.get(self._connection, collection, id)

    def named(self, collection: str, after: str | None, limit: int) -> list[Person]:
        """Persons by id, beyond `after`, without those who stand for a face of nobody."""
        return samples.named(self._connection, collection, after, limit)

    def count_named(self, collection: str) -> int:
        """How many persons there are without those who stand for a face of nobody."""
        return samples.count_named(self._connection, collection)


class SampleWriting(SampleReading):
    """Changes of one transaction, which sees what it changed. It ends with the call that handed it out.

    notes: what was done by it so far, for the audit.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.notes: list[Note] = []

    def add_unnamed(self, collection: str, new: Sequence[NewFace], *, contract_id: str) -> list[FaceRecord]:
        """Faces of nobody, each with an id; one whose id is there already stays as it is. As Gallery.add_faces."""
        added = samples.add_unnamed(self._connection, collection, new, contract_id)
        self.notes.extend(
            Note(Action.ENROL, collection, face.person_id, about=face.id, faces=1) for face in added
        )
        return added

    def move(self, collection: str, owners: Mapping[str, str]) -> None:
        """Gives samples to persons (face id -> person id): one who is there, or who stands for a face of nobody.

        Raises UnknownPerson; ids of no sample are left out.
        """
        samples.move(self._connection, collection, owners)
        self.notes.extend(
            Note(Action.MOVE_FACE, collection, person, about=face, faces=1) for face, person in owners.items()
        )

    def remove_unnamed(self, collection: str, face_ids: Sequence[str]) -> None:
        """Faces of nobody; faces that are somebody's are left."""
        samples.remove_unnamed(self._connection, collection, face_ids)
        self.notes.extend(Note(Action.DELETE_FACE, collection, about=face, faces=1) for face in face_ids)

    def create_person(self, collection: str, new: NewPerson) -> Person:
        """A person without faces. Raises PersonExists, InvalidRecord."""
        made = persons.create(self._connection, collection, new)
        self.notes.append(Note(Action.CREATE_PERSON, collection, new.id))
        return made

    def remove_person(self, collection: str, id: str) -> None:
        """With every face and crop. Raises UnknownPerson."""
        gone = persons.remove(self._connection, collection, id)
        self.notes.append(Note(Action.DELETE_PERSON, collection, id, faces=gone))


class _Write(Protocol):
    def __call__(self, receipt: Receipt | None, change: Callable[[Connection], T], noted: Noted) -> T: ...


class Samples:
    """The samples of a gallery, whose own writes go through `write`."""

    def __init__(self, store: TemplateStore, engine: VectorEngine, follower: Follower, write: _Write) -> None:
        self._store = store
        self._engine = engine
        self._follower = follower
        self._write = write

    @contextmanager
    def reading(self) -> Iterator[SampleReading]:
        """One moment of the store for the whole block."""
        with self._store.read() as connection:
            yield SampleReading(connection)

    def change(self, work: Callable[[SampleWriting], T], receipt: Receipt | None = None) -> T:
        """What `work` does, in one transaction: all of it or, where it raises, nothing. As every write of Gallery."""
        notes: list[Note] = []

        def change(connection: Connection) -> T:
            writing = SampleWriting(connection)
            worked = work(writing)
            notes.extend(writing.notes)
            return worked

        return self._write(receipt, change, lambda _: notes)

    def search(
        self,
        collection: str,
        probe: NDArray[Any],
        *,
        contract_id: str,
        limit: int,
        threshold: float = -1.0,
        without: str | None = None,
    ) -> list[SampleHit]:
        """At most `limit` samples with a cosine >= threshold with the probe (D,), best first; [] = unknown.

        without: a face id that is not wanted. The engine finds persons by their best samples; all samples of those, and
        of everybody who changed meanwhile, are then compared at one moment of the store. Raises UnknownCollection,
        ContractMismatch, InvalidTemplate, EngineBehind, and InvalidRecord where means are searched, not samples.
        """
        if limit < 1:
            raise InvalidRecord(f"limit is {limit}, it must be at least 1")
        wanted = limit if without is None else limit + 1
        while True:
            with self._store.read() as connection:
                found = collections.row_for(connection, collection, contract_id)
                revision = log.revision(connection)
            if Fusion(found.fusion) is not Fusion.SAMPLES:
                raise InvalidRecord(
                    f"collection {collection!r} is searched by one mean template a person (fusion=mean); "
                    "single faces are found only in a collection made with fusion=samples"
                )
            unit = unit_rows(np.asarray(probe)[None], found.dimension)
            self._follower.catch_up(revision)
            try:
                hits = self._engine.search(found.key, unit, wanted, threshold).hits[0]
            except KeyError as error:
                if self._key(collection) != found.key:
                    continue
                raise EngineBehind(f"collection {collection!r} is being loaded again; ask again") from error
            people = set(hits.persons.tolist())
            with self._store.read() as connection:
                changed = set(log.touched_persons(connection, found.key, revision))
                near = samples.scored(connection, found, people | changed, unit[0], threshold)
            if len(people) == wanted and people & changed:
                # Whoever came next, when one of these no longer comes before, must not be missing.
                self._follower.follow()
                continue
            return [SampleHit(face, cosine) for face, cosine in near if face.id != without][:limit]

    def _key(self, collection: str) -> int:
        """Raises UnknownCollection."""
        with self._store.read() as connection:
            return int(collections.row(connection, collection).key)
