"""The worker: every item has its effect once, whatever raises, is lost, cancelled or stopped under way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
import structlog

from index.errors import EngineBehind, StoreUnavailable
from index.gallery import Gallery, GallerySettings
from index.job_records import Claim, Job, JobState, NewItem, NewJob, Values
from index.records import NewCollection
from index.store import clock, jobs
from serving.jobs import worker as module
from serving.jobs.kind import JobFailure
from serving.jobs.presence import Presence
from serving.jobs.worker import Worker
from serving.service import Service
from tests.serving.jobs.fake import CONTRACT, Fake, stand_in

LIMIT = 30.0


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(GallerySettings(path=tmp_path / "gallery", background=False)) as opened:
        opened.create_collection(NewCollection("people", CONTRACT, 8))
        yield opened


@pytest.fixture
def kind() -> Fake:
    return Fake()


@pytest.fixture
def service(gallery: Gallery, tmp_path: Path) -> Service:
    return stand_in(gallery, tmp_path)


@pytest.fixture
def start(service: Service, kind: Fake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Worker]]:
    """Starts workers; those that a test has not stopped are stopped at its end."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.02)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.02)
    started: list[Worker] = []

    def begin(threads: int = 1, kind: Fake = kind) -> Worker:
        worker = Worker(service, {kind.name: kind}, threads)
        started.append(worker)
        worker.start()
        return worker

    yield begin
    for worker in started:
        worker.stop()


def made(gallery: Gallery, count: int) -> str:
    return gallery.jobs.create(NewJob("enroll", "people", options={"count": count})).id


def until(gallery: Gallery, true: Callable[[], bool]) -> None:
    """Waits for what a worker does; fails after LIMIT seconds."""
    end = monotonic() + LIMIT
    while not true():
        assert monotonic() < end, "it did not come to pass"
        gallery.jobs.wait(0.02)


def ended(gallery: Gallery, id: str) -> Job:
    until(gallery, lambda: gallery.jobs.get(id).ended_at is not None)
    return gallery.jobs.get(id)


