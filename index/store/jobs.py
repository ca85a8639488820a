"""Statements about jobs as a whole; every function works inside the transaction it is given."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, or_, select, update

from index.errors import InvalidRecord, JobConflict, LeaseLost, UnknownJob
from index.job_records import ACTIVE, Claim, Going, Job, JobState, NewJob, Values
from index.record_rules import metadata_object, values_text
from index.store import clock
from index.store.schema import job_findings, job_items, jobs

LEASE = 60_000_000
"""Microseconds for which work is held; whoever needs longer renews."""
CLAIMED_AT_MOST = 5
"""Claims after which work that never ends is given up: it may be what kills its workers."""
KIND_LENGTH = 32
ACTIVE_JOBS = jobs.c.state.in_([str(state) for state in ACTIVE])
"""Jobs that may have work."""


def create(connection: Connection, new: NewJob) -> Job:
    """Raises InvalidRecord for a kind or owner that is too long."""
    if not 1 <= len(new.kind) <= KIND_LENGTH:
        raise InvalidRecord(f"a job's kind must have 1..{KIND_LENGTH} characters, got {new.kind[:80]!r}")
    id = f"{time.time_ns():016x}{secrets.token_hex(8)}"
    connection.execute(
        insert(jobs).values(
            id=id,
            kind=new.kind,
            collection=new.collection,
            owner=new.owner,
            options=values_text(new.options, "a job's options"),
            state=str(JobState.OPEN if new.open else JobState.WAITING),
            sealed=False,
            total=0,
            done=0,
            rejected=0,
            failed=0,
            pending_bytes=0,
            result="{}",
            message="",
            lease_until=0,
            attempts=0,
            claimed_at=0,
            created_at=clock.now(),
        )
    )
    return get(connection, id)


def row(connection: Connection, id: str, *, locked: bool = False) -> Row[Any]:
    """The row of a job; `locked` keeps others from changing it until the transaction ends. Raises UnknownJob."""
    query = select(jobs).where(jobs.c.id == id)
    found = connection.execute(query.with_for_update() if locked else query).one_or_none()
    if found is None:
        raise UnknownJob(f"there is no job {id[:64]!r}")
    return found


def get(connection: Connection, id: str) -> Job:
    """Raises UnknownJob."""
    return record(row(connection, id))


def page(
    connection: Connection,
    before: str | None,
    limit: int,
    collection: str | None,
    state: JobState | None,
    owner: str | None,
) -> list[Job]:
    """Newest first, those made before the job `before`."""
    query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(jobs.c.id < before)
    if collection is not None:
        query = query.where(jobs.c.collection == collection)
    if state is not None:
        query = query.where(jobs.c.state == str(state))
    if owner is not None:
        query = query.where(jobs.c.owner == owner)
    return [record(found) for found in connection.execute(query)]


def free(table: Table, now: int) -> ColumnElement[bool]:
    """Nobody holds it: its lease is over, or ends later than any lease can, since a clock was set back.

    A lease that another process took a moment after `now`, or by a clock that is ahead a little, is held.
    """
    return or_(table.c.lease_until <= now, table.c.lease_until > now + 2 * LEASE)


def new_lease(worker: str) -> str:
    """32 characters that nobody has had, the first ones naming the worker's process."""
    return (worker + secrets.token_hex(16))[:32]


def release(connection: Connection, worker: str) -> None:
    """Frees every job and item whose lease begins with `worker`."""
    if not worker:
        raise InvalidRecord("a worker to release needs a name")
    for table in (jobs, job_items):
        theirs = table.c.lease.startswith(worker, autoescape=True)
        connection.execute(update(table).where(theirs).values(lease=None, lease_until=0))


def active(connection: Connection) -> list[Row[Any]]:
    """Jobs that may have work, the one that waited longest first."""
    query = select(jobs).where(ACTIVE_JOBS).order_by(jobs.c.claimed_at, jobs.c.key)
    return list(connection.execute(query))


def is_any(connection: Connection, wanted: ColumnElement[bool]) -> bool:
    """Whether there is a job like this, held or not."""
    return connection.execute(select(jobs.c.key).where(wanted).limit(1)).first() is not None


