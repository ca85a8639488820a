"""A collection changes its contract while clients ask and write through the real application, or is killed at it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic

import httpx
import pytest

from index.job_records import ACTIVE, Job, JobState
from serving.jobs.kind import Kind
from serving.jobs.kinds.reembed import REEMBED
from serving.jobs.kinds.rollback import ROLLBACK
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.service import Service
from tests.serving.jobs.made_jobs import run
from tests.serving.jobs.reembed_kit import (
    NEW,
    OLD,
    PEOPLE,
    contract_of,
    enrol,
    fill,
    finds,
    held,
    http_of,
    identify,
    make,
    named,
    two_packs,
)

COUNT = 160
LIMIT = 60.0
KNOWN, GONE = range(30), range(30, 110)
"""Who stays, and who is deleted one by one."""
FRESH = 1000
"""From when on persons are new."""


class Traffic:
    """Clients that ask and write until they are told to stop; what they see must be right at every moment."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stop = Event()
        self.changed = Event()
        self.contracts: list[str] = []
        self.enrolled: list[int] = []
        self.deleted: list[int] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        clients: list[Callable[[], None]] = [self._asks, self._asks, self._enrols, self._deletes]
        with ThreadPoolExecutor(len(clients)) as pool:
            running: list[Future[None]] = [pool.submit(client) for client in clients]
            try:
                yield
            finally:
                self._stop.set()
        for one in running:
            one.result()

    def _asks(self) -> None:
        chance, seen = random.Random(4), [""]
        for number in count():
            if self._stop.is_set():
                return
            person = chance.choice(KNOWN)
            answer = identify(self._http, person, number % 50)
            assert named(answer) == [f"p{person}"]
            if contract_of(answer) != seen[-1]:
                seen.append(contract_of(answer))
            # Each client sees the old contract, then the new one, and never the old one again.
            assert len(seen) <= 3, seen
            self.contracts.append(contract_of(answer))
            if self.deleted:
                assert named(identify(self._http, chance.choice(self.deleted))) == []

    def _enrols(self) -> None:
        for person in count(FRESH):
            if self._stop.is_set():
                return
            key = {"Idempotency-Key": f"k{person}"}
            first = enrol(self._http, person, **key)
            assert first.status_code == 201, first.text
            again = enrol(self._http, person, **key)
            assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
            assert named(identify(self._http, person)) == [f"p{person}"]
            self.enrolled.append(person)

    def _deletes(self) -> None:
        for person in GONE:
            if self._stop.is_set():
                return
            answer = self._http.delete(f"/v1/collections/{PEOPLE}/persons/p{person}")
            assert answer.status_code == 204, answer.text
            assert named(identify(self._http, person)) == []
            self.deleted.append(person)


def done_under_traffic(service: Service, http: httpx.Client, job: Job) -> tuple[Job, Traffic]:
    """The job, done by a worker of two threads while clients come and go, and for a moment before and after."""
    traffic = Traffic(http)
    worker = Worker(service, KINDS, 2)
    with traffic.flowing():
        until(lambda: len(traffic.contracts) > 5)
        worker.start()
        until(lambda: service.gallery.jobs.get(job.id).state not in ACTIVE)
        asked = len(traffic.contracts)
        until(lambda: len(traffic.contracts) > asked + 10)
        worker.stop()
    return service.gallery.jobs.get(job.id), traffic


def until(true: Callable[[], bool]) -> None:
    """Returns once it is true, which it asks a hundred times a second, and fails after LIMIT."""
    begun, never = monotonic(), Event()
    while not true():
        assert monotonic() - begun < LIMIT
        never.wait(0.01)


def afterwards(service: Service, http: httpx.Client, traffic: Traffic, contract: str) -> None:
    """Everybody is there who should be, and nobody else, in every form of the collection."""
    assert all(finds(service, person, contract) == [f"p{person}"] for person in traffic.enrolled)
    assert all(finds(service, person, contract) == [] for person in traffic.deleted)
    people = {f"p{person}" for person in range(COUNT)} - {f"p{person}" for person in traffic.deleted}
    assert held(service).keys() >= people | {f"p{person}" for person in traffic.enrolled}
    live, _ = http.get(f"/v1/collections/{PEOPLE}").json()["forms"]
    assert (live["role"], live["contract_id"]) == ("live", contract)


@pytest.mark.parametrize("going_back", [False, True], ids=["reembed", "rollback"])
def test_no_client_sees_a_wrong_answer_or_an_error_while_the_contract_changes(
    tmp_path: Path, going_back: bool
) -> None:
    with two_packs(tmp_path, seconds=0.002) as service, http_of(service) as http:
        fill(service, COUNT)
        kind: Kind = REEMBED
        before, after = OLD, NEW
        if going_back:
            run(service, REEMBED, make(service, REEMBED, to="new"))
            # Much has changed since, so that there is something to bring in step.
            fill_more(service)
            kind, before, after = ROLLBACK, NEW, OLD
        job = make(service, kind, **({} if going_back else {"to": "new"}))
        job, traffic = done_under_traffic(service, http, job)
        assert job.state is JobState.DONE, job.message
        assert (job.result["switched"], job.result["missing"]) == (True, 0)
        assert traffic.contracts[0] == before
        assert traffic.contracts[-1] == after
        assert traffic.enrolled
        assert traffic.deleted
        afterwards(service, http, traffic, after)
        # The other form forgot the same people: going there finds none of them.
        assert run(service, ROLLBACK, make(service, ROLLBACK)).result["switched"]
        afterwards(service, http, traffic, before)


def fill_more(service: Service) -> None:
    """A further photo of everybody."""
    with http_of(service) as http:
        for person in range(0, COUNT, 4):
            assert enrol(http, person, 7).status_code == 201


def worked_until_killed(home: Path, job: str, items: int, delay: float) -> bool:
    """A process works on the job and is killed `delay` seconds after so many items; False where it came to its end."""
    words = [sys.executable, "-m", "tests.serving.jobs.reembed_child", str(home), job]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        begun = None
        while line := process.stdout.readline():
            begun = int(line) if begun is None else begun
            if int(line) >= begun + items:
                break
        with suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        alive = process.poll() is None
        if alive:
            process.send_signal(signal.SIGKILL)
    return alive


@pytest.mark.slow
def test_a_killed_re_embedding_goes_on_and_its_end_is_that_of_one_nothing_happened_to(tmp_path: Path) -> None:
    with two_packs(tmp_path) as service:
        fill(service, COUNT)
        before = held(service)
        job = make(service, REEMBED, to="new")
    chance = random.Random(20260401)
    kills = [worked_until_killed(tmp_path, job.id, items, chance.uniform(0, 0.05)) for items in (0, 1, 2)]
    assert any(kills)
    with two_packs(tmp_path) as service:
        job = run(service, REEMBED, service.gallery.jobs.get(job.id))
        assert (job.state, job.result["switched"], job.result["persons"]) == (JobState.DONE, True, COUNT)
        assert held(service) == before
        assert all(finds(service, person, NEW) == [f"p{person}"] for person in range(COUNT))
        run(service, ROLLBACK, make(service, ROLLBACK))
        assert all(finds(service, person, OLD) == [f"p{person}"] for person in range(COUNT))
