"""Many rows into a table with one statement, past the ORM-grade handling of each parameter; nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Float, Integer, LargeBinary, Table, insert

COPIED_FROM = 10
"""Rows from which PostgreSQL's COPY takes less time than statements (benchmarks/stores.py)."""

TYPE_NAMES = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Float, "float8"),
    (Boolean, "bool"),
    (LargeBinary, "bytea"),
)


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Rows as tuples in the order of `columns`, of types the driver takes as they are; numbered in their order.

    The statement is SQLAlchemy's for the database in use. Its own executemany spends 20 us a row on parameters,
    half of what the database needs for the whole row.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql" and len(rows) >= COPIED_FROM:
        _copy_rows(connection, table, columns, rows)
        return
    compiled = insert(table).inline().compile(dialect=connection.dialect, column_keys=list(columns))
    if compiled.positional:
        order = [list(columns).index(name) for name in compiled.positiontup or columns]
        given: Any = (
            rows if order == list(range(len(columns))) else [tuple(r[i] for i in order) for r in rows]
        )
    else:
        given = [dict(zip(columns, row, strict=True)) for row in rows]
    connection.exec_driver_sql(str(compiled), given)


def _copy_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    quoted = connection.dialect.identifier_preparer
    names = ", ".join(quoted.quote(name) for name in columns)
    statement = f"COPY {quoted.format_table(table)} ({names}) FROM STDIN (FORMAT BINARY)"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_type_name(table, name) for name in columns])
        for row in rows:
            copy.write_row(row)


def _type_name(table: Table, column: str) -> str:
    """PostgreSQL's name of a column's type; a binary COPY converts nothing."""
    kind = table.c[column].type
    return next((name for known, name in TYPE_NAMES if isinstance(kind, known)), "text")