class Gate:
    """Where a kind's step stops until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, *_: object) -> None:
        self.reached.set()
        assert self.opened.wait(LIMIT)

    def wait(self) -> None:
        assert self.reached.wait(LIMIT)


def test_threads_do_every_item_once(gallery: Gallery, kind: Fake, start: Callable[..., Worker]) -> None:
    seen: list[str] = []
    kind.on_work = lambda claim: seen.extend(item.item for item in claim.items)
    ids = [made(gallery, 60), made(gallery, 45)]
    start(threads=4)
    done = [ended(gallery, id) for id in ids]
    assert [(job.state, job.items, job.done) for job in done] == [
        (JobState.DONE, 60, 60),
        (JobState.DONE, 45, 45),
    ]
    assert done[0].result == {"seen": 60}
    assert len(seen) == 105
    assert gallery.collection("people").faces == 105


def test_an_exception_fails_its_own_item_alone_and_says_nothing_of_what_it_said(
    gallery: Gallery, kind: Fake, service: Service
) -> None:
    def work(claim: Claim) -> None:
        if any(item.item == "item-2" for item in claim.items):
            raise ValueError("/photos/ada/1.jpg")

    kind.on_work = work
    id = made(gallery, 8)
    worker = Worker(service, {kind.name: kind}, 1)
    with structlog.testing.capture_logs() as logs:
        while worker.once():
            pass
    job = gallery.jobs.get(id)
    assert (job.state, job.done, job.failed) == (JobState.DONE, 7, 1)
    (failed,) = [item for item in gallery.jobs.items(id) if item.state == "failed"]
    assert (failed.item, failed.reasons, failed.attempts) == ("item-2", ("error",), 2)
    assert "ValueError" in failed.message
    assert "ada" not in failed.message
    assert "ValueError" in str(logs)
    assert "ada" not in str(logs)
    worker.stop()


@pytest.mark.parametrize("trouble", [StoreUnavailable("no"), EngineBehind("not yet")])
def test_work_that_the_service_cannot_do_now_goes_on_later_and_costs_no_attempt(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker], trouble: Exception
) -> None:
    raised: list[int] = []

    def work(_: Claim) -> None:
        if len(raised) < 2 * jobs.CLAIMED_AT_MOST:
            raised.append(1)
            raise trouble

    kind.on_work = work
    id = made(gallery, 4)
    start()
    assert ended(gallery, id).done == 4
    assert {item.attempts for item in gallery.jobs.items(id)} == {1}


def test_a_settlement_that_the_store_refuses_is_tried_again_and_written_once(
    gallery: Gallery, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, refused = gallery.settle, []

    def full(claim: Claim, work: object) -> object:
        if len(refused) < 3:
            refused.append(1)
            raise StoreUnavailable("database or disk is full")
        return settle(claim, work)  # type: ignore[arg-type]

    monkeypatch.setattr(gallery, "settle", full)
    id = made(gallery, 6)
    start()
    assert ended(gallery, id).done == 6
    assert gallery.collection("people").faces == 6


def test_an_engine_that_is_behind_after_the_write_costs_nothing(
    gallery: Gallery, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = gallery.settle

    def behind(claim: Claim, work: object) -> object:
        settle(claim, work)  # type: ignore[arg-type]
        raise EngineBehind("durable, not searchable", write_committed=True)

    monkeypatch.setattr(gallery, "settle", behind)
    id = made(gallery, 6)
    start()
    assert (ended(gallery, id).done, gallery.collection("people").faces) == (6, 6)


def test_whoever_lost_its_lease_under_way_writes_nothing(
    gallery: Gallery, kind: Fake, service: Service, start: Callable[..., Worker]
) -> None:
    gate, slow = Gate(), Fake()
    slow.on_work = gate
    id = made(gallery, 4)
    late = start(kind=slow)
    gate.wait()
    gallery.jobs.release(late._presence.name)
    other = Worker(service, {kind.name: kind}, 1)
    while other.once():
        pass
    assert ended(gallery, id).done == 4
    with structlog.testing.capture_logs() as logs:
        gate.opened.set()
        late.stop()
    assert any("not written" in line["event"] for line in logs)
    assert gallery.collection("people").faces == 4
    other.stop()


def test_a_job_cancelled_under_way_writes_nothing_more_and_the_worker_goes_on(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    gate = Gate()
    kind.on_work = gate
    id = made(gallery, 4)
    start()
    gate.wait()
    gallery.jobs.cancel(id)
    gate.opened.set()
    assert ended(gallery, made(gallery, 3)).done == 3
    assert (gallery.jobs.get(id).state, gallery.jobs.get(id).done) == (JobState.CANCELLED, 0)
    assert gallery.collection("people").faces == 3


def test_a_job_whose_record_is_deleted_under_way_harms_no_thread(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    gate = Gate()
    kind.on_work = gate
    id = made(gallery, 4)
    worker = start()
    gate.wait()
    gallery.jobs.cancel(id)
    gallery.jobs.remove(id)
    renewals = renewals_of(gallery, monkeypatch)
    with structlog.testing.capture_logs() as logs:
        assert renewals.acquire(timeout=LIMIT)
        assert renewals.acquire(timeout=LIMIT), "the keeper goes on after a lease that is gone"
        gate.opened.set()
        assert ended(gallery, made(gallery, 3)).done == 3
    assert worker._keeper.is_alive()
    assert not [line for line in logs if line["log_level"] == "error"]


def renewals_of(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Counts every renewal from now on."""
    renew, counted = gallery.jobs.renew, threading.Semaphore(0)

    def counting(claim: Claim) -> None:
        try:
            renew(claim)
        finally:
            counted.release()

    monkeypatch.setattr(gallery.jobs, "renew", counting)
    return counted


