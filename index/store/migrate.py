"""Brings a database to the newest schema, in process; the steps are Alembic scripts beside it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from index.errors import StoreUnavailable

SCRIPTS = Path(__file__).parent / "migrations"
LOCK = "migration.lock"


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Processes that open the same folder at once upgrade one after another."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


NEWEST = "head"


def upgrade(engine: Engine, schema: str = NEWEST) -> None:
    """Runs what is missing up to a step. The caller keeps others from doing so meanwhile."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with engine.connect() as connection, _references_unchecked(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, schema)


def steps() -> list[str]:
    """Every step there is, oldest first."""
    return [script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()][::-1]


def reached(connection: Connection) -> str | None:
    """The step that a database is at; None where it has no tables of a gallery."""
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _references_unchecked(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by making it anew and dropping the old one, which rows that refer to it forbid."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
        broken = raw.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise StoreUnavailable(f"after the migration {len(broken)} rows refer to rows that are not there")
    finally:
        raw.execute("PRAGMA foreign_keys = ON")
