"""The tables of a store as the database itself describes them, at whatever step its schema is; the values of a row."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    text,
)

from index.backup.parts import BadBackup, row_line
from index.store.postgres import DESCRIBED

VERSIONS = "alembic_version"

Line = Callable[[Sequence[Any]], bytes]
Row = Callable[[bytes], tuple[Any, ...]]


def tables_of(connection: Connection) -> dict[str, Table]:
    """Each table by name, none before one that it refers to; without the note of the migrations' step."""
    found = MetaData()
    found.reflect(connection.execution_options(**{DESCRIBED: True}))
    connection.execution_options(**{DESCRIBED: False})
    return {table.name: table for table in found.sorted_tables if table.name != VERSIONS}


def highest_number(connection: Connection, table: Table) -> int | None:
    """The highest row number that a table ever gave; None where it gives none, or gave none yet."""
    if connection.dialect.name == "sqlite":
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    elif "key" in table.c:
        query = text("SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, 'key')::regclass)")
    else:
        return None
    found: int | None = connection.execute(query, {"table": table.name}).scalar()
    return found


def number_beyond(connection: Connection, table: Table, highest: int) -> None:
    """Rows to come get numbers above `highest`."""
    given = {"table": table.name, "number": highest}
    if connection.dialect.name == "sqlite":
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), given)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"), given)
    else:
        set_to = text("SELECT setval(pg_get_serial_sequence(:table, 'key'), :number)")
        connection.execute(set_to.bindparams(bindparam("number")), given)


def writer_of(table: Table) -> Line:
    """Turns rows of a table into lines: an array in the order of its columns, bytes as base64."""
    raw = [at for at, column in enumerate(table.columns) if isinstance(column.type, LargeBinary)]

    def line(row: Sequence[Any]) -> bytes:
        values = list(row)
        for at in raw:
            if values[at] is not None:
                values[at] = base64.b64encode(values[at]).decode()
        return row_line(values)

    return line


def reader_of(table: Table, columns: Sequence[str]) -> Row:
    """Turns lines into rows that the table takes. Raises BadBackup for a value that does not belong there."""
    reads = [_reader(table.c[name]) for name in columns]

    def row(line: bytes) -> tuple[Any, ...]:
        try:
            values = json.loads(line)
            if type(values) is not list:
                raise TypeError
            return tuple(read(value) for read, value in zip(reads, values, strict=True))
        except (ValueError, TypeError, binascii.Error):
            raise BadBackup(f"a row of {table.name} does not fit the table") from None

    return row


def _reader(column: Column[Any]) -> Callable[[Any], Any]:
    kinds: tuple[type, ...] = (str,)
    for known, allowed in (
        (Boolean, (bool,)),
        (Integer, (int,)),
        (Float, (int, float)),
        (LargeBinary, (str,)),
    ):
        if isinstance(column.type, known):
            kinds = allowed
            break
    raw, nullable = isinstance(column.type, LargeBinary), bool(column.nullable)

    def read(value: Any) -> Any:
        if value is None and nullable:
            return None
        if type(value) not in kinds:
            raise TypeError
        return base64.b64decode(value, validate=True) if raw else value

    return read
