"""Makes sure that who was deleted is nowhere: records, snapshots, the database's journal. Decides nobody's deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from threading import Lock
from time import monotonic
from typing import Any

from sqlalchemy import Connection, Row

from index.engine.base import VectorEngine
from index.follower import Follower
from index.store import clock, forgetting, log, receipts
from index.store.base import TemplateStore

DAY_SECONDS = 86_400.0

Read = Callable[[Connection, Any], Sequence[Row[Any]]]
Erase = Callable[[Connection, Sequence[Row[Any]]], None]


class Forgetting:
    """What deletions leave behind, for one gallery. A deleted person's own rows went with the deletion."""

    def __init__(
        self,
        store: TemplateStore,
        follower: Follower,
        engine: VectorEngine,
        keys: Callable[[], list[int]],
        receipt_days: float,
    ) -> None:
        self._store = store
        self._follower = follower
        self._engine = engine
        self._keys = keys
        self._receipt_days = receipt_days
        self._receipts_looked_at = -DAY_SECONDS
        self._turn = Lock()
        self._owed = False
        self._tidied = 0

    def start(self) -> None:
        """Deletions of faces before this moment were another's to tidy up. Raises StoreUnavailable."""
        self._tidied = self._store.revision()

    def now(self) -> bool:
        """Everything once; False where something is in the way (somebody reads) and it must be done again.

        Raises StoreUnavailable.
        """
        with self._turn:
            return self._once()

    def _once(self) -> bool:
        self._old_receipts()
        with self._store.read() as connection:
            note, revision = forgetting.newest_note(connection), log.revision(connection)
            self._owed = self._owed or note > 0 or log.lost(connection, None, self._tidied)
        if note:
            self._records(note)
        snapshots = [self._snapshot(key) for key in self._keys()]
        if not self._store.tidy(rewrite=self._owed):
            return False
        self._owed, self._tidied = False, revision
        return all(snapshots)

    def _old_receipts(self) -> None:
        if monotonic() - self._receipts_looked_at < DAY_SECONDS:
            return
        with self._store.write() as connection:
            receipts.forget_before(connection, clock.now() - int(self._receipt_days * DAY_SECONDS * 1e6))
        self._receipts_looked_at = monotonic()

    def _records(self, note: int) -> None:
        with self._store.read() as connection:
            gone = forgetting.gone(connection, note)
        if gone:
            people = forgetting.everybody(gone)
            self._each(
                forgetting.receipts_after,
                lambda c, rows: forgetting.erase_receipts(c, rows, people),
                lambda row: row,
                None,
            )
            by_key = attrgetter("key")
            self._each(
                forgetting.items_after, lambda c, rows: forgetting.erase_items(c, rows, gone), by_key, 0
            )
            self._each(
                forgetting.findings_after, lambda c, rows: forgetting.erase_findings(c, rows, gone), by_key, 0
            )
        with self._store.write() as connection:
            forgetting.settle(connection, note)

    def _each(self, read: Read, erase: Erase, place: Callable[[Row[Any]], Any], last: Any) -> None:
        """All rows of a kind, some at a time, so that no writer waits for long."""
        while True:
            with self._store.read() as connection:
                rows = read(connection, last)
            if not rows:
                return
            with self._store.write() as connection:
                erase(connection, rows)
            last = place(rows[-1])

    def _snapshot(self, key: int) -> bool:
        """Writes a collection's snapshot anew where the one on disk may hold a face that is gone."""
        if self._engine.revision(key) is None:
            return True
        saved = self._engine.stats(key).snapshot_revision
        if not saved:
            return True
        with self._store.read() as connection:
            if not log.lost(connection, key, saved):
                return True
        self._follower.follow()
        return self._follower.snapshot(key)
