"""Turns at changing what processes share beside the store: by a lock of its database, or of a file for SQLite."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import Connection, text

from index.engine.turn import Turn, Turns, TurnTaken
from index.errors import StoreUnavailable
from index.settings import GallerySettings
from index.store.base import TemplateStore

FOLDER = "turns"
WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.02
TAKEN = "another process is changing the same collection's index; ask again"
# While an index is made anew the transaction has nothing to say for long, and must not be ended for that.
PATIENT = text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)")
TAKE = text("SELECT pg_advisory_xact_lock(:name)")
TRY = text("SELECT pg_try_advisory_xact_lock(:name)")


def turns_of(store: TemplateStore, settings: GallerySettings) -> Turns:
    """Turns among all processes on the store. A process that dies, or whose connection breaks, loses its own."""
    return FileTurns(settings.path / FOLDER) if settings.database is None else DatabaseTurns(store)


class FileTurns:
    """Turns of processes of one machine; see Turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def __call__(self, name: str, *, wait: bool = True) -> Iterator[Turn]:
        """See Turns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + (WAIT_SECONDS if wait else 0.0)
        with (self._folder / name).open("w") as lock:
            while not _locked(lock.fileno()):
                if time.monotonic() >= until:
                    raise TurnTaken(TAKEN)
                time.sleep(LOOK_SECONDS)
            yield _Kept()


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Kept:
    def confirm(self) -> None:
        """A file's lock is lost with its process alone."""


class DatabaseTurns:
    """Turns of processes of any machines; see Turns. One that lasts holds a connection, and no row."""

    def __init__(self, store: TemplateStore) -> None:
        """store: in PostgreSQL."""
        self._store = store

    @contextlib.contextmanager
    def __call__(self, name: str, *, wait: bool = True) -> Iterator[Turn]:
        """See Turns. It waits as long as the store's other locks."""
        number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
        with self._store.work() as connection:
            connection.execute(PATIENT)
            taken = connection.execute(TAKE if wait else TRY, {"name": number}).scalar_one()
            if taken is False:
                raise TurnTaken(TAKEN)
            yield _OfConnection(connection)


class _OfConnection:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def confirm(self) -> None:
        """See Turn."""
        try:
            self._connection.execute(text("SELECT 1"))
        except Exception as error:
            raise StoreUnavailable(
                "the connection that held the turn at an index broke; the index is made anew"
            ) from error
