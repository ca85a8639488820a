"""Several questions to the store about one and the same moment, for work that goes through a whole collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from index.carried import CarriedPerson, Purged, Span
from index.records import Collection, Fusion
from index.store import carried, collections, log, persons, purge, searched, spans
from index.template import Float32, widened


@dataclass(frozen=True)
class PersonRows:
    """Rows (n, D) float32 of stored precision, and whose they are: keys (n,) int64, ids of those numbers."""

    keys: NDArray[np.int64]
    rows: Float32
    ids: dict[int, str]


class Reading:
    """One consistent state of the store. It ends with the block that handed it out; raises UnknownCollection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def collection(self, id: str) -> Collection:
        """As it is at this moment."""
        return collections.get(self._connection, id)

    def spans(self, collection: str, size: int) -> list[Span]:
        """The parts of a collection, of at most `size` persons each; see index.store.spans."""
        return spans.spans(self._connection, collections.row(self._connection, collection), size)

    def named(self, collection: str, span: Span) -> list[str]:
        """Ids of the persons of a span, by number."""
        found = collections.row(self._connection, collection)
        return list(spans.named(self._connection, found, span, "").values())

    def searched(self, collection: str, span: Span, prefix: str = "") -> PersonRows:
        """What is searched of the persons of a span whose ids begin with `prefix`: their means, or every sample."""
        found = collections.row(self._connection, collection)
        ids = spans.named(self._connection, found, span, prefix)
        rows = searched.of_persons(self._connection, searched.space(found), list(ids))
        return PersonRows(rows.persons, widened(rows.vectors), ids)

    def last_loss(self, collection: str) -> int | None:
        """When faces of the collection were last deleted, in microseconds since 1970; None where none ever were."""
        return log.last_loss(self._connection, collections.row(self._connection, collection).key)

    def keys(self, collection: str, ids: Sequence[str]) -> dict[str, int]:
        """Number of each person that exists among `ids`."""
        return persons.keys_of(self._connection, collections.row(self._connection, collection), ids)

    def with_faces(self, collection: str) -> NDArray[np.int64]:
        """(n,) int64, ascending: numbers of the persons who have a face."""
        return spans.with_faces(self._connection, collections.row(self._connection, collection))

    def rows_of(self, collection: str, keys: Sequence[int], fusion: Fusion) -> PersonRows:
        """Of some persons by number: their mean, or every sample."""
        space = replace(searched.space(collections.row(self._connection, collection)), fusion=fusion)
        rows = searched.of_persons(self._connection, space, keys)
        names = persons.names(self._connection, list(keys))
        return PersonRows(rows.persons, widened(rows.vectors), {key: id for key, (id, _) in names.items()})

    def copies(self, collection: str) -> Sequence[tuple[str, str]]:
        """(source, person id) of every photo that two or more persons were enrolled from, by source, then by person."""
        return spans.copies(self._connection, collections.row(self._connection, collection))

    def carried(self, collection: str, span: Span, *, with_crops: bool) -> list[CarriedPerson]:
        """Everybody in a span, whole, by number."""
        found = collections.row(self._connection, collection)
        return carried.read(self._connection, found, span, with_crops=with_crops)

    def old_faces(self, collection: str, span: Span, before: int, *, remove_empty: bool) -> Purged:
        """What `Writing.purge_faces` would remove now."""
        return purge.old_faces(
            self._connection, collection, span, before, remove_empty=remove_empty, dry_run=True
        )

    def old_persons(self, collection: str, span: Span, before: int) -> Purged:
        """What `Writing.purge_persons` would remove now."""
        return purge.old_persons(self._connection, collection, span, before, dry_run=True)
