"""Statements about the audit: append to the chain, read it. There is none that changes or removes a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from index.audit_records import Line, chained
from index.store.schema import audit, audit_head

AT_ONCE = 1000


def append(connection: Connection, lines: Sequence[dict[str, Any]]) -> None:
    """Adds lines, which lack number and hash, at the end of the chain.

    To be the last statement of a transaction: it holds the end of the chain until then, and whoever waits for it
    must hold nothing that this transaction still wants.
    """
    if not lines:
        return
    number, digest = head(connection, locked=True)
    rows = []
    for line in lines:
        number += 1
        values = {**line, "number": number}
        digest = chained(digest, values)
        rows.append({**values, "hash": digest})
    connection.execute(insert(audit), rows)
    connection.execute(update(audit_head).values(number=number, hash=digest))


def head(connection: Connection, *, locked: bool = False) -> tuple[int, str]:
    """Number and hash of the newest line; `locked` keeps others from appending until the transaction ends."""
    query = select(audit_head.c.number, audit_head.c.hash)
    end = connection.execute(query.with_for_update() if locked else query).one()
    return int(end.number), str(end.hash)


def page(connection: Connection, query: Select[Any], before: int | None, limit: int) -> list[Line]:
    """Lines of a query, newest first, those with a number below `before`."""
    query = query.order_by(audit.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.number < before)
    return [_line(row) for row in connection.execute(query)]


def page_after(connection: Connection, query: Select[Any], number: int) -> list[Line]:
    """Lines of a query in the order they were written, some of those with a number above `number`."""
    query = query.where(audit.c.number > number).order_by(audit.c.number).limit(AT_ONCE)
    return [_line(row) for row in connection.execute(query)]


def _line(row: Row[Any]) -> Line:
    return Line(**row._mapping)
