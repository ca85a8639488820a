"""Statements about the items of a job and what it finds; every function works inside the transaction it is given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, update

from index.errors import JobConflict, LeaseLost
from index.job_records import (
    Claim,
    FindingRecord,
    Item,
    ItemRecord,
    ItemState,
    Job,
    JobState,
    NewItem,
    Outcome,
    Values,
)
from index.record_rules import check_item, metadata_object, values_text
from index.store import clock, jobs
from index.store.bulk import insert_rows
from index.store.persons import AT_ONCE
from index.store.schema import job_findings, job_items
from index.store.schema import jobs as jobs_table


def add(connection: Connection, found: Row[Any], new: Sequence[NewItem]) -> int:
    """Items that are not there already, by their keys; how many were new. Raises InvalidRecord."""
    for one in new:
        check_item(one)
    fresh = {one.item: one for one in new}
    names = list(fresh)
    for start in range(0, len(names), AT_ONCE):
        part = names[start : start + AT_ONCE]
        mine = (job_items.c.job_key == found.key, job_items.c.item.in_(part))
        for known in connection.execute(select(job_items.c.item).where(*mine)).scalars():
            del fresh[known]
    columns = (
        "job_key",
        "item",
        "payload",
        "upload",
        "state",
        "lease_until",
        "attempts",
        "reasons",
        "message",
        "result",
    )
    rows = [
        (
            found.key,
            one.item,
            values_text(one.payload, "payload"),
            one.upload,
            "waiting",
            0,
            0,
            "[]",
            "",
            "{}",
        )
        for one in fresh.values()
    ]
    insert_rows(connection, job_items, columns, rows)
    pending = sum(len(one.upload) for one in fresh.values() if one.upload is not None)
    connection.execute(
        update(jobs_table)
        .where(jobs_table.c.key == found.key)
        .values(total=jobs_table.c.total + len(rows), pending_bytes=jobs_table.c.pending_bytes + pending)
    )
    return len(rows)


def add_by_owner(connection: Connection, id: str, new: Sequence[NewItem]) -> int:
    """Items of a job that is OPEN. Raises UnknownJob, JobConflict, InvalidRecord."""
    found = jobs.row(connection, id, locked=True)
    if JobState(found.state) is not JobState.OPEN:
        raise JobConflict(f"job {id} is {found.state}; items can be added to an open job only")
    return add(connection, found, new)


def pending_bytes(connection: Connection) -> int:
    """Bytes of uploads that wait, of all jobs."""
    total = select(func.coalesce(func.sum(jobs_table.c.pending_bytes), 0))
    return int(connection.execute(total).scalar_one())


def claim(connection: Connection, most: Callable[[Job], int], worker: str) -> Claim | None:
    """Up to `most(job)` items of one job. Jobs take turns.

    An item that was claimed before comes alone, so that one which ends its worker takes no others with it; one that
    was claimed too often has FAILED.
    """
    now = clock.now()
    for found in jobs.active(connection):
        job = jobs.record(found)
        wanted = most(job)
        if not wanted or not jobs.still_active(connection, found):
            continue
        rows = _waiting(connection, found, now, wanted)
        lost = [row for row in rows if row.attempts >= jobs.CLAIMED_AT_MOST]
        if lost:
            _give_up(connection, found, lost)
            rows = [row for row in rows if row.attempts < jobs.CLAIMED_AT_MOST]
        if rows:
            return _hold(connection, found, _together(rows), now, jobs.new_lease(worker))
    return None


def _waiting(connection: Connection, found: Row[Any], now: int, most: int) -> list[Row[Any]]:
    query = (
        select(job_items)
        .where(job_items.c.job_key == found.key, job_items.c.state == "waiting", jobs.free(job_items, now))
        .order_by(job_items.c.key)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return list(connection.execute(query))


def _together(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    new = [row for row in rows if row.attempts == 0]
    return new or [rows[0]]


def _hold(connection: Connection, found: Row[Any], rows: Sequence[Row[Any]], now: int, lease: str) -> Claim:
    keys = [row.key for row in rows]
    for start in range(0, len(keys), AT_ONCE):
        connection.execute(
            update(job_items)
            .where(job_items.c.key.in_(keys[start : start + AT_ONCE]))
            .values(lease=lease, lease_until=now + jobs.LEASE, attempts=job_items.c.attempts + 1)
        )
    started = found.started_at or now
    connection.execute(
        update(jobs_table).where(jobs_table.c.key == found.key).values(claimed_at=now, started_at=started)
    )
    items = [
        Item(row.key, row.item, metadata_object(row.payload), row.upload, row.attempts + 1) for row in rows
    ]
    return Claim(jobs.get(connection, found.id), lease, items)


def _give_up(connection: Connection, found: Row[Any], rows: Sequence[Row[Any]]) -> None:
    outcomes = [
        Outcome(
            row.key,
            ItemState.FAILED,
            ("given_up",),
            f"given up after {row.attempts} attempts that did not end; resume the job to try again",
        )
        for row in rows
    ]
    _write(connection, found, outcomes)


def settle(
    connection: Connection, claim: Claim, outcomes: Sequence[Outcome], findings: Sequence[Values]
) -> None:
    """What became of claimed items, all of them still held by this claim. Raises LeaseLost."""
    found = require(connection, claim, [outcome.key for outcome in outcomes])
    _write(connection, found, outcomes)
    found_rows = [(found.key, values_text(body, "a finding")) for body in findings]
    insert_rows(connection, job_findings, ("job_key", "body"), found_rows)


def require(connection: Connection, claim: Claim, keys: Sequence[int]) -> Row[Any]:
    """The row of the job, whose items of these numbers are still held by the claim. Raises LeaseLost."""
    found = jobs.held(connection, claim)
    mine = 0
    for start in range(0, len(keys), AT_ONCE):
        query = select(func.count()).where(
            job_items.c.key.in_(keys[start : start + AT_ONCE]),
            job_items.c.lease == claim.lease,
            job_items.c.state == "waiting",
        )
        mine += int(connection.execute(query).scalar_one())
    if mine != len(keys):
        raise LeaseLost(
            f"{len(keys) - mine} of {len(keys)} items of job {found.id} are no longer held; nothing was written"
        )
    return found


def _write(connection: Connection, found: Row[Any], outcomes: Sequence[Outcome]) -> None:
    freed = _uploaded(connection, [outcome.key for outcome in outcomes])
    now = clock.now()
    rows = [
        {
            "settled": outcome.key,
            "ends": str(outcome.state),
            "codes": json.dumps(list(outcome.reasons)),
            "words": outcome.message[:2000],
            "values": values_text(outcome.result, "an item's result"),
            "now": now,
        }
        for outcome in outcomes
    ]
    if rows:
        connection.execute(
            update(job_items)
            .where(job_items.c.key == bindparam("settled"))
            .values(
                state=bindparam("ends"),
                lease=None,
                lease_until=0,
                upload=None,
                reasons=bindparam("codes"),
                message=bindparam("words"),
                result=bindparam("values"),
                settled_at=bindparam("now"),
            ),
            rows,
        )
    counted = Counter(outcome.state for outcome in outcomes)
    connection.execute(
        update(jobs_table)
        .where(jobs_table.c.key == found.key)
        .values(
            done=jobs_table.c.done + counted[ItemState.DONE],
            rejected=jobs_table.c.rejected + counted[ItemState.REJECTED],
            failed=jobs_table.c.failed + counted[ItemState.FAILED],
            pending_bytes=jobs_table.c.pending_bytes - freed,
        )
    )


def _uploaded(connection: Connection, keys: Sequence[int]) -> int:
    """Bytes of the uploads of these items."""
    total = 0
    for start in range(0, len(keys), AT_ONCE):
        sizes = select(func.coalesce(func.sum(func.length(job_items.c.upload)), 0))
        total += int(
            connection.execute(sizes.where(job_items.c.key.in_(keys[start : start + AT_ONCE]))).scalar_one()
        )
    return total


def page(
    connection: Connection, id: str, after: int | None, limit: int, state: ItemState | None
) -> list[ItemRecord]:
    """Items in the order they came, beyond the key `after`. Raises UnknownJob."""
    found = jobs.row(connection, id)
    columns = [column for column in job_items.c if column.name != "upload"]
    query = select(*columns).where(job_items.c.job_key == found.key).order_by(job_items.c.key).limit(limit)
    if after is not None:
        query = query.where(job_items.c.key > after)
    if state is not None:
        query = query.where(job_items.c.state == str(state))
    return [_record(row) for row in connection.execute(query)]


def findings(connection: Connection, id: str, after: int | None, limit: int) -> list[FindingRecord]:
    """What the job found, in the order it was written, beyond the key `after`. Raises UnknownJob."""
    found = jobs.row(connection, id)
    query = (
        select(job_findings)
        .where(job_findings.c.job_key == found.key)
        .order_by(job_findings.c.key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(job_findings.c.key > after)
    return [FindingRecord(row.key, metadata_object(row.body)) for row in connection.execute(query)]


def _record(row: Row[Any]) -> ItemRecord:
    return ItemRecord(
        key=row.key,
        item=row.item,
        state=ItemState(row.state),
        attempts=row.attempts,
        reasons=tuple(json.loads(row.reasons)),
        message=row.message,
        result=metadata_object(row.result),
        settled_at=None if row.settled_at is None else clock.moment(row.settled_at),
    )
