"""Keeps a vector engine in step with the store: starts it, follows the log, rebuilds what is damaged."""

from __future__ import annotations

import logging
import threading

import numpy as np
from sqlalchemy import Connection

from index.engine.base import VectorEngine
from index.errors import EngineBehind, EngineUnavailable, StoreUnavailable
from index.records import Readiness, Role
from index.store import collections, log, searched
from index.store.base import TemplateStore

REPLAYED_AT_MOST = 50_000
"""Beyond so many changed persons and half of all rows, a scan of the store is quicker than a replay."""

logger = logging.getLogger(__name__)


class Follower:
    """The one place where the engine changes. Any thread may ask it to follow; they take turns."""

    def __init__(self, store: TemplateStore, engine: VectorEngine) -> None:
        self._store = store
        self._engine = engine
        self._following = threading.Lock()
        self._failed: set[int] = set()
        self.applied = 0
        """The newest revision of which the engine holds every change."""
        self._token: str | None = None

    def start(self) -> None:
        """Loads every collection: its snapshot and the changes since, or all its rows from the store."""
        with self._following, self._store.read() as connection:
            target, token = log.newest(connection)
            rows = collections.all_rows(connection)
            self._engine.sweep({row.key for row in rows})
            for row in rows:
                self._restore(connection, row.key, row.revision)
                self._bring(connection, row.key, row.revision)
            self.applied, self._token = target, token

    def _restore(self, connection: Connection, key: int, newest: int) -> None:
        row = collections.by_key(connection, key)
        assert row is not None
        restored = self._engine.restore(searched.space(row))
        # A shared engine looked into the log itself, which may be longer by now than it is for this connection.
        if restored is None or self._engine.capabilities.shared:
            return
        revision, token = restored
        if revision > newest or log.token(connection, revision) != token:
            logger.warning("snapshot of collection %s is of another history; rebuilding it", row.id)
            self._rebuild(connection, key, newest)

    def follow(self) -> None:
        """Applies what the store has committed since. Raises EngineBehind when the engine could not.

        Changes made by one transaction of the store show in searches together. A failure leaves the engine as
        it was; the next call tries again, the one after that rebuilds the collection from the store. Raises
        EngineUnavailable where the engine is away, which is no reason to rebuild anything.
        """
        with self._following, self._store.read() as connection:
            target, token = log.newest(connection)
            if (target, token) == (self.applied, self._token):
                return
            if log.token(connection, self.applied) != self._token:
                self._begin_anew(connection)
            for key, newest in log.touched_collections(connection, self.applied).items():
                try:
                    if key in self._failed:
                        self._rebuild(connection, key, newest)
                    else:
                        self._bring(connection, key, newest)
                except (StoreUnavailable, EngineUnavailable):
                    raise
                except Exception as error:
                    self._failed.add(key)
                    logger.exception("the vector engine did not apply revision %d", newest)
                    raise EngineBehind(
                        f"the vector engine did not apply revision {newest} ({error}); it will be tried again"
                    ) from error
                self._failed.discard(key)
            self.applied, self._token = target, token

    def _begin_anew(self, connection: Connection) -> None:
        """A backup or a standby took the store's place, and what it lacks was followed already: so all is
        rebuilt.
        """
        logger.warning("the store lost what followed some revision before %d; rebuilding all", self.applied)
        self._failed = {row.key for row in collections.all_rows(connection)}
        self.applied, self._token = 0, None

    def hold_again(self, key: int) -> None:
        """Loads a collection that the engine lost, or makes it anew; nothing where it holds it."""
        with self._following, self._store.read() as connection:
            row = collections.by_key(connection, key)
            if row is not None and self._engine.revision(key) is None:
                self._restore(connection, key, row.revision)
                self._bring(connection, key, row.revision)

    def catch_up(self, revision: int) -> None:
        """Returns when the engine holds everything up to a revision. Cheap when it does already."""
        if revision > self.applied:
            self.follow()

    def _bring(self, connection: Connection, key: int, newest: int) -> None:
        row = collections.by_key(connection, key)
        if row is None:
            self._engine.drop(key)
            return
        at = self._engine.revision(key)
        if at is None:
            self._rebuild(connection, key, newest)
        elif at < newest:
            space = searched.space(row)
            changes = log.changes(connection, key, at)
            many = len(changes.persons) > max(REPLAYED_AT_MOST, self._engine.stats(key).rows // 2)
            if many or changes.rebuild:
                self._rebuild(connection, key, newest)
                return
            rows = searched.of_persons(connection, space, changes.persons)
            self._engine.apply(space, np.array(changes.persons, np.int64), rows, newest)

    def _rebuild(self, connection: Connection, key: int, newest: int) -> None:
        row = collections.by_key(connection, key)
        if row is None:
            self._engine.drop(key)
            return
        space = searched.space(row)
        self._engine.rebuild(space, searched.scan(connection, space), newest)

    def readiness(self) -> list[Readiness]:
        """What the store holds and what the engine has applied, by collection. Raises EngineUnavailable."""
        self._engine.check()
        with self._store.read() as connection:
            rows = [row for row in collections.all_rows(connection) if row.role == Role.LIVE]
        return [Readiness(row.id, row.revision, self._engine.revision(row.key) or 0) for row in rows]

    def snapshot(self, key: int) -> bool:
        """Writes a snapshot of a collection as it is now; False when the engine makes none."""

        def token_of(revision: int) -> str | None:
            with self._store.read() as connection:
                return log.token(connection, revision)

        return self._engine.snapshot(key, token_of)
