"""The queue of jobs: each item has its effect once, whoever dies, is late, or ends the job meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from index.errors import InvalidRecord, JobConflict, LeaseLost, UnknownJob
from index.gallery import Gallery
from index.job_records import Claim, Going, ItemState, JobState, NewItem, NewJob, Outcome
from index.records import NewCollection, NewFace, Receipt
from index.store import clock, jobs
from index.writing import Settlement, Writing
from tests.index.conftest import BOTH_STORES

pytestmark = BOTH_STORES
CONTRACT = "made-0000"


@pytest.fixture
def gallery(opened: Callable[..., Gallery]) -> Gallery:
    made = opened()
    made.create_collection(NewCollection("people", CONTRACT, 8))
    return made


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The store's clock, in microseconds; the test moves it."""
    now = [clock.now()]
    monkeypatch.setattr(clock, "now", lambda: now[0])
    return now


def items(*names: str) -> list[NewItem]:
    return [NewItem(name, {"person": name}) for name in names]


def running(gallery: Gallery, *names: str) -> str:
    job = gallery.jobs.create(NewJob("enroll", "people", open=True), items(*names))
    return gallery.jobs.start(job.id).id


def enrol(gallery: Gallery, claim: Claim) -> None:
    """Enrols a face for each claimed item."""

    def work(writing: Writing) -> Settlement:
        faces = [(item.item, NewFace(np.eye(8)[item.key % 8])) for item in claim.items]
        written = writing.add_faces("people", faces, contract_id=CONTRACT)
        made = zip(claim.items, written.faces, strict=True)
        return Settlement(
            [Outcome(item.key, ItemState.DONE, result={"face": face.id}) for item, face in made]
        )

    gallery.settle(claim, work)


def claimable(gallery: Gallery, most: int, worker: str = "") -> Claim | None:
    return gallery.jobs.claim_items(lambda _: most, worker)


def claimed(gallery: Gallery, most: int = 100) -> Claim:
    claim = claimable(gallery, most)
    assert claim is not None
    return claim


def names_of(claim: Claim) -> list[str]:
    return [item.item for item in claim.items]


def test_a_job_is_claimed_settled_and_finished(gallery: Gallery) -> None:
    id = running(gallery, "a", "b", "c")
    enrol(gallery, claimed(gallery, 2))
    assert gallery.jobs.claim_finish() is None
    enrol(gallery, claimed(gallery, 2))
    assert claimable(gallery, 2) is None
    whole = gallery.jobs.claim_finish()
    assert whole is not None
    gallery.jobs.finished(whole, {"faces": 3})
    job = gallery.jobs.get(id)
    assert (job.state, job.items, job.done, job.result) == (JobState.DONE, 3, 3, {"faces": 3})
    assert job.ended_at is not None
    assert [person.id for person in gallery.persons("people")] == ["a", "b", "c"]
    assert all("face" in item.result for item in gallery.jobs.items(id))


def test_an_item_key_is_listed_once_however_often_it_is_added(gallery: Gallery) -> None:
    job = gallery.jobs.create(NewJob("enroll", "people", open=True), items("a", "b"))
    assert gallery.jobs.add(job.id, items("b", "c", "c")) == 1
    assert [item.item for item in gallery.jobs.items(job.id)] == ["a", "b", "c"]
    assert gallery.jobs.get(job.id).items == 3


def test_a_lease_that_is_over_gives_the_items_to_another_and_the_first_writes_nothing(
    gallery: Gallery, time: list[int]
) -> None:
    running(gallery, "a")
    late = claimed(gallery)
    assert claimable(gallery, 9) is None
    time[0] += jobs.LEASE + 1
    enrol(gallery, claimed(gallery))
    with pytest.raises(LeaseLost):
        enrol(gallery, late)
    assert gallery.collection("people").faces == 1


def test_a_renewed_lease_is_held(gallery: Gallery, time: list[int]) -> None:
    running(gallery, "a")
    claim = claimed(gallery)
    time[0] += jobs.LEASE - 1
    gallery.jobs.renew(claim)
    time[0] += jobs.LEASE - 1
    assert claimable(gallery, 9) is None
    time[0] += 2
    claimed(gallery)
    with pytest.raises(LeaseLost):
        gallery.jobs.renew(claim)


def test_what_a_dead_process_held_is_free_at_once_and_what_others_hold_is_not(gallery: Gallery) -> None:
    running(gallery, "a", "b")
    gallery.jobs.create(NewJob("enroll"))
    dead = claimable(gallery, 1, worker="dead")
    gallery.jobs.claim_plan(worker="dead")
    claimable(gallery, 1, worker="living")
    gallery.jobs.release("dead")
    assert names_of(claimed(gallery)) == ["a"]
    assert claimable(gallery, 1) is None
    assert gallery.jobs.claim_plan() is not None
    assert dead is not None
    with pytest.raises(LeaseLost):
        enrol(gallery, dead)