def test_heartbeats_keep_a_long_claim(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [clock.now()]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(module, "RENEW_SECONDS", 0.01)
    renewals = renewals_of(gallery, monkeypatch)
    gate = Gate()
    kind.on_work = gate
    id = made(gallery, 4)
    worker = start()
    gate.wait()
    for _ in range(4):
        now[0] += jobs.LEASE - 1_000_000
        while renewals.acquire(blocking=False):
            pass
        assert renewals.acquire(timeout=LIMIT)
        assert renewals.acquire(timeout=LIMIT), "a whole renewal began after the clock moved"
        assert gallery.jobs.claim_items(lambda _: 9) is None
    gate.opened.set()
    assert ended(gallery, id).done == 4
    assert {item.attempts for item in gallery.jobs.items(id)} == {1}
    worker.stop()


def test_a_stop_settles_what_is_under_way_and_begins_nothing_else(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    gate = Gate()
    kind.on_work = gate
    id = made(gallery, 8)
    worker = start()
    gate.wait()
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until(gallery, worker._stopping.is_set)
    gate.opened.set()
    stopping.join(LIMIT)
    assert not stopping.is_alive()
    job = gallery.jobs.get(id)
    assert (job.state, job.done) == (JobState.RUNNING, 4)
    assert list((worker._presence._folder).iterdir()) == []
    kind.on_work = lambda _: None
    start()
    assert ended(gallery, id).done == 8


def test_planning_that_breaks_off_is_resumed_and_lists_nothing_twice(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    begun: list[int] = []

    def plan(at: int) -> None:
        begun.append(at)
        if at == 6 and begun.count(6) < 3:
            raise StoreUnavailable("no")

    kind.on_plan = plan
    id = made(gallery, 10)
    start()
    job = ended(gallery, id)
    assert (job.items, job.done) == (10, 10)
    assert [item.item for item in gallery.jobs.items(id)] == [f"item-{at}" for at in range(10)]
    assert begun.count(0) == 3


def test_a_stop_gives_planning_back(gallery: Gallery, kind: Fake, start: Callable[..., Worker]) -> None:
    gate = Gate()
    kind.on_plan = gate
    id = made(gallery, 10)
    worker = start()
    gate.wait()
    worker._stopping.set()
    gate.opened.set()
    worker.stop()
    assert gallery.jobs.get(id).state is JobState.WAITING
    assert gallery.jobs.claim_plan() is not None


def test_an_end_that_breaks_off_is_repeated(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    calls: list[int] = []

    def finish(_: Service, claim: Claim) -> Values:
        calls.append(1)
        if len(calls) < 3:
            raise StoreUnavailable("no")
        return {"calls": len(calls)}

    kind.on_finish = finish
    id = made(gallery, 2)
    start()
    assert ended(gallery, id).result == {"calls": 3}


def test_an_end_may_list_more_items(gallery: Gallery, kind: Fake, start: Callable[..., Worker]) -> None:
    def finish(service: Service, claim: Claim) -> Values | None:
        if service.gallery.jobs.listed(claim, [NewItem("second-round")]):
            return None
        return {"items": claim.job.items}

    kind.on_finish = finish
    id = made(gallery, 2)
    start()
    assert ended(gallery, id).result == {"items": 3}


def test_an_end_that_never_comes_is_given_up(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    kind.on_finish = lambda *_: None
    id = made(gallery, 2)
    start()
    job = ended(gallery, id)
    assert job.state is JobState.FAILED
    assert "given up" in job.message


def test_a_small_job_ends_while_a_large_one_still_has_items(
    gallery: Gallery, kind: Fake, service: Service
) -> None:
    large, small = made(gallery, 400), made(gallery, 3)
    worker = Worker(service, {kind.name: kind}, 1)
    while gallery.jobs.get(small).state is not JobState.DONE:
        assert worker.once()
    assert gallery.jobs.get(large).settled < 100
    worker.stop()


@pytest.mark.parametrize("step", ["plan", "work", "finish"])
def test_a_job_that_cannot_be_done_says_why(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker], step: str
) -> None:
    def refuse(*_: object) -> None:
        raise JobFailure("the folder has no photo")

    setattr(kind, f"on_{step}", refuse)
    id = made(gallery, 2)
    start()
    job = ended(gallery, id)
    assert (job.state, job.message) == (JobState.FAILED, "the folder has no photo")


@pytest.mark.parametrize("step", ["plan", "finish"])
def test_an_unforeseen_error_of_a_whole_job_fails_it_and_a_resume_goes_on(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker], step: str
) -> None:
    broken = True
    usual = getattr(kind, f"on_{step}")

    def hook(*words: object) -> object:
        if broken:
            raise KeyError("ada")
        return usual(*words)

    setattr(kind, f"on_{step}", hook)
    id = made(gallery, 2)
    start()
    job = ended(gallery, id)
    assert job.state is JobState.FAILED
    assert "KeyError" in job.message
    assert "ada" not in job.message
    broken = False
    gallery.jobs.resume(id)
    assert ended(gallery, id).done == 2


def test_a_collection_deleted_under_way_fails_its_job_and_no_other(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    gate = Gate()
    kind.on_work = gate
    id = made(gallery, 2)
    start()
    gate.wait()
    gallery.delete_collection("people", force=True)
    gate.opened.set()
    assert "people" in ended(gallery, id).message
    gallery.create_collection(NewCollection("people", CONTRACT, 8))
    assert ended(gallery, made(gallery, 2)).done == 2


def test_items_that_a_kind_leaves_unsettled_are_tried_again_and_then_given_up(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    kind.leaves = frozenset({"item-1"})
    id = made(gallery, 4)
    start()
    job = ended(gallery, id)
    assert (job.done, job.failed) == (3, 1)
    (failed,) = gallery.jobs.items(id, state=None)[1:2]
    assert failed.reasons == ("given_up",)


def test_a_job_that_suits_nobody_or_cannot_be_judged_waits_and_holds_up_no_other(
    gallery: Gallery, kind: Fake, start: Callable[..., Worker]
) -> None:
    def suits(job: Job) -> bool:
        if job.id == broken:
            raise OSError("/mnt/photos")
        return job.id != foreign

    kind.on_suits = suits
    broken, foreign = made(gallery, 2), made(gallery, 2)
    gallery.jobs.create(NewJob("of-a-later-version"))
    start()
    assert ended(gallery, made(gallery, 2)).done == 2
    assert {gallery.jobs.get(id).state for id in (broken, foreign)} == {JobState.WAITING}


def test_old_records_are_forgotten_with_their_files(
    gallery: Gallery, service: Service, start: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = made(gallery, 0)
    gallery.jobs.cancel(old)
    month = 31 * 86_400_000_000
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + month)
    kept = made(gallery, 0)
    gallery.jobs.cancel(kept)
    exports = service.settings.folder / "exports"
    exports.mkdir()
    for name in (f"{old}.jsonl", f"{kept}.jsonl", "notes.txt"):
        (exports / name).write_text("x")
    start()
    until(gallery, lambda: not (exports / f"{old}.jsonl").exists())
    assert [job.id for job in gallery.jobs.page()] == [kept]
    assert sorted(path.name for path in exports.iterdir()) == sorted([f"{kept}.jsonl", "notes.txt"])


def test_a_living_worker_is_never_told_dead_and_a_dead_one_until_somebody_has_released_it(
    tmp_path: Path,
) -> None:
    one, other = Presence(tmp_path), Presence(tmp_path)
    assert list(one.dead()) == []
    os.close(other._file or 0)  # as the system does for a process that is gone
    for name in one.dead():
        assert name == other.name
        break  # whoever is told fails to release it
    assert list(one.dead()) == [other.name]
    assert list(one.dead()) == []
    one.close()


def test_a_worker_that_never_began_can_be_stopped(service: Service, kind: Fake) -> None:
    worker = Worker(service, {kind.name: kind}, 2)
    worker.stop()
    assert list(worker._presence._folder.iterdir()) == []
