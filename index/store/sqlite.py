"""The store on SQLite: one file, write-ahead log, every commit on the disk before it is acknowledged."""

from __future__ import annotations

import contextlib
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
from index.store.migrate import turn, upgrade

FILE = "gallery.sqlite3"
BUSY_MS = 30_000
"""How long a write waits for another process before it gives up."""


class SqliteStore:
    """A TemplateStore in `folder`/gallery.sqlite3; several processes may hold it at once."""

    def __init__(self, folder: Path, busy_ms: int = BUSY_MS) -> None:
        """Opens or makes the database and brings its schema up to date. Raises StoreUnavailable."""
        self._engine = _engine(folder / FILE, busy_ms)
        self._writing = threading.Lock()
        try:
            with turn(folder):
                upgrade(self._engine)
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