def test_a_clock_set_back_by_a_year_does_not_hold_items_for_a_year(gallery: Gallery, time: list[int]) -> None:
    running(gallery, "a")
    claimed(gallery)
    time[0] -= 365 * 86_400_000_000
    assert names_of(claimed(gallery)) == ["a"]


def test_a_clock_that_jumps_ahead_lets_two_work_and_one_write(gallery: Gallery, time: list[int]) -> None:
    running(gallery, "a", "b")
    first = claimed(gallery)
    time[0] += 365 * 86_400_000_000
    one, other = claimed(gallery), claimed(gallery)
    enrol(gallery, one)
    enrol(gallery, other)
    with pytest.raises(LeaseLost):
        enrol(gallery, first)
    assert gallery.collection("people").faces == 2


def test_an_item_that_was_begun_before_comes_alone_and_is_given_up_in_the_end(
    gallery: Gallery, time: list[int]
) -> None:
    id = running(gallery, "poison", "good")
    gallery.jobs.let_go(claimed(gallery, 1))
    good = claimed(gallery)
    assert names_of(good) == ["good"]
    enrol(gallery, good)
    for _ in range(jobs.CLAIMED_AT_MOST - 1):
        assert names_of(claimed(gallery)) == ["poison"]
        time[0] += jobs.LEASE + 1
    assert claimable(gallery, 9) is None
    (given_up,) = gallery.jobs.items(id, state=ItemState.FAILED)
    assert (given_up.item, given_up.reasons, given_up.attempts) == ("poison", ("given_up",), 5)


def test_work_given_back_through_no_fault_of_its_own_counts_no_attempt(gallery: Gallery) -> None:
    running(gallery, "a", "b")
    for _ in range(3 * jobs.CLAIMED_AT_MOST):
        gallery.jobs.let_go(claimed(gallery), progressed=True)
    assert names_of(claimed(gallery)) == ["a", "b"]


def test_a_cancelled_job_writes_nothing_more_and_goes_on_where_it_was_when_resumed(gallery: Gallery) -> None:
    id = running(gallery, "a", "b", "c")
    enrol(gallery, claimed(gallery, 1))
    late = claimed(gallery, 1)
    assert gallery.jobs.cancel(id).state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        enrol(gallery, late)
    with pytest.raises(LeaseLost):
        gallery.jobs.renew(late)
    assert claimable(gallery, 9) is None
    assert gallery.jobs.cancel(id).state is JobState.CANCELLED
    assert gallery.jobs.resume(id).state is JobState.RUNNING
    assert [names_of(claimed(gallery)), names_of(claimed(gallery))] == [["c"], ["b"]]
    assert gallery.collection("people").faces == 1


def test_only_failed_items_are_tried_again(gallery: Gallery) -> None:
    id = running(gallery, "a", "b", "c")
    claim = claimed(gallery)
    states = (ItemState.DONE, ItemState.REJECTED, ItemState.FAILED)
    outcomes = [Outcome(item.key, state, ("why",)) for item, state in zip(claim.items, states, strict=True)]
    gallery.settle(claim, lambda _: Settlement(outcomes, [{"pair": ["a", "b"]}]))
    whole = gallery.jobs.claim_finish()
    assert whole is not None
    gallery.jobs.finished(whole, {})
    assert gallery.jobs.resume(id).failed == 0
    assert names_of(claimed(gallery)) == ["c"]
    assert [finding.body for finding in gallery.jobs.findings(id)] == [{"pair": ["a", "b"]}]


def test_a_job_that_is_done_and_well_cannot_be_resumed_nor_cancelled(gallery: Gallery) -> None:
    id = running(gallery)
    whole = gallery.jobs.claim_finish()
    assert whole is not None
    gallery.jobs.finished(whole, {})
    with pytest.raises(JobConflict, match="is done"):
        gallery.jobs.resume(id)
    with pytest.raises(JobConflict, match="is done"):
        gallery.jobs.cancel(id)
    with pytest.raises(JobConflict, match="is done"):
        gallery.jobs.add(id, items("late"))
    gallery.jobs.remove(id)
    with pytest.raises(UnknownJob):
        gallery.jobs.get(id)


def test_planning_goes_on_after_its_planner_died(gallery: Gallery, time: list[int]) -> None:
    job = gallery.jobs.create(NewJob("enroll", "people"))
    first = gallery.jobs.claim_plan()
    assert first is not None
    assert gallery.jobs.listed(first, items("a", "b")) == 2
    assert gallery.jobs.claim_plan() is None
    time[0] += jobs.LEASE + 1
    second = gallery.jobs.claim_plan()
    assert second is not None
    assert gallery.jobs.listed(second, items("a", "b", "c")) == 1
    with pytest.raises(LeaseLost):
        gallery.jobs.planned(first)
    gallery.jobs.planned(second)
    assert gallery.jobs.get(job.id).state is JobState.RUNNING


