"""The store on SQLite: one file, write-ahead log, every commit on the disk before it is acknowledged."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from index.errors import StoreUnavailable
from index.store import log
from index.store.migrate import NEWEST, turn, upgrade

FILE = "gallery.sqlite3"
TIDY_SECONDS = 0.2
REWRITTEN_BYTES = 1 << 29
"""Of a file that is rewritten after deletions; writers wait some seconds for it. A larger one is its operator's."""
BUSY_MS = 30_000
"""How long a write waits for another process before it gives up."""


class SqliteStore:
    """A TemplateStore in `folder`/gallery.sqlite3; several processes may hold it at once."""

    def __init__(self, folder: Path, busy_ms: int = BUSY_MS, schema: str | None = NEWEST) -> None:
        """Opens or makes the database and brings its schema up to a step; None leaves it as it is.

        Raises StoreUnavailable.
        """
        self._file = folder / FILE
        self._engine = _engine(self._file, busy_ms)
        self._writing = threading.Lock()
        try:
            with turn(folder):
                if schema is not None:
                    upgrade(self._engine, schema)
        except DBAPIError as error:
            self._engine.dispose()
            raise StoreUnavailable(f"{folder / FILE} cannot be opened: {error.orig}") from error

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """See TemplateStore.read."""
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """See TemplateStore.write. Writers of this process queue here, others at SQLite's lock."""
        with self._writing, _translated(), self._engine.connect() as connection:
            connection = connection.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    def work(self) -> AbstractContextManager[Connection]:
        """See TemplateStore.work: SQLite has one writer at a time, whatever is written."""
        return self.write()

    def listen(self, changed: Callable[[], None]) -> None:
        """See TemplateStore.listen. SQLite tells nobody."""

    def revision(self) -> int:
        """See TemplateStore.revision."""
        with self.read() as connection:
            return log.revision(connection)

    def tidy(self, *, rewrite: bool) -> bool:
        """See TemplateStore.tidy: the journal is written into the file and cut off, unless somebody reads meanwhile.

        secure_delete overwrites rows where they are. Where an index was split or merged before, copies of them stand in
        parts of pages that belong to nothing; only a file that is written anew has none.
        """
        # A connection of its own, since it must give up soon: while it waits for readers, nobody can write.
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=TIDY_SECONDS)) as raw:
                if rewrite and self._file.stat().st_size <= REWRITTEN_BYTES:
                    raw.execute("VACUUM")
                busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return False
            raise StoreUnavailable(f"the store cannot be tidied now ({error})") from error
        return not busy

    def close(self) -> None:
        """See TemplateStore.close."""
        self._engine.dispose()


def _engine(file: Path, busy_ms: int) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        pool_size=32,
        max_overflow=64,
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # templates and names stay out of every error
    )

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        # The driver's own transaction handling begins too late for a consistent read; we send BEGIN
        # ourselves.
        raw.isolation_level = None
        for pragma in (
            f"busy_timeout = {busy_ms}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",  # a forgotten face leaves the file, not only its index
            "cache_size = -16384",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    return engine


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, PoolTimeout) as error:
        cause = error.orig if isinstance(error, OperationalError) else error
        raise StoreUnavailable(f"the store cannot answer now ({cause}); nothing was written") from error
