"""The gallery: the one object callers hold. Writes go to store, then engine; searches to the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy.typing import NDArray
from sqlalchemy import Connection

from index.audit_records import Action, Note, Noted, Notes
from index.engine.base import VectorEngine
from index.engines import open_engine
from index.errors import (
    EngineBehind,
    EngineUnavailable,
    ReplayedReceipt,
    StoreUnavailable,
)
from index.follower import Follower
from index.forgetting import Forgetting
from index.forms import Forms
from index.identification import Identification
from index.job_records import Claim
from index.jobs import Jobs
from index.reading import Reading
from index.records import (
    Candidate,
    Collection,
    CollectionStats,
    FaceRecord,
    Metadata,
    NewCollection,
    NewFace,
    NewPerson,
    Person,
    Readiness,
    Receipt,
    Role,
    Search,
    StoredReceipt,
    Written,
)
from index.registers import open_store, registers_of
from index.samples import Samples
from index.settings import GallerySettings
from index.store import collections, faces, job_items, lacking, persons, receipts
from index.store.base import TemplateStore
from index.upkeep import Upkeep
from index.writing import Settlement, Writing, enrolled, merged

__all__ = ["Gallery", "GallerySettings", "ReplayedReceipt"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Gallery:
    """Collections of persons with faces, durable and searchable. Safe for any number of threads and
    processes.

    Every write is one transaction of the store, on the disk before it returns, and is seen by every search
    that starts afterwards, here or in another process on the same store. With a receipt, a write that was
    done before raises ReplayedReceipt (same request) or IdempotencyConflict (another one) and writes nothing.
    Errors are those of `index.errors`; EngineBehind with `write_committed` says the write is durable and will
    be searchable.
    """

    def __init__(self, settings: GallerySettings, store: TemplateStore, engine: VectorEngine) -> None:
        """Use `open`, unless in a test."""
        self._settings = settings
        self._store = store
        self._engine = engine
        registers = registers_of(store, settings)
        self.audit, self.keys = registers.audit, registers.keys
        self.jobs = Jobs(store, self.audit)
        self.forms = Forms(store, lambda change, noted: self._write(None, change, noted))
        self._follower = Follower(store, engine)
        self.samples = Samples(store, engine, self._follower, self._write)
        self._forgetting = Forgetting(store, self._follower, engine, self._keys, settings.receipt_days)
        self._upkeep = Upkeep(
            self._follower,
            engine,
            self._keys,
            settings.snapshot_every,
            forget=self._forgetting.now,
            forget_seconds=settings.forget_seconds,
        )
        self._identification = Identification(store, engine, self._follower, settings.search_threads)

    @classmethod
    def open(cls, settings: GallerySettings) -> Gallery:
        """Migrates the store, loads snapshots, replays the change log, rebuilds what is damaged.

        Raises StoreUnavailable, and EngineUnavailable rather than fall back to another engine.
        """
        settings.path.mkdir(parents=True, exist_ok=True)
        store = open_store(settings)
        try:
            engine = open_engine(settings, store)
        except BaseException:
            store.close()
            raise
        gallery = cls(settings, store, engine)
        try:
            gallery._start()
        except BaseException:
            store.close()
            engine.close()
            raise
        return gallery

    def _start(self) -> None:
        self._forgetting.start()
        self._follower.start()
        if self._settings.background:
            self._upkeep.start()
            self._store.listen(self._upkeep.wake)

    def close(self) -> None:
        """Stops the background thread, writes snapshots of what changed, gives everything back."""
        self._upkeep.stop()
        try:
            self._upkeep.round(snapshot_after=1)
            self._forgetting.now()
        except (StoreUnavailable, EngineUnavailable) as error:
            logger.warning("closed without snapshots, the next start takes longer: %s", error)
        finally:
            self._identification.close()
            self._engine.close()
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Collections

    def create_collection(self, new: NewCollection, receipt: Receipt | None = None) -> Collection:
        """Raises CollectionExists, InvalidRecord."""
        note = Note(Action.CREATE_COLLECTION, new.id)
        return self._write(receipt, lambda c: collections.create(c, new), _always(note))

    def collection(self, id: str) -> Collection:
        """Raises UnknownCollection."""
        return self._read(lambda c: collections.get(c, id))

    def collections(self, after: str | None = None, limit: int = 100) -> list[Collection]:
        """Collections by id, beyond `after`."""
        return self._read(lambda c: collections.page(c, after, limit))

    def update_collection(
        self,
        id: str,
        *,
        metadata: Metadata | None = None,
        search: Search | None = None,
        keep_crops: bool | None = None,
        receipt: Receipt | None = None,
    ) -> Collection:
        """What is None stays. Crops kept before stay when `keep_crops` is turned off."""
        return self._write(
            receipt,
            lambda c: collections.change(c, id, metadata=metadata, search=search, keep_crops=keep_crops),
            _always(Note(Action.CHANGE_COLLECTION, id)),
        )

    def delete_collection(self, id: str, force: bool = False, receipt: Receipt | None = None) -> None:
        """Raises CollectionNotEmpty unless forced. Rows, crops, index and snapshot go."""

        def change(connection: Connection) -> int:
            held = collections.row(connection, id).faces
            collections.remove(connection, id, force)
            return int(held)

        self._write(receipt, change, lambda held: [Note(Action.DELETE_COLLECTION, id, faces=held)])

    # Persons

    def create_person(self, collection: str, new: NewPerson, receipt: Receipt | None = None) -> Person:
        """A person without faces. Raises PersonExists, InvalidRecord."""
        note = Note(Action.CREATE_PERSON, collection, new.id)
        return self._write(receipt, lambda c: persons.create(c, collection, new), _always(note))

    def person(self, collection: str, id: str) -> Person:
        """Raises UnknownPerson."""
        return self._read(lambda c: persons.get(c, collection, id))

    def persons(self, collection: str, after: str | None = None, limit: int = 100) -> list[Person]:
        """Persons by id, beyond `after`."""
        return self._read(lambda c: persons.page(c, collection, after, limit))

    def update_person(
        self,
        collection: str,
        id: str,
        *,
        name: str | None = None,
        metadata: Metadata | None = None,
        receipt: Receipt | None = None,
    ) -> Person:
        """What is None stays."""
        return self._write(
            receipt,
            lambda c: persons.change(c, collection, id, name=name, metadata=metadata),
            _always(Note(Action.CHANGE_PERSON, collection, id)),
        )

    def delete_person(self, collection: str, id: str, receipt: Receipt | None = None) -> None:
        """With every face and crop."""
        self._write(
            receipt,
            lambda c: persons.remove(c, collection, id),
            lambda gone: [Note(Action.DELETE_PERSON, collection, id, faces=gone)],
        )

    def merge_persons(
        self, collection: str, into: str, source: str, receipt: Receipt | None = None
    ) -> Person:
        """`into` gets every face of `source`, keeps its own name and metadata; `source` is gone."""
        notes = merged(collection, into, [source])
        return self._write(receipt, lambda c: faces.merge(c, collection, into, [source]), lambda _: notes)

    # Faces

    def add_faces(
        self,
        collection: str,
        person_id: str,
        new: Sequence[NewFace],
        *,
        contract_id: str,
        create_person: NewPerson | None = None,
        exist_ok: bool = False,
        receipt: Receipt | None = None,
    ) -> Written:
        """All faces or none; with `create_person`, person and faces together.

        Raises ContractMismatch, InvalidTemplate, UnknownPerson, and PersonExists where `create_person` is
        there already and not `exist_ok`.
        """
        return self._write(
            receipt,
            lambda c: faces.add(c, collection, person_id, new, contract_id, create_person, exist_ok),
            lambda written: enrolled(collection, written),
        )

    def enroll_templates(
        self,
        collection: str,
        items: Iterable[tuple[str, NewFace]],
        *,
        contract_id: str,
        batch: int = 1000,
    ) -> Iterator[Written]:
        """Many faces, persons made as needed; what has been yielded is durable and searchable.

        A batch is one transaction: its faces are there together or not at all. Raises as `add_faces`.
        """
        source = iter(items)
        while part := list(islice(source, batch)):
            yield self._write(
                None,
                partial(faces.add_many, collection=collection, items=part, contract_id=contract_id),
                partial(enrolled, collection),
            )

    def faces(
        self, collection: str, person_id: str, after: str | None = None, limit: int = 100
    ) -> list[FaceRecord]:
        """Faces in order of enrolment, beyond the face id `after`."""
        return self._read(lambda c: faces.page(c, collection, person_id, after, limit))

    def face_crop(self, collection: str, person_id: str, face_id: str) -> bytes | None:
        """The aligned crop, None where none was kept."""
        return self._read(lambda c: faces.crop(c, collection, person_id, face_id))

    def delete_face(
        self, collection: str, person_id: str, face_id: str, receipt: Receipt | None = None
    ) -> None:
        """The person's template is made anew; without a face left the person stays and is not found."""
        note = Note(Action.DELETE_FACE, collection, person_id, about=face_id, faces=1)
        self._write(receipt, lambda c: faces.remove(c, collection, person_id, face_id), _always(note))

    def known_sources(
        self, collection: str, sources: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Face id of each (person id, source) that is enrolled. Raises UnknownCollection."""
        return self._read(lambda c: faces.known_sources(c, collection, sources))

    # Search

    def identify(
        self,
        collection: str,
        probes: NDArray[Any],
        *,
        contract_id: str,
        limit: int = 1,
        threshold: float = -1.0,
    ) -> list[list[Candidate]]:
        """For each probe of (n, D): at most `limit` persons with a cosine >= threshold, best first; [] =
        unknown.

        Raises UnknownCollection, ContractMismatch, InvalidTemplate, EngineBehind.
        """
        return self._identification.identify(collection, probes, contract_id, limit, threshold)

    def verify(self, collection: str, person_id: str, probe: NDArray[Any], *, contract_id: str) -> Candidate:
        """Exact cosine of a probe (D,) with the person's mean, or best sample where samples are searched.

        Raises UnknownPerson, ContractMismatch, InvalidTemplate, and UnknownFace where the person has no face.
        """
        return self._identification.verify(collection, person_id, probe, contract_id)

    # Jobs

    def settle(self, claim: Claim, work: Callable[[Writing], Settlement]) -> Settlement:
        """Writes what claimed items of a job lead to, and that they are settled, in one transaction.

        `work` changes the gallery by what it is handed, and says what became of the items. Raises LeaseLost, when
        another worker holds them or the job has ended, and whatever `work` raises; nothing is written then.
        """

        notes: list[Note] = []

        def change(connection: Connection) -> Settlement:
            writing = Writing(connection)
            settlement = work(writing)
            job_items.settle(connection, claim, settlement.outcomes, settlement.findings)
            notes.extend(writing.notes)
            return settlement

        settled = self._write(None, change, lambda _: notes)
        self.jobs.wake()
        return settled

    # Everything else

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """One moment of the store for the whole block. A long block holds up nobody but the store's own tidying."""
        with self._store.read() as connection:
            yield Reading(connection)

    def snapshot(self, collection: str) -> bool:
        """Writes a snapshot of what the store holds now; False where another process is writing one.

        Raises UnknownCollection, EngineBehind.
        """
        with self._store.read() as connection:
            key = collections.row(connection, collection).key
        self._follower.follow()
        return self._follower.snapshot(key)

    def warm(self, collection: str, role: Role) -> None:
        """Trains and compacts what is searched of a form, and writes its snapshot, before anybody searches it.

        Raises UnknownCollection, UnknownForm, EngineBehind.
        """
        with self._store.read() as connection:
            key = lacking.row(connection, collection, role).key
        self._follower.follow()
        self._engine.maintain(key)
        self._follower.snapshot(key)

    def receipt(self, scope: str, key: str) -> StoredReceipt | None:
        """What an idempotency key was used for, if it was."""
        return self._read(lambda c: receipts.find(c, scope, key))

    def readiness(self) -> list[Readiness]:
        """Whether searches see everything the store holds, by collection."""
        return self._follower.readiness()

    def stats(self) -> list[CollectionStats]:
        """How each collection is searched now."""
        rows = [row for row in self._read(collections.all_rows) if row.role == Role.LIVE]
        held = [row for row in rows if self._engine.revision(row.key) is not None]
        return [CollectionStats(row.id, **vars(self._engine.stats(row.key))) for row in held]

    def maintain(self, snapshot: bool = False) -> None:
        """What the background thread does, once and now: follow, train, compact; and snapshots when asked."""
        self._upkeep.round(snapshot_after=1 if snapshot else None)

    def forget(self) -> bool:
        """What the background thread does every `forget_seconds`, once and now: who was deleted is nowhere afterwards.

        False where somebody who reads the store is in the way of its journal, or another process of a snapshot.
        """
        return self._forgetting.now()

    def _keys(self) -> list[int]:
        return [row.key for row in self._read(collections.all_rows)]

    def _read(self, ask: Callable[[Connection], T]) -> T:
        with self._store.read() as connection:
            return ask(connection)

    def _write(self, receipt: Receipt | None, change: Callable[[Connection], T], noted: Noted) -> T:
        """noted: the lines of the audit by what was written; a write that changes something has one."""
        with self._store.write() as connection:
            if receipt is not None:
                receipts.claim(connection, receipt)
            written = change(connection)
            if receipt is not None:
                receipts.keep(connection, receipt, written)
            self.audit.append(connection, noted(written))
        try:
            self._follower.follow()
        except Exception as error:
            raise EngineBehind(
                f"the write is durable but not searchable yet: {error}", write_committed=True
            ) from error
        return written


def _always(note: Note) -> Noted:
    notes: Notes = [note]
    return lambda _: notes
