"""Puts a checked backup into an empty store, in one transaction; never over anything that is there."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sqlalchemy import Connection, Table, delete, func, select

from index.backup.parts import BadBackup, Header, read_header, read_parts
from index.backup.tables import number_beyond, reader_of, tables_of
from index.registers import open_store
from index.settings import GallerySettings
from index.store.base import TemplateStore
from index.store.bulk import insert_rows
from index.store.migrate import reached, steps

HEAD = "audit_head"
"""The one table that is not empty in an empty gallery: it says that the audit has no line."""

Progress = Callable[[int, int], None]


class NotEmpty(Exception):
    """Something is there already, and a restore writes over nothing; the message says what."""


def file_bytes(line: bytes) -> bytes:
    """A small file from its line. Raises BadBackup."""
    try:
        (text,) = json.loads(line)
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        raise BadBackup("a small file in the backup is damaged") from None


@contextmanager
def empty_store(settings: GallerySettings, schema: str) -> Iterator[TemplateStore]:
    """A store without rows at a step of the schema. Raises NotEmpty, BadBackup, StoreUnavailable."""
    if schema not in steps():
        raise BadBackup(
            f"the backup has schema {schema}, this version knows {steps()[-1]} as the newest: restore it with the "
            "version that made it, or a newer one"
        )
    settings.path.mkdir(parents=True, exist_ok=True)
    store = open_store(settings, schema)
    try:
        with store.read() as connection:
            _require_empty(connection)
            found = reached(connection)
        if found != schema:
            raise NotEmpty(
                f"the database has schema {found} already, the backup has {schema}: give it one without any table"
            )
        yield store
    finally:
        store.close()


def _require_empty(connection: Connection) -> None:
    held = {}
    for name, table in tables_of(connection).items():
        query = select(func.count()).select_from(table)
        if name == HEAD:
            query = query.where(table.c.number > 0)
        rows = connection.execute(query).scalar_one()
        if rows:
            held[name] = rows
    if held:
        told = ", ".join(f"{rows} {name}" for name, rows in held.items())
        raise NotEmpty(f"the database is not empty, and a restore writes over nothing: it holds {told}")


def restore(store: TemplateStore, file: BinaryIO, progress: Progress = lambda done, of: None) -> Header:
    """Writes every row of a checked file, all of them or none. Raises NotEmpty, BadBackup, StoreUnavailable."""
    header = read_header(file)
    with store.write() as connection:
        _require_empty(connection)
        tables = tables_of(connection)
        _require_same(header, tables)
        if HEAD in tables:
            connection.execute(delete(tables[HEAD]))
        rows_of = {name: reader_of(tables[name], spec.columns) for name, spec in header.tables.items()}
        done = 0
        for part in read_parts(file, header):
            if part.kind != "table":
                continue
            rows = [rows_of[part.name](line) for line in part.lines]
            insert_rows(connection, tables[part.name], header.tables[part.name].columns, rows)
            done += len(rows)
            progress(done, header.rows)
        for name, spec in header.tables.items():
            if spec.highest is not None:
                number_beyond(connection, tables[name], spec.highest)
    return header


def _require_same(header: Header, tables: dict[str, Table]) -> None:
    """Names from a file reach the database only where it has the very same."""
    theirs = {name: set(spec.columns) for name, spec in header.tables.items()}
    if theirs != {name: set(table.columns.keys()) for name, table in tables.items()}:
        raise BadBackup(f"the backup's tables are not those of schema {header.schema}")
