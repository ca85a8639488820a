"""The queue of jobs, in the store of the gallery: made, planned, claimed, settled, ended. Does no work itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_

from index.audit import Audit
from index.audit_records import Action, Note
from index.job_records import (
    Claim,
    FindingRecord,
    Going,
    ItemRecord,
    ItemState,
    Job,
    JobState,
    NewItem,
    NewJob,
    Values,
)
from index.records import Receipt
from index.store import clock, job_items, jobs, receipts
from index.store.base import TemplateStore
from index.store.schema import jobs as table

T = TypeVar("T")

DAY = 86_400_000_000

Suits = Callable[[Job], bool]
"""Whether a worker can do a job at all."""


def _any(_: Job) -> bool:
    return True


class Jobs:
    """Jobs of one store. Safe for any number of threads and processes.

    Work is held by a lease. Whoever lost it, to another worker or to a cancellation, gets LeaseLost and has written
    nothing: `Gallery.settle` writes what an item leads to and that it is settled in one transaction, so each item
    has its effect once, however often it was begun. Raises StoreUnavailable everywhere.
    """

    def __init__(self, store: TemplateStore, audit: Audit) -> None:
        self._store = store
        self._audit = audit
        self._news = threading.Condition()

    # For whoever asks

    def create(self, new: NewJob, items: Sequence[NewItem] = (), receipt: Receipt | None = None) -> Job:
        """A job with its first items, together. Raises InvalidRecord, and as writes with a receipt do."""

        def make(connection: Connection) -> Job:
            if receipt is not None:
                receipts.claim(connection, receipt)
            made = jobs.create(connection, new)
            job_items.add(connection, jobs.row(connection, made.id), items)
            made = jobs.get(connection, made.id)
            if receipt is not None:
                receipts.keep(connection, receipt, made)
            self._noted(connection, Action.JOB_MADE, made)
            return made

        return self._change(make)

    def get(self, id: str) -> Job:
        """Raises UnknownJob."""
        return self._read(lambda c: jobs.get(c, id))

    def page(
        self,
        before: str | None = None,
        limit: int = 100,
        *,
        collection: str | None = None,
        state: JobState | None = None,
        owner: str | None = None,
    ) -> list[Job]:
        """Newest first, those made before the job `before`."""
        return self._read(lambda c: jobs.page(c, before, limit, collection, state, owner))

    def items(
        self, id: str, after: int | None = None, limit: int = 100, state: ItemState | None = None
    ) -> list[ItemRecord]:
        """Items in the order they came, beyond the key `after`. Raises UnknownJob."""
        return self._read(lambda c: job_items.page(c, id, after, limit, state))

    def findings(self, id: str, after: int | None = None, limit: int = 100) -> list[FindingRecord]:
        """What a job found, in the order it was written, beyond the key `after`. Raises UnknownJob."""
        return self._read(lambda c: job_items.findings(c, id, after, limit))

    def unsettled(self) -> list[Going]:
        """The jobs that have not ended, by kind and state."""
        return self._read(jobs.unsettled)

    def pending_bytes(self) -> int:
        """Bytes of uploads that wait, of all jobs."""
        return self._read(job_items.pending_bytes)

    def add(self, id: str, items: Sequence[NewItem]) -> int:
        """Items of an OPEN job; those whose keys it has are left as they are. How many were new.

        Raises UnknownJob, JobConflict, InvalidRecord.
        """

        def add(connection: Connection) -> int:
            fresh = job_items.add_by_owner(connection, id, items)
            self._noted(connection, Action.JOB_UPLOAD, jobs.get(connection, id))
            return fresh

        return self._change(add)

    def start(self, id: str) -> Job:
        """Nothing more is to be added to an OPEN job. Raises UnknownJob, JobConflict."""

        def sealed(connection: Connection) -> Job:
            job_items.add_by_owner(connection, id, ())
            jobs.seal(connection, jobs.row(connection, id))
            return self._noted(connection, Action.JOB_STARTED, jobs.get(connection, id))

        return self._change(sealed)

    def cancel(self, id: str) -> Job:
        """Ends a job now; work under way on it is not written. Raises UnknownJob, JobConflict."""
        return self._change(lambda c: self._noted(c, Action.CANCELLED, jobs.cancel(c, id)))

    def resume(self, id: str) -> Job:
        """Goes on where a job was, and tries its FAILED items again. Raises UnknownJob, JobConflict."""
        return self._change(lambda c: self._noted(c, Action.JOB_RESUMED, jobs.resume(c, id)))

    def remove(self, id: str) -> None:
        """Deletes the record of a job that ended, with uploads and findings. Raises UnknownJob, JobConflict."""

        def remove(connection: Connection) -> None:
            gone = jobs.get(connection, id)
            jobs.remove(connection, id)
            self._noted(connection, Action.JOB_DELETED, gone)

        self._change(remove)

    def forget(self, days: float) -> None:
        """Deletes the records of jobs that ended more than so many days ago."""
        self._change(lambda c: jobs.forget_before(c, clock.now() - int(days * DAY)))

    # For workers

    # worker: up to 16 characters that begin every lease of one process, by which `release` knows them.

    def claim_plan(self, suits: Suits = _any, worker: str = "") -> Claim | None:
        """A job that waits to be planned."""
        waiting = table.c.state == str(JobState.WAITING)
        return self._claim(waiting, lambda c: jobs.claim_whole(c, waiting, suits, worker))

    def claim_items(self, most: Callable[[Job], int], worker: str = "") -> Claim | None:
        """Items of one job, as many as `most` says of it; 0 where this worker cannot do it. Jobs take turns."""
        return self._claim(jobs.ACTIVE_JOBS, lambda c: job_items.claim(c, most, worker))

    def claim_finish(self, suits: Suits = _any, worker: str = "") -> Claim | None:
        """A job of which every item is settled."""
        settled = table.c.done + table.c.rejected + table.c.failed
        wanted = and_(table.c.state == str(JobState.RUNNING), settled >= table.c.total)
        return self._claim(wanted, lambda c: jobs.claim_whole(c, wanted, suits, worker))

    def release(self, worker: str) -> None:
        """Frees at once what a process held that is known to be dead; its leases would end later by themselves."""
        self._change(lambda c: jobs.release(c, worker))

    def renew(self, claim: Claim) -> None:
        """Holds the claim for another lease. Raises LeaseLost."""
        self._work(lambda c: jobs.renew(c, claim))

    def let_go(self, claim: Claim, *, progressed: bool = False) -> None:
        """Gives work back. progressed: it was not the work's fault, and does not count as an attempt."""
        self._change(lambda c: jobs.let_go(c, claim, progressed=progressed))

    def listed(self, claim: Claim, items: Sequence[NewItem]) -> int:
        """Items found by whoever plans or finishes the job; known keys are left as they are. Raises LeaseLost."""

        def add(connection: Connection) -> int:
            found = jobs.held(connection, claim)
            jobs.renew(connection, claim)
            fresh = job_items.add(connection, found, items)
            if fresh:
                jobs.progressed(connection, found)
            return fresh

        return self._change(add)

    def planned(self, claim: Claim) -> None:
        """Every item is listed. Raises LeaseLost."""
        self._change(lambda c: jobs.seal(c, jobs.held(c, claim)))

    def finished(self, claim: Claim, result: Values) -> None:
        """The job is DONE. Raises LeaseLost."""
        self._change(lambda c: jobs.end(c, jobs.held(c, claim), JobState.DONE, result=result))

    def failed(self, claim: Claim, message: str) -> None:
        """The job has FAILED as a whole, for a reason that another attempt would not change. Raises LeaseLost."""
        self._change(lambda c: jobs.end(c, jobs.held(c, claim), JobState.FAILED, message=message))

    def wait(self, seconds: float) -> None:
        """Returns when this process changed a job, or after so long; other processes are not heard."""
        with self._news:
            self._news.wait(seconds)

    def wake(self) -> None:
        """Ends every `wait` of this process."""
        with self._news:
            self._news.notify_all()

    def _noted(self, connection: Connection, action: Action, job: Job) -> Job:
        self._audit.append(connection, [Note(action, job.collection, about=job.kind, job=job.id)])
        return job

    def _read(self, ask: Callable[[Connection], T]) -> T:
        with self._store.read() as connection:
            return ask(connection)

    def _claim(self, wanted: ColumnElement[bool], take: Callable[[Connection], Claim | None]) -> Claim | None:
        # Workers ask all the time, and a claim takes a turn among the writers: first it is seen that there is one.
        return self._work(take) if self._read(lambda c: jobs.is_any(c, wanted)) else None

    def _work(self, take: Callable[[Connection], T]) -> T:
        with self._store.work() as connection:
            return take(connection)

    def _change(self, change: Callable[[Connection], T]) -> T:
        with self._store.work() as connection:
            changed = change(connection)
        self.wake()
        return changed
