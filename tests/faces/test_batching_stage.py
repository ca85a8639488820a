"""A stage on work that a test decides: who shares a batch, who goes first, who fails, and that everybody ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for
from threading import Barrier, Event, Lock, Thread
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull, StageFailed
from faces.batching.stage import BACKGROUND_TURN, Stage

LIMIT = 20.0


class Held:
    """Work that answers an item with its double, and waits before each batch until it is let go."""

    def __init__(self, open_from_start: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.entered = Event()
        self.go = Event()
        if open_from_start:
            self.go.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.set()
        assert self.go.wait(LIMIT)
        return [2 * item for item in items]


class Told:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.waiting: list[int] = []
        self.late = 0

    def ran(self, stage: str, size: int, seconds: float) -> None:
        assert (stage, seconds >= 0) == ("s", True)
        self.sizes.append(size)

    def queued(self, stage: str, waiting: int) -> None:
        self.waiting.append(waiting)

    def expired(self, stage: str) -> None:
        self.late += 1


def busy(work: Held, **options: object) -> tuple[Stage[int, int], Future[int]]:
    """A stage whose one thread is at work on item 0."""
    stage: Stage[int, int] = Stage("s", work, **options)  # type: ignore[arg-type]
    first = stage.submit(0)
    assert work.entered.wait(LIMIT)
    return stage, first


def test_a_free_thread_takes_what_waits_up_to_the_most() -> None:
    work, told = Held(), Told()
    stage, first = busy(work, most=4, observer=told)
    futures = [stage.submit(item) for item in range(1, 7)]
    assert stage.waiting == 6
    work.go.set()
    assert [future.result(LIMIT) for future in [first, *futures]] == [0, 2, 4, 6, 8, 10, 12]
    stage.close()
    assert work.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert told.sizes == [1, 4, 2]
    assert max(told.waiting) == 6
    assert told.waiting[-1] == 0


def test_threads_that_share_evenly_leave_each_other_their_part_of_what_waits() -> None:
    work, told = Held(), Told()
    both_busy = Barrier(3)

    def at_once(items: Sequence[int]) -> list[int]:
        if items[0] < 0:
            both_busy.wait(LIMIT)
        return work(items)

    stage: Stage[int, int] = Stage("s", at_once, most=5, threads=2, even=True, observer=told)
    first = [stage.submit(-1), stage.submit(-1)]
    both_busy.wait(LIMIT)
    futures = [stage.submit(item) for item in range(14)]
    work.go.set()
    assert [future.result(LIMIT) for future in [*first, *futures]] == [-2, -2, *range(0, 28, 2)]
    stage.close()
    # Of 14 as many as a batch holds, then half of what is left each time.
    assert sorted(map(len, work.batches), reverse=True) == [5, 5, 2, 1, 1, 1, 1]


def test_a_batch_counts_weight_and_a_heavy_item_is_a_batch_of_its_own() -> None:
    work, told = Held(), Told()
    stage, _ = busy(work, most=4, weigh=lambda item: item, observer=told)
    for item in (3, 2, 9, 1, 1):
        stage.submit(item)
    work.go.set()
    stage.close()
    assert work.batches[1:] == [[3], [2], [9], [1, 1]]
    assert told.sizes[1:] == [3, 2, 9, 2]


def test_only_items_that_are_alike_share_a_batch_and_the_others_keep_their_order() -> None:
    work = Held()
    stage, _ = busy(work, most=8, alike=lambda item: item % 2)
    for item in (2, 3, 4, 5, 6):
        stage.submit(item)
    work.go.set()
    stage.close()
    assert work.batches[1:] == [[2, 4, 6], [3, 5]]


def test_a_lingering_thread_waits_until_its_batch_is_full_and_not_longer() -> None:
    work = Held(open_from_start=True)
    stage: Stage[int, int] = Stage("s", work, most=3, linger=LIMIT)
    begun = monotonic()
    futures = [stage.submit(item) for item in (1, 2, 3)]
    assert [future.result(LIMIT) for future in futures] == [2, 4, 6]
    stage.close()
    assert monotonic() - begun < LIMIT
    assert work.batches == [[1, 2, 3]]


def test_what_waits_in_the_background_lets_others_pass_but_not_for_ever() -> None:
    work = Held()
    stage, _ = busy(work)
    behind = [stage.submit(100 + item, background=True) for item in range(2)]
    before = [stage.submit(item) for item in range(1, 3 * BACKGROUND_TURN)]
    work.go.set()
    wait_for([*behind, *before], LIMIT)
    stage.close()
    order = [items[0] for items in work.batches]
    # Turn 1 was item 0; every eighth turn goes to the background.
    assert order[BACKGROUND_TURN - 1] == 100
    assert order[2 * BACKGROUND_TURN - 1] == 101
    assert [item for item in order if item < 100] == list(range(3 * BACKGROUND_TURN))


def test_the_background_fills_what_others_leave_free() -> None:
    work = Held()
    stage, _ = busy(work, most=3)
    stage.submit(100, background=True)
    stage.submit(1)
    stage.submit(101, background=True)
    work.go.set()
    stage.close()
    assert work.batches[1:] == [[1, 100, 101]]


def test_an_item_whose_deadline_passed_fails_without_any_work() -> None:
    work, told = Held(), Told()
    stage, _ = busy(work, observer=told)
    late = stage.submit(1, deadline=monotonic() - 1)
    in_time = stage.submit(2, deadline=monotonic() + LIMIT)
    work.go.set()
    with pytest.raises(DeadlineExceeded, match="stage s"):
        late.result(LIMIT)
    assert in_time.result(LIMIT) == 4
    stage.close()
    assert work.batches == [[0], [2]]
    assert told.late == 1


def test_a_cancelled_item_is_skipped_and_one_at_work_is_not_cancelled() -> None:
    work = Held()
    stage, first = busy(work, most=4)
    futures = [stage.submit(item) for item in (1, 2, 3)]
    assert futures[1].cancel()
    assert not first.cancel()
    work.go.set()
    stage.close()
    assert work.batches[1:] == [[1, 3]]
    assert (first.result(), futures[0].result(), futures[2].result()) == (0, 2, 6)
    with pytest.raises(CancelledError):
        futures[1].result()


def test_a_full_queue_refuses_who_does_not_wait_and_serves_who_does() -> None:
    work = Held()
    stage, _ = busy(work, places=2)
    stage.submit(1)
    stage.submit(2)
    with pytest.raises(QueueFull, match="2 items wait for stage s"):
        stage.submit(3)
    with pytest.raises(DeadlineExceeded, match="no place"):
        stage.submit(3, wait=True, deadline=monotonic() - 1)
    answers: list[int] = []
    waiting = Thread(target=lambda: answers.append(stage.submit(4, wait=True).result(LIMIT)))
    waiting.start()
    work.go.set()
    waiting.join(LIMIT)
    stage.close()
    assert answers == [8]
    assert stage.waiting == 0


def test_the_bad_item_of_a_batch_fails_alone_with_its_own_error() -> None:
    held = Held()

    def work(items: Sequence[int]) -> list[int]:
        results = held(items)
        for item in items:
            if item in (3, 6):
                raise ValueError(f"item {item} is bad")
        return results

    stage: Stage[int, int] = Stage("s", work, most=8)
    stage.submit(0)
    assert held.entered.wait(LIMIT)
    futures = {item: stage.submit(item) for item in range(1, 9)}
    held.go.set()
    stage.close()
    for item, future in futures.items():
        if item in (3, 6):
            with pytest.raises(ValueError, match=f"item {item} is bad"):
                future.result()
        else:
            assert future.result() == 2 * item
    assert held.batches.count([1, 2]) == 1


def test_results_of_the_wrong_number_fail_the_batch_instead_of_being_mixed_up() -> None:
    stage: Stage[int, int] = Stage("s", lambda items: [1, 2, 3])
    with pytest.raises(StageFailed, match="3 results for 1 items"):
        stage.submit(1).result(LIMIT)
    stage.close()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_what_would_end_a_thread_answers_everybody_and_the_stage_goes_on(kind: type[BaseException]) -> None:
    held = Held()

    def work(items: Sequence[int]) -> list[int]:
        results = held(items)
        if 1 in items:
            raise kind
        return results

    stage: Stage[int, int] = Stage("s", work, most=2)
    stage.submit(0)
    assert held.entered.wait(LIMIT)
    futures = [stage.submit(1), stage.submit(2), stage.submit(3)]
    held.go.set()
    with pytest.raises(StageFailed, match=kind.__name__) as failure:
        futures[0].result(LIMIT)
    assert isinstance(failure.value.__cause__, kind)
    assert futures[2].result(LIMIT) == 6
    assert stage.submit(5).result(LIMIT) == 10
    stage.close()


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_a_thread_outlives_what_follows_an_answer(kind: type[BaseException]) -> None:
    stage: Stage[int, int] = Stage("s", lambda items: list(items))

    def fall(_: Future[int]) -> None:
        raise kind

    assert stage.submit(1, then=fall).result(LIMIT) == 1
    assert stage.submit(2).result(LIMIT) == 2
    stage.close()


def test_a_thread_outlives_an_observer_that_fails() -> None:
    class Failing(Told):
        def ran(self, stage: str, size: int, seconds: float) -> None:
            raise OSError

        def queued(self, stage: str, waiting: int) -> None:
            raise OSError

    stage: Stage[int, int] = Stage("s", lambda items: list(items), observer=Failing())
    assert [stage.submit(item).result(LIMIT) for item in (1, 2)] == [1, 2]
    stage.close()


def test_what_follows_an_item_runs_in_the_thread_that_ends_it_even_when_that_is_at_once() -> None:
    names: list[str] = []
    seen = Event()
    stage: Stage[int, int] = Stage("s", lambda items: list(items))

    def then(_: Future[int]) -> None:
        from threading import current_thread

        names.append(current_thread().name)
        seen.set()

    for _ in range(50):
        seen.clear()
        stage.submit(1, then=then)
        assert seen.wait(LIMIT)
    stage.close()
    assert set(names) == {"s-0"}


def test_closing_ends_what_waits_and_takes_nothing_new() -> None:
    work = Held()
    stage, first = busy(work)
    futures = [stage.submit(item) for item in range(1, 5)]
    closing = Thread(target=stage.close)
    closing.start()
    refused: list[BaseException] = []

    def submit_until_closed() -> None:
        try:
            while True:
                futures.append(stage.submit(7))
        except Closed as error:
            refused.append(error)

    submitting = Thread(target=submit_until_closed)
    submitting.start()
    submitting.join(LIMIT)
    work.go.set()
    closing.join(LIMIT)
    assert len(refused) == 1
    assert first.result() == 0
    assert all(future.done() and future.exception() is None for future in futures)
    stage.close()


def test_who_waits_for_a_place_is_told_when_the_stage_closes() -> None:
    work = Held()
    stage, _ = busy(work, places=1)
    stage.submit(1)
    outcome: list[BaseException] = []
    asked = Event()

    def ask() -> None:
        asked.set()
        try:
            stage.submit(2, wait=True)
        except Closed as error:
            outcome.append(error)

    asking = Thread(target=ask)
    asking.start()
    assert asked.wait(LIMIT)
    closing = Thread(target=stage.close)
    closing.start()
    asking.join(LIMIT)
    work.go.set()
    closing.join(LIMIT)
    assert len(outcome) == 1


def test_an_idle_stage_keeps_no_item_alive() -> None:
    import gc
    import weakref

    class Item:
        pass

    stage: Stage[Item, int] = Stage("s", lambda items: [0 for _ in items])
    item = Item()
    kept = weakref.ref(item)
    assert stage.submit(item).result(LIMIT) == 0
    del item
    # The second answer comes when the turn of the first is over.
    assert stage.submit(Item()).result(LIMIT) == 0
    gc.collect()
    assert kept() is None
    stage.close()


def test_numbers_that_make_no_stage_are_refused() -> None:
    for options in ({"most": 0}, {"places": 0}, {"threads": 0}):
        with pytest.raises(ValueError, match="must be at least 1, got 0"):
            Stage("s", lambda items: list(items), **options)  # type: ignore[arg-type]


Plan = list[tuple[str, bool]]
FATES = st.sampled_from(["well", "well", "well", "bad", "fatal", "late", "cancelled"])


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(st.tuples(FATES, st.booleans()), min_size=1, max_size=40),
    most=st.integers(1, 9),
    threads=st.integers(1, 3),
    callers=st.integers(1, 4),
)
def test_every_future_ends_exactly_once_and_as_its_own_item_does(
    plan: Plan, most: int, threads: int, callers: int
) -> None:
    at_work: list[int] = []
    ends: list[int] = []
    lock = Lock()

    def work(items: Sequence[int]) -> list[int]:
        with lock:
            at_work.extend(items)
        if any(plan[item][0] == "bad" for item in items):
            raise ValueError([item for item in items if plan[item][0] == "bad"])
        if len(items) == 1 and plan[items[0]][0] == "fatal":
            raise SystemExit(items[0])
        return [item * item for item in items]

    stage: Stage[int, int] = Stage("s", work, most=most, places=5, threads=threads)
    futures: dict[int, Future[int]] = {}
    start = Barrier(callers)

    def end(item: int) -> Callable[[Future[int]], None]:
        def note(_: Future[int]) -> None:
            with lock:
                ends.append(item)

        return note

    def call(mine: range) -> None:
        start.wait(LIMIT)
        for item in mine:
            fate, background = plan[item]
            # Room is made before a deadline that has passed already can be missed for want of a place.
            deadline = monotonic() if fate == "late" else None
            try:
                futures[item] = stage.submit(
                    item, wait=True, background=background, deadline=deadline, then=end(item)
                )
            except DeadlineExceeded:
                assert fate == "late"
                continue
            if fate == "cancelled":
                futures[item].cancel()

    calling = [Thread(target=call, args=(range(first, len(plan), callers),)) for first in range(callers)]
    for thread in calling:
        thread.start()
    for thread in calling:
        thread.join(LIMIT)
    stage.close()
    assert sorted(ends) == sorted(futures)
    for item, future in futures.items():
        fate = plan[item][0]
        assert future.done()
        if future.cancelled():
            assert fate == "cancelled"
            assert item not in at_work
        elif fate == "bad":
            assert future.exception().args == ([item],)  # type: ignore[union-attr]
        elif fate == "late":
            assert isinstance(future.exception(), DeadlineExceeded)
            assert item not in at_work
        elif fate == "fatal" and future.exception() is not None:
            assert isinstance(future.exception(), StageFailed)
        else:
            assert future.result() == item * item
