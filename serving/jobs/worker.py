"""Does jobs: threads that claim, plan, work, settle and finish, and hold their leases meanwhile. Knows no kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from time import monotonic
from traceback import extract_tb

import structlog

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull
from index.audit_records import Actor, acting
from index.errors import (
    ContractMismatch,
    EngineBehind,
    EngineUnavailable,
    FormConflict,
    LeaseLost,
    StoreUnavailable,
    UnknownCollection,
    UnknownForm,
    UnknownJob,
)
from index.job_records import Claim, ItemState, Job, Outcome
from index.store.jobs import LEASE
from index.writing import Settlement, Writing
from serving.jobs import results
from serving.jobs.forgotten_exports import ForgottenExports
from serving.jobs.kind import JobFailure, Kind, Write
from serving.jobs.presence import Presence
from serving.service import Service

log = structlog.get_logger()

RENEW_SECONDS = LEASE / 1e6 / 4
IDLE_SECONDS = 1.0
"""How long an idle thread waits before it asks again: jobs made by other processes are not heard."""
WATCH_SECONDS = 1.0
"""How often the keeper looks for workers that died."""
DAY_SECONDS = 86_400.0
FORGET_SECONDS = 300.0
"""How often files are looked through for persons who were deleted since."""

GONE = (LeaseLost, UnknownJob)
"""The work is another's now, or its job has ended or was deleted."""
LATER = (StoreUnavailable, EngineBehind, EngineUnavailable, QueueFull, DeadlineExceeded, Closed)
"""No fault of the work: what is not settled is given back, and goes on when the service can."""