def still_active(connection: Connection, found: Row[Any]) -> bool:
    """Whether the job may have work now; nobody else changes it until the transaction ends.

    Whoever locks items locks their job first: in one order, so that no two wait for each other.
    """
    query = select(jobs.c.state).where(jobs.c.key == found.key).with_for_update()
    state = connection.execute(query).scalar_one_or_none()
    return state is not None and JobState(state) in ACTIVE


def claim_whole(
    connection: Connection, wanted: ColumnElement[bool], suits: Callable[[Job], bool], worker: str
) -> Claim | None:
    """The job itself, to plan or to finish it. One that was given up too often has FAILED."""
    now = clock.now()
    query = select(jobs).where(wanted, free(jobs, now)).order_by(jobs.c.claimed_at, jobs.c.key)
    for found in connection.execute(query.with_for_update(skip_locked=True)).all():
        if not suits(record(found)):
            continue
        if found.attempts >= CLAIMED_AT_MOST:
            give_up(connection, found)
            continue
        lease = new_lease(worker)
        held = {"lease": lease, "lease_until": now + LEASE, "attempts": found.attempts + 1, "claimed_at": now}
        started = found.started_at or now
        connection.execute(update(jobs).where(jobs.c.key == found.key).values(**held, started_at=started))
        return Claim(get(connection, found.id), lease)
    return None


def give_up(connection: Connection, found: Row[Any]) -> None:
    """The job has FAILED: it was taken up again and again and never came to an end."""
    message = f"given up after {found.attempts} attempts that did not end; resume it to try again"
    end(connection, found, JobState.FAILED, message=message)


def held(connection: Connection, claim: Claim) -> Row[Any]:
    """The row of a job that is active and, where no items are claimed, held by this claim. Raises LeaseLost."""
    found = row(connection, claim.job.id, locked=True)
    if JobState(found.state) not in ACTIVE:
        raise LeaseLost(f"job {found.id} is {found.state}; work on it was not written")
    if not claim.items and found.lease != claim.lease:
        raise LeaseLost(f"another worker holds job {found.id}; work on it was not written")
    return found


def renew(connection: Connection, claim: Claim) -> None:
    """Holds the job, or the claimed items, for another LEASE from now. Raises LeaseLost."""
    found = held(connection, claim)
    until = clock.now() + LEASE
    if not claim.items:
        connection.execute(update(jobs).where(jobs.c.key == found.key).values(lease_until=until))
        return
    mine = (job_items.c.job_key == found.key, job_items.c.lease == claim.lease)
    renewed = connection.execute(update(job_items).where(*mine).values(lease_until=until)).rowcount
    if not renewed:
        raise LeaseLost(f"another worker holds these items of job {found.id}")


def progressed(connection: Connection, found: Row[Any]) -> None:
    """Planning came further than it ever was: however often it was begun, it is not what ends its workers."""
    connection.execute(update(jobs).where(jobs.c.key == found.key).values(attempts=1))


def let_go(connection: Connection, claim: Claim, *, progressed: bool) -> None:
    """Gives back what is held, for anybody to take up. progressed: the attempt does not count as one."""
    found = row(connection, claim.job.id, locked=True)
    if claim.items:
        mine = (job_items.c.job_key == found.key, job_items.c.lease == claim.lease)
        values: dict[str, Any] = {"lease": None, "lease_until": 0}
        if progressed:
            values["attempts"] = job_items.c.attempts - 1
        connection.execute(update(job_items).where(*mine).values(**values))
    elif found.lease == claim.lease:
        attempts = 0 if progressed else found.attempts
        connection.execute(
            update(jobs).where(jobs.c.key == found.key).values(lease=None, lease_until=0, attempts=attempts)
        )


def seal(connection: Connection, found: Row[Any]) -> None:
    """No item is to come: the job is RUNNING, and ends when its items are settled."""
    values = {"state": str(JobState.RUNNING), "sealed": True, "lease": None, "lease_until": 0, "attempts": 0}
    connection.execute(update(jobs).where(jobs.c.key == found.key).values(**values))