def test_a_plan_that_never_ends_is_given_up(gallery: Gallery, time: list[int]) -> None:
    job = gallery.jobs.create(NewJob("enroll", "people"))
    for _ in range(jobs.CLAIMED_AT_MOST):
        assert gallery.jobs.claim_plan() is not None
        time[0] += jobs.LEASE + 1
    assert gallery.jobs.claim_plan() is None
    assert gallery.jobs.get(job.id).state is JobState.FAILED
    assert "5 attempts" in gallery.jobs.get(job.id).message


def test_a_plan_that_comes_further_each_time_is_never_given_up(gallery: Gallery, time: list[int]) -> None:
    gallery.jobs.create(NewJob("enroll", "people"))
    for at in range(2 * jobs.CLAIMED_AT_MOST):
        claim = gallery.jobs.claim_plan()
        assert claim is not None
        gallery.jobs.listed(claim, items(f"p{at}"))
        time[0] += jobs.LEASE + 1
    assert gallery.jobs.unsettled() == [Going("enroll", "waiting", 1, 0, 2 * jobs.CLAIMED_AT_MOST)]


def test_jobs_take_turns_and_each_worker_takes_what_suits_it(gallery: Gallery, time: list[int]) -> None:
    long, short = running(gallery, *"abcdef"), running(gallery, "x")
    turns = []
    for _ in range(3):
        time[0] += 1
        turns.append(claimed(gallery, 2).job.id)
    assert turns == [long, short, long]
    assert gallery.jobs.claim_items(lambda job: 2 * (job.id == short)) is None


def test_what_fails_inside_a_settlement_leaves_items_and_gallery_as_they_were(gallery: Gallery) -> None:
    running(gallery, "a")
    claim = claimed(gallery)

    def work(writing: Writing) -> Settlement:
        writing.add_faces("people", [("a", NewFace(np.eye(8)[0]))], contract_id=CONTRACT)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        gallery.settle(claim, work)
    assert gallery.collection("people").faces == 0
    enrol(gallery, claim)
    assert gallery.collection("people").faces == 1


def test_many_workers_share_the_items_and_each_is_done_once(gallery: Gallery) -> None:
    names = [f"p{at:03}" for at in range(120)]
    id = running(gallery, *names)

    def work() -> None:
        while (claim := claimable(gallery, 7)) is not None:
            enrol(gallery, claim)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gallery.jobs.get(id).done == gallery.collection("people").faces == 120


def test_an_upload_is_kept_until_its_item_is_settled_and_no_longer(gallery: Gallery) -> None:
    job = gallery.jobs.create(NewJob("enroll", "people", open=True))
    gallery.jobs.add(job.id, [NewItem("a", {}, b"12345"), NewItem("b", {}, b"123")])
    assert gallery.jobs.pending_bytes() == 8
    claim = claimed(gallery, 1)
    assert claim.items[0].upload == b"12345"
    enrol(gallery, claim)
    assert gallery.jobs.pending_bytes() == gallery.jobs.get(job.id).pending_bytes == 3


def test_a_photo_enrolled_before_is_known_by_its_source_for_its_person_alone(gallery: Gallery) -> None:
    running(gallery, "a")
    claim = claimed(gallery)

    def work(writing: Writing) -> Settlement:
        face = NewFace(np.eye(8)[0], source="0a" * 32)
        writing.add_faces("people", [("a", face)], contract_id=CONTRACT)
        known = writing.known_sources("people", [("a", "0a" * 32), ("b", "0a" * 32), ("a", "0b" * 32)])
        assert list(known) == [("a", "0a" * 32)]
        return Settlement([Outcome(item.key, ItemState.DONE) for item in claim.items])

    gallery.settle(claim, work)


def test_a_job_made_again_under_one_receipt_is_made_once(gallery: Gallery) -> None:
    from index.errors import ReplayedReceipt

    receipt = Receipt("local", "key", "digest", lambda job: job.id.encode())
    job = gallery.jobs.create(NewJob("enroll", "people"), receipt=receipt)
    with pytest.raises(ReplayedReceipt) as replayed:
        gallery.jobs.create(NewJob("enroll", "people"), receipt=receipt)
    assert replayed.value.answer.decode() == job.id
    assert len(gallery.jobs.page()) == 1


def test_old_jobs_are_forgotten_and_running_ones_are_not(gallery: Gallery, time: list[int]) -> None:
    old, still = running(gallery, "a"), running(gallery, "b")
    gallery.jobs.cancel(old)
    time[0] += 31 * 86_400_000_000
    gallery.jobs.forget(30)
    assert [job.id for job in gallery.jobs.page()] == [still]


@pytest.mark.parametrize("name", ["", "x" * 1025, "a\nb", "\ud800"])
def test_an_item_key_that_cannot_be_kept_is_refused(gallery: Gallery, name: str) -> None:
    with pytest.raises(InvalidRecord, match="item key"):
        gallery.jobs.create(NewJob("enroll", "people"), [NewItem(name)])
    assert gallery.jobs.page() == []
