"""Hears of other processes' commits by PostgreSQL's LISTEN; only hastens what polling would find as well."""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Listener:
    """A thread with a connection of its own, made again when it breaks."""

    def __init__(self, engine: Engine, channel: str, own: str, changed: Callable[[], None]) -> None:
        """engine: makes a new connection each time. own: payload of this process's notices, passed over."""
        self._engine = engine
        self._channel = channel
        self._own = own
        self._changed = changed
        self._stopping = threading.Event()
        self._stop_read, self._stop_write = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="gallery-listener", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        dbapi = self._engine.dialect.dbapi
        assert dbapi is not None
        while not self._stopping.is_set():
            try:
                self._listen()
            except (DBAPIError, dbapi.Error, OSError) as error:
                logger.debug("no notices from the database: %s", error)
            self._stopping.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            raw = connection.execution_options(isolation_level="AUTOCOMMIT").connection.driver_connection
            assert raw is not None
            raw.execute(f"LISTEN {self._channel}")
            self._changed()  # whatever was committed while nobody listened
            while not self._stopping.is_set():
                select.select([raw, self._stop_read], [], [])
                if any(notice.payload != self._own for notice in list(raw.notifies(timeout=0))):
                    self._changed()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stopping.set()
        self._stop_write.send(b"x")
        self._thread.join()
        self._stop_read.close()
        self._stop_write.close()
