"""The store on PostgreSQL: any number of processes and machines, one of them writing at a time."""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from index.errors import CommitUnknown, StoreUnavailable
from index.store import log
from index.store.database_url import database_url
from index.store.listener import Listener
from index.store.migrate import NEWEST, upgrade

CONNECT_SECONDS = 5
LOCK_MS = 30_000
"""How long a write waits for another process before it gives up."""
STATEMENT_MS = 300_000
IDLE_MS = 60_000
"""A writer that says nothing for so long has died or hangs; PostgreSQL undoes its write and lets others on."""
CONNECTIONS = 16
"""At most so many a process, and one that listens."""

WRITERS = 0x636F636972636C65  # "cocircle"; an advisory lock of the database, not of a table
CHANNEL = "cocircle"
BINARY = 1
DESCRIBED = "cocircle_described"
"""An option of a connection whose database is asked for its tables: SQLAlchemy reads those answers as text."""
# One round trip: the turn, the notice that PostgreSQL sends with the commit, and the limit for this transaction.
TURN = text(
    "SELECT pg_advisory_xact_lock(:writers), pg_notify(:channel, :own),"
    " set_config('idle_in_transaction_session_timeout', :idle, true)"
)

logger = logging.getLogger(__name__)


class PostgresStore:
    """A TemplateStore in a PostgreSQL database of its own.

    Whatever goes wrong with a connection is StoreUnavailable to the one who asked; the next one who asks gets a
    new connection, so the store recovers by itself when the database is back.
    """

    def __init__(
        self,
        url: str,
        lock_ms: int = LOCK_MS,
        statement_ms: int = STATEMENT_MS,
        schema: str | None = NEWEST,
    ) -> None:
        """Connects and brings the schema up to a step, None leaving it as it is; processes that start at once take
        turns.

        Raises ValueError for what is no such address, StoreUnavailable.
        """
        address = database_url(url)
        limits = {"lock_timeout": lock_ms, "statement_timeout": statement_ms}
        self._lock_ms = lock_ms
        self._writing = threading.Lock()
        self._own = secrets.token_hex(8)
        self._listeners: list[Listener] = []
        self._engine = _engine(
            address, limits, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=10, pool_pre_ping=True
        )
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._asking = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._unlimited = _engine(address, {"statement_timeout": 0}, poolclass=NullPool)
        try:
            self._migrate(schema)
        except DBAPIError as error:
            self.close()
            shown = address.render_as_string(hide_password=True)
            raise StoreUnavailable(f"{shown} cannot be opened: {_one_line(error.orig)}") from error

    def _migrate(self, schema: str | None) -> None:
        with self._unlimited.begin() as held:
            held.execute(text("SELECT pg_advisory_xact_lock(:writers)"), {"writers": WRITERS})
            if schema is not None:
                upgrade(self._unlimited, schema)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """See TemplateStore.read."""
        with self._translated(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """See TemplateStore.write. Writers of this process queue here, others at a lock of the database."""
        if not self._writing.acquire(timeout=self._lock_ms / 1000):
            raise StoreUnavailable("other writes take too long; nothing was written")
        try:
            with self.work() as connection:
                asked = {"writers": WRITERS, "channel": CHANNEL, "own": self._own, "idle": str(IDLE_MS)}
                connection.execute(TURN, asked)
                yield connection
        finally:
            self._writing.release()

    @contextlib.contextmanager
    def work(self) -> Iterator[Connection]:
        """See TemplateStore.work."""
        with self._translated(), self._engine.connect() as connection:
            committing = False
            try:
                with connection.begin():
                    yield connection
                    committing = True
            except DBAPIError as error:
                if committing and error.connection_invalidated:
                    raise CommitUnknown(
                        "the connection to the database broke while the write was being committed: it was written "
                        "as a whole or not at all; look whether it is there, or send it again with the same "
                        "idempotency key"
                    ) from error
                raise

    def revision(self) -> int:
        """See TemplateStore.revision. One round trip, and the pool's own to know that the connection lives."""
        with self._translated(), self._asking.connect() as connection:
            return log.revision(connection)

    def listen(self, changed: Callable[[], None]) -> None:
        """See TemplateStore.listen."""
        self._listeners.append(Listener(self._unlimited, CHANNEL, self._own, changed))

    def tidy(self, *, rewrite: bool) -> bool:
        """See TemplateStore.tidy. PostgreSQL recycles its journal itself; its tables need VACUUM (docs/gallery.md)."""
        return True

    def close(self) -> None:
        """See TemplateStore.close."""
        while self._listeners:
            self._listeners.pop().stop()
        self._engine.dispose()
        self._unlimited.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        # The driver's own errors come from COPY, which SQLAlchemy does not know.
        assert self._engine.dialect.dbapi is not None
        driver = self._engine.dialect.dbapi.Error
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"all {CONNECTIONS} connections to the database are in use; nothing was written"
            ) from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(
                error, OperationalError | InterfaceError | InternalError
            ):
                raise StoreUnavailable(
                    f"the store cannot answer now ({_reason(error.orig)}); nothing was written"
                ) from error
            raise
        except driver as error:
            raise StoreUnavailable(
                f"the store cannot answer now ({_reason(error)}); nothing was written"
            ) from error


def _engine(address: URL, limits: dict[str, int], **pool: Any) -> Engine:
    settings = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "cocircle",
        # A machine that vanished is noticed in a minute, not after the two hours of the system's default.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    try:
        engine = create_engine(
            address,
            hide_parameters=True,  # templates and names stay out of every error
            connect_args={name: value for name, value in settings.items() if name not in address.query},
            **pool,
        )
    except ImportError as error:
        raise StoreUnavailable(
            "PostgreSQL needs the driver psycopg; install it with: pip install 'cocircle[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        for name, value in limits.items():
            raw.execute("SELECT set_config(%s, %s, false)", (name, str(value)))
        raw.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        raw.commit()

    @event.listens_for(engine, "before_cursor_execute")
    def _templates_as_bytes(connection: Connection, cursor: Any, *_: object) -> None:
        if not connection.get_execution_options().get(DESCRIBED):
            cursor.format = BINARY  # as text a template takes twice its bytes, and a scan twice its time

    return engine


def _reason(error: BaseException | None) -> str:
    """What may be told to a client: why, without host and user."""
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    return said or "there is no connection to the database"


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())