class Worker:
    """The jobs of one service, in threads of this process. `start` it once, `stop` it once."""

    def __init__(self, service: Service, kinds: Mapping[str, Kind], threads: int) -> None:
        """threads: claims worked on at the same time."""
        self._service = service
        self._jobs = service.gallery.jobs
        self._kinds = kinds
        self._forgotten = ForgottenExports(service)
        self._presence = Presence(service.settings.folder / "workers")
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._holding: dict[str, Claim] = {}
        self._owed: list[Claim] = []
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"job-worker-{at}", daemon=True) for at in range(threads)
        ]
        self._keeper = threading.Thread(target=self._keep, name="job-leases", daemon=True)

    def start(self) -> None:
        """Takes over what dead workers of this machine held, and begins."""
        self._attempt(self._take_over)
        for thread in (*self._threads, self._keeper):
            thread.start()

    def stop(self) -> None:
        """Returns when the claims under way are settled; no other is begun."""
        self._stopping.set()
        self._jobs.wake()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._repay()
        self._ended.set()
        if self._keeper.ident is not None:
            self._keeper.join()
        self._presence.close()

    def once(self) -> bool:
        """Does one claim, of whatever is next, in the calling thread; False when there was nothing to do.

        Raises what LATER names when the service cannot do it now; the work is given back then.
        """
        self._repay()
        # Ends come before items: a small job must not wait for its end until a large one has no item left.
        return self._plan() or self._finish() or self._work()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.once() and not self._stopping.is_set():
                    self._jobs.wait(IDLE_SECONDS)
            except LATER as error:
                log.warning("jobs wait: the service cannot work on them now", kind=type(error).__name__)
                self._stopping.wait(IDLE_SECONDS)
            except Exception as error:
                log.error("a job's worker failed and goes on", **_told(error))
                self._stopping.wait(IDLE_SECONDS)

    def _plan(self) -> bool:
        claim = self._jobs.claim_plan(self._suits, self._presence.name)
        if claim is None:
            return False
        with self._held(claim):
            for items in self._kinds[claim.job.kind].plan(self._service, claim.job):
                self._jobs.listed(claim, items)
                if self._stopping.is_set():
                    self._jobs.let_go(claim, progressed=True)
                    return True
            self._jobs.planned(claim)
        return True

    def _work(self) -> bool:
        claim = self._jobs.claim_items(self._batch, self._presence.name)
        if claim is None:
            return False
        with self._held(claim):
            self._settle(claim, self._kinds[claim.job.kind].work(self._service, claim))
        return True

    def _finish(self) -> bool:
        claim = self._jobs.claim_finish(self._suits, self._presence.name)
        if claim is None:
            return False
        with self._held(claim):
            result = self._kinds[claim.job.kind].finish(self._service, claim)
            if result is None:
                # One that lists nothing and does not end would be asked for ever: it uses up its attempts.
                more = self._jobs.get(claim.job.id).items > claim.job.items
                self._jobs.let_go(claim, progressed=more)
            else:
                self._jobs.finished(claim, result)
        return True

    def _settle(self, claim: Claim, write: Write) -> None:
        settled = self._service.gallery.settle(claim, write)
        if len(settled.outcomes) < len(claim.items):
            self._jobs.let_go(claim)

    def _batch(self, job: Job) -> int:
        return self._kinds[job.kind].batch if self._suits(job) else 0

    def _suits(self, job: Job) -> bool:
        kind = self._kinds.get(job.kind)
        try:
            return kind is not None and kind.suits(self._service, job)
        except StoreUnavailable:
            raise
        except Exception as error:
            # This job alone waits: the others of this process must not.
            log.error("a job could not be judged", job=job.id, **_told(error))
            return False

    @contextmanager
    def _held(self, claim: Claim) -> Iterator[None]:
        """Holds the claim while the block runs, and sees to it that trouble in the block ends as it should."""
        with self._lock:
            self._holding[claim.lease] = claim
        try:
            with (
                acting(Actor("worker", job=claim.job.id)),
                suppress(*GONE),
                self._service.traced("job", **_span(claim)),
            ):
                try:
                    yield
                except GONE:
                    log.info(
                        "work on a job was not written: it has ended or another holds it", job=claim.job.id
                    )
                except LATER:
                    self._give_back(claim)
                    raise
                except (ContractMismatch, UnknownForm) as error:
                    if all(item.attempts > 1 for item in claim.items):
                        self._jobs.failed(claim, str(error))
                    else:
                        # The collection's forms may have been exchanged since: another try embeds by its new pack.
                        self._jobs.let_go(claim)
                except (JobFailure, UnknownCollection, FormConflict) as error:
                    self._jobs.failed(claim, str(error))
                except Exception as error:
                    log.error("work on a job failed", job=claim.job.id, **_told(error))
                    self._failed(claim, error)
        finally:
            with self._lock:
                del self._holding[claim.lease]

    def _give_back(self, claim: Claim) -> None:
        """It counts as no attempt, even where the store cannot be told so yet: a full disk must use up none."""
        try:
            with suppress(*GONE):
                self._jobs.let_go(claim, progressed=True)
        except StoreUnavailable:
            with self._lock:
                self._owed.append(claim)

    def _repay(self) -> None:
        with self._lock:
            owed, self._owed = self._owed, []
        for claim in owed:
            self._give_back(claim)

    def _failed(self, claim: Claim, error: Exception) -> None:
        """Nobody foresaw the error: several items are tried again one by one, one alone or a whole job has failed."""
        kind = type(error).__name__
        if len(claim.items) > 1:
            self._jobs.let_go(claim)
        elif claim.items:
            message = f"it could not be done ({kind}); the log of the service has the place"
            outcome = Outcome(claim.items[0].key, ItemState.FAILED, ("error",), message)

            def failed(_: Writing) -> Settlement:
                return Settlement([outcome])

            self._settle(claim, failed)
        else:
            message = (
                f"it failed as a whole ({kind}); the log of the service has the place; resume it to try again"
            )
            self._jobs.failed(claim, message)

    def _keep(self) -> None:
        """Renews leases, takes over from the dead, and forgets what is old, until the last claim is settled."""
        renewed, forgotten, looked = monotonic(), -DAY_SECONDS, monotonic()
        while True:
            if monotonic() - renewed >= RENEW_SECONDS:
                renewed = monotonic()
                self._attempt(self._renew)
            if monotonic() - forgotten >= DAY_SECONDS:
                forgotten = monotonic()
                self._attempt(self._forget)
            if monotonic() - looked >= FORGET_SECONDS:
                looked = monotonic()
                self._attempt(self._forgotten.remove)
            if self._ended.wait(min(WATCH_SECONDS, RENEW_SECONDS)):
                return
            self._attempt(self._take_over)

    def _renew(self) -> None:
        with self._lock:
            holding = list(self._holding.values())
        for claim in holding:
            # Whoever holds a lost claim is told when it writes.
            with suppress(*GONE):
                self._jobs.renew(claim)

    def _take_over(self) -> None:
        for name in self._presence.dead():
            self._jobs.release(name)

    def _forget(self) -> None:
        self._jobs.forget(self._service.settings.job_days)
        results.sweep(self._service)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Runs a step that will be run again; a thread that keeps leases must outlive any trouble."""
        try:
            step()
        except StoreUnavailable:
            log.warning("the store cannot answer; what keeps jobs is tried again")
        except Exception as error:
            log.error("what keeps jobs failed and is tried again", **_told(error))


def _span(claim: Claim) -> dict[str, str | int]:
    return {
        "cocircle.job.kind": claim.job.kind,
        "cocircle.job.id": claim.job.id,
        "cocircle.job.items": len(claim.items),
    }


def _told(error: BaseException) -> dict[str, object]:
    """What a log line may say of an error: its kind and its place, never its words, which name files and persons."""
    frames = extract_tb(error.__traceback__)[-6:]
    return {"kind": type(error).__name__, "at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames]}
