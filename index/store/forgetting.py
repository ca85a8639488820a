"""Statements that take the names of persons who are gone out of records: receipts, items of jobs, what jobs found.

The rows of a person go with the person, at once. Records may name anybody anywhere, so they are looked through, part by
part, for all who went since the last time. Every function works inside the transaction it is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, or_, select, update

from index.redaction import names_any, redacted
from index.store.persons import AT_ONCE
from index.store.receipts import ERASED
from index.store.schema import collections, forgotten, job_findings, job_items, jobs, persons, receipts

READ_AT_ONCE = 1000

Gone = Mapping[str, AbstractSet[str]]
"""By collection, the ids of the persons who are in none of its forms any more."""


def newest_note(connection: Connection) -> int:
    """Number of the newest note of somebody who is gone; 0 where nobody went since the last time."""
    return int(connection.execute(select(func.coalesce(func.max(forgotten.c.key), 0))).scalar_one())


def gone(connection: Connection, note: int) -> Gone:
    """Whom the notes up to a number tell of, without those who are back, or have left another form only."""
    found: dict[str, set[str]] = {}
    for one in connection.execute(select(forgotten).where(forgotten.c.key <= note)):
        found.setdefault(one.collection, set()).add(one.person)
    for collection, people in found.items():
        everybody = sorted(people)
        for start in range(0, len(everybody), AT_ONCE):
            there = select(persons.c.id).where(
                persons.c.collection_key == collections.c.key,
                collections.c.id == collection,
                persons.c.id.in_(everybody[start : start + AT_ONCE]),
            )
            people.difference_update(connection.execute(there).scalars())
    return {collection: people for collection, people in found.items() if people}


def settle(connection: Connection, note: int) -> None:
    """Removes the notes up to a number: nothing names these persons any more."""
    connection.execute(delete(forgotten).where(forgotten.c.key <= note))


def receipts_after(connection: Connection, last: Row[Any] | None) -> Sequence[Any]:
    """Some receipts, by scope and key, beyond the last one seen."""
    columns = receipts.c
    query = select(columns.scope, columns.key, columns.answer).order_by(columns.scope, columns.key)
    if last is not None:
        same_scope = and_(columns.scope == last.scope, columns.key > last.key)
        query = query.where(or_(columns.scope > last.scope, same_scope))
    return connection.execute(query.limit(READ_AT_ONCE)).all()


def erase_receipts(connection: Connection, rows: Sequence[Row[Any]], people: AbstractSet[str]) -> None:
    """Answers that name one of these people are gone; their keys stay taken, or a late retry would write again."""
    for row in rows:
        if row.answer != ERASED and names_any(row.answer, people):
            mine = (receipts.c.scope == row.scope, receipts.c.key == row.key)
            connection.execute(update(receipts).where(*mine).values(answer=ERASED))


def items_after(connection: Connection, last: int) -> Sequence[Any]:
    """Some settled items beyond a number, each with the collection of its job."""
    columns = (
        job_items.c.key,
        job_items.c.item,
        job_items.c.payload,
        job_items.c.result,
        job_items.c.message,
    )
    query = select(*columns, jobs.c.collection).where(
        job_items.c.job_key == jobs.c.key, job_items.c.key > last, job_items.c.state != "waiting"
    )
    return connection.execute(query.order_by(job_items.c.key).limit(READ_AT_ONCE)).all()


def erase_items(connection: Connection, rows: Sequence[Row[Any]], gone: Gone) -> None:
    """Takes the persons out of items; an item that is of one of them loses its key and its words too."""
    for row in rows:
        people = _told(row, gone)
        if not (names_any(row.payload, people) or names_any(row.result, people)):
            continue
        payload, result = json.loads(row.payload), json.loads(row.result)
        values = {
            "payload": json.dumps(redacted(payload, people)),
            "result": json.dumps(redacted(result, people)),
        }
        if payload.get("person") in people or result.get("person") in people:
            values |= {"item": f"erased-{row.key}", "message": ""}
        connection.execute(update(job_items).where(job_items.c.key == row.key).values(**values))


def findings_after(connection: Connection, last: int) -> Sequence[Any]:
    """Some findings beyond a number, each with the collection of its job."""
    query = select(job_findings.c.key, job_findings.c.body, jobs.c.collection).where(
        job_findings.c.job_key == jobs.c.key, job_findings.c.key > last
    )
    return connection.execute(query.order_by(job_findings.c.key).limit(READ_AT_ONCE)).all()


def erase_findings(connection: Connection, rows: Sequence[Row[Any]], gone: Gone) -> None:
    """Takes the persons out of what jobs found."""
    for row in rows:
        people = _told(row, gone)
        if names_any(row.body, people):
            body = json.dumps(redacted(json.loads(row.body), people))
            connection.execute(update(job_findings).where(job_findings.c.key == row.key).values(body=body))


def _told(row: Row[Any], gone: Gone) -> AbstractSet[str]:
    """Whom a record of a job may name: those of its collection, or anybody where it has none."""
    if row.collection is None:
        return everybody(gone)
    return gone.get(row.collection, frozenset())


def everybody(gone: Gone) -> AbstractSet[str]:
    """Ids of all of them, whatever their collection."""
    return frozenset().union(*gone.values())
