"""Writes everything that a store holds at one moment into a file, while others write; changes nothing in it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from sqlalchemy import Connection, Table, func, select

from index.backup.parts import PART_BYTES, BadBackup, Header, TableSpec, Writer, row_line
from index.backup.tables import highest_number, tables_of, writer_of
from index.store import log
from index.store.base import TemplateStore
from index.store.migrate import reached

ROWS_AT_ONCE = {"crops": 100, "job_items": 4}
"""Rows asked for at once, of tables whose rows may be large."""
USUAL_ROWS = 1000

Progress = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""


def take(
    store: TemplateStore,
    file: BinaryIO,
    files: Mapping[str, bytes],
    progress: Progress = lambda done, of: None,
) -> Header:
    """One moment of the store, which a transaction of the database holds, and small files with it; what is in it.

    It holds up no writer; SQLite's journal grows meanwhile. Raises StoreUnavailable, BadBackup where there is no
    gallery, OSError.
    """
    with store.read() as connection:
        header, tables = _header(connection, files)
        writer = Writer(file, header)
        for name, data in files.items():
            writer.part("file", name, [row_line([base64.b64encode(data).decode()])])
        done = 0
        for name, table in tables.items():
            for lines in _parts(connection, table):
                writer.part("table", name, lines)
                done += len(lines)
                progress(done, header.rows)
        writer.end()
    return header


def _header(connection: Connection, files: Mapping[str, bytes]) -> tuple[Header, dict[str, Table]]:
    schema, tables = reached(connection), tables_of(connection)
    if schema is None or "collections" not in tables:
        raise BadBackup("there is no gallery in this database, so there is nothing to back up")
    specs = {
        name: TableSpec(
            tuple(table.columns.keys()),
            connection.execute(select(func.count()).select_from(table)).scalar_one(),
            highest_number(connection, table),
        )
        for name, table in tables.items()
    }
    contract = tables["collections"].c.contract_id
    contracts = connection.execute(select(contract).distinct().order_by(contract)).scalars()
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    header = Header(schema, made_at, log.revision(connection), tuple(contracts), specs, tuple(files))
    return header, tables


def _parts(connection: Connection, table: Table) -> Iterator[list[bytes]]:
    """Lines of all rows by their primary key, gathered up to PART_BYTES."""
    line = writer_of(table)
    query = select(table).order_by(*table.primary_key.columns)
    at_once = ROWS_AT_ONCE.get(table.name, USUAL_ROWS)
    gathered: list[bytes] = []
    size = 0
    for row in connection.execute(query, execution_options={"yield_per": at_once}):
        gathered.append(line(row))
        size += len(gathered[-1])
        if size >= PART_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered
