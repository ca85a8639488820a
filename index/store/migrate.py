"""Brings a database to the newest schema, in process; the steps are Alembic scripts beside it."""

from __future__ import annotations

import fcntl
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

SCRIPTS = Path(__file__).parent / "migrations"
LOCK = "migration.lock"


def upgrade(engine: Engine, folder: Path) -> None:
    """Runs what is missing. Processes that open the same folder at once take turns."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