def end(
    connection: Connection,
    found: Row[Any],
    state: JobState,
    *,
    message: str = "",
    result: Values | None = None,
) -> None:
    """DONE, FAILED or CANCELLED: nobody holds anything of it any more."""
    values: dict[str, Any] = {
        "state": str(state),
        "message": message[:4000],
        "lease": None,
        "lease_until": 0,
        "attempts": 0,
        "ended_at": clock.now(),
    }
    if result is not None:
        values["result"] = values_text(result, "a job's result")
    connection.execute(update(jobs).where(jobs.c.key == found.key).values(**values))
    mine = (job_items.c.job_key == found.key, job_items.c.lease.is_not(None))
    connection.execute(update(job_items).where(*mine).values(lease=None, lease_until=0))


def cancel(connection: Connection, id: str) -> Job:
    """Raises UnknownJob, JobConflict where it ended otherwise. What is done stays done."""
    found = row(connection, id, locked=True)
    state = JobState(found.state)
    if state is JobState.CANCELLED:
        return record(found)
    if state not in ACTIVE:
        raise JobConflict(f"job {id} is {state}; only a job that has not ended can be cancelled")
    end(connection, found, JobState.CANCELLED)
    return get(connection, id)


def resume(connection: Connection, id: str) -> Job:
    """Goes on with a job that was CANCELLED or FAILED, or that left items FAILED behind; those are tried again.

    Raises UnknownJob, JobConflict.
    """
    found = row(connection, id, locked=True)
    state = JobState(found.state)
    if state in ACTIVE:
        raise JobConflict(f"job {id} is {state}; there is nothing to resume")
    if state is JobState.DONE and not found.failed:
        raise JobConflict(f"job {id} is done and none of its items failed; there is nothing to resume")
    again = (job_items.c.job_key == found.key, job_items.c.state == "failed")
    connection.execute(
        update(job_items)
        .where(*again)
        .values(state="waiting", attempts=0, reasons="[]", message="", settled_at=None)
    )
    onward = JobState.RUNNING if found.sealed else JobState.WAITING
    values = {"state": str(onward), "failed": 0, "message": "", "ended_at": None, "claimed_at": 0}
    connection.execute(update(jobs).where(jobs.c.key == found.key).values(**values))
    return get(connection, id)


def remove(connection: Connection, id: str) -> None:
    """The record of a job that ended, with items, uploads and findings. Raises UnknownJob, JobConflict."""
    found = row(connection, id, locked=True)
    if JobState(found.state) in ACTIVE:
        raise JobConflict(f"job {id} is {found.state}; cancel it before its record is deleted")
    _remove(connection, jobs.c.key == found.key)


def forget_before(connection: Connection, microseconds: int) -> None:
    """Removes the records of jobs that ended earlier."""
    _remove(connection, jobs.c.ended_at < microseconds)


def _remove(connection: Connection, which: ColumnElement[bool]) -> None:
    keys = select(jobs.c.key).where(which)
    for table in (job_findings, job_items):
        connection.execute(delete(table).where(table.c.job_key.in_(keys)))
    connection.execute(delete(jobs).where(which))


def unsettled(connection: Connection) -> list[Going]:
    """The jobs that have not ended, by kind and state."""
    settled = jobs.c.done + jobs.c.rejected + jobs.c.failed
    counts = func.count(), func.sum(settled), func.sum(jobs.c.total - settled)
    query = select(jobs.c.kind, jobs.c.state, *counts).where(ACTIVE_JOBS)
    found = connection.execute(query.group_by(jobs.c.kind, jobs.c.state))
    return [Going(kind, state, count, int(done), int(left)) for kind, state, count, done, left in found]


def record(found: Row[Any]) -> Job:
    """A stored row as the caller sees it."""
    return Job(
        id=found.id,
        kind=found.kind,
        collection=found.collection,
        owner=found.owner,
        options=metadata_object(found.options),
        state=JobState(found.state),
        sealed=found.sealed,
        items=found.total,
        done=found.done,
        rejected=found.rejected,
        failed=found.failed,
        pending_bytes=found.pending_bytes,
        result=metadata_object(found.result),
        message=found.message,
        created_at=clock.moment(found.created_at),
        started_at=None if found.started_at is None else clock.moment(found.started_at),
        ended_at=None if found.ended_at is None else clock.moment(found.ended_at),
    )
