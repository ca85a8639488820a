"""Opens a gallery's store for its keys and its audit alone: no engine is loaded, nothing can be searched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from index.audit import Audit
from index.audit_salt import open_salt
from index.keys import Keys
from index.settings import GallerySettings
from index.store.base import TemplateStore
from index.store.migrate import NEWEST
from index.store.postgres import PostgresStore
from index.store.sqlite import SqliteStore


@dataclass(frozen=True)
class Registers:
    """What is kept beside the persons of a gallery."""

    keys: Keys
    audit: Audit


@contextmanager
def open_registers(settings: GallerySettings) -> Iterator[Registers]:
    """Those of a gallery that others may have open as well. Raises StoreUnavailable."""
    settings.path.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    try:
        yield registers_of(store, settings)
    finally:
        store.close()


def registers_of(store: TemplateStore, settings: GallerySettings) -> Registers:
    """Those of an opened store."""
    audit = Audit(store, open_salt(settings.path), kept=settings.audit)
    return Registers(Keys(store, audit), audit)


def open_store(settings: GallerySettings, schema: str | None = NEWEST) -> TemplateStore:
    """The store that the settings name, its schema brought to a step, or left as it is. Raises StoreUnavailable."""
    if settings.database is None:
        return SqliteStore(settings.path, schema=schema)
    return PostgresStore(settings.database, schema=schema)
