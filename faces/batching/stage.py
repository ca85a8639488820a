"""One step of a pipeline: a bounded queue, and threads that take what waits in it, many items at once.

It knows nothing of what the items are, and nothing of the steps before and after it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from time import monotonic, perf_counter, time
from traceback import clear_frames
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull, StageFailed

In = TypeVar("In")
Out = TypeVar("Out")

BACKGROUND_TURN = 8
"""In one of so many turns what waits in the background goes first, so that it never waits for ever."""

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Is told what a stage does, by its threads; it must be quick."""

    def ran(self, stage: str, size: int, seconds: float) -> None:
        """A batch of `size` items (by weight) was at work for `seconds`."""

    def queued(self, stage: str, waiting: int) -> None:
        """So many items wait now."""

    def expired(self, stage: str) -> None:
        """An item's deadline passed before its turn."""


@runtime_checkable
class Follower(Observer, Protocol):
    """An Observer that also follows each item: what runs for an item runs in the context that it was submitted in."""

    def shared(self, stage: str, size: int, begun: float, ended: float) -> None:
        """The item whose context this is shared a run with `size` items; from and to of time.time()."""


class Unobserved:
    """An Observer that looks away."""

    def ran(self, stage: str, size: int, seconds: float) -> None:
        """Nothing."""

    def queued(self, stage: str, waiting: int) -> None:
        """Nothing."""

    def expired(self, stage: str) -> None:
        """Nothing."""


@dataclass(eq=False)
class _Task(Generic[In, Out]):
    item: In
    weight: int
    deadline: float | None
    future: Future[Out]
    context: Context | None


class Stage(Generic[In, Out]):
    """Answers each item with a future. A free thread takes what waits: nobody waits for a batch to fill.

    Every future ends: with its own result, its own error, or cancelled. An error of a batch is searched for by
    halves, so that only the items that cause it fail.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[In]], Sequence[Out]],
        *,
        most: int = 1,
        places: int | None = None,
        threads: int = 1,
        linger: float = 0.0,
        even: bool = False,
        weigh: Callable[[In], int] = lambda _: 1,
        alike: Callable[[In], Hashable] = lambda _: None,
        observer: Observer | None = None,
    ) -> None:
        """work: as many results as items, in their order; called by `threads` threads at once.

        most: weight of a batch; an item heavier than that is a batch of its own. places: items that may wait,
        None where whoever submits bounds them. linger: seconds that a thread waits for a batch to fill. even: a
        thread leaves the others their part of what waits; for work whose time is that of its items, where one full
        batch beside an idle thread serves nobody. alike: only items for which it says the same share a batch.
        """
        for what, value in (("most", most), ("places", places), ("threads", threads)):
            if value is not None and value < 1:
                raise ValueError(f"stage {name}: {what} must be at least 1, got {value}")
        self.name = name
        self._work = work
        self._most = most
        self._places = places
        self._linger = linger
        self._even = even
        self._weigh = weigh
        self._alike = alike
        self._observer: Observer = observer or Unobserved()
        self._follower = observer if isinstance(observer, Follower) else None
        self._interactive: deque[_Task[In, Out]] = deque()
        self._background: deque[_Task[In, Out]] = deque()
        self._turns = 0
        self._closed = False
        lock = Lock()
        self._arrived = Condition(lock)
        self._freed = Condition(lock)
        self._threads = [
            Thread(target=self._serve, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Items in the queue, those at work not counted."""
        return len(self._interactive) + len(self._background)

    def submit(
        self,
        item: In,
        *,
        deadline: float | None = None,
        background: bool = False,
        wait: bool = False,
        then: Callable[[Future[Out]], None] | None = None,
    ) -> Future[Out]:
        """The future of the item's result.

        deadline: of time.monotonic(); past it, the item fails with DeadlineExceeded before any work on it.
        background: others go first. wait: for a place, up to the deadline. then: called with the ended future,
        always by the thread that ends it, and so may keep this stage waiting. Raises QueueFull where there
        is no place and `wait` is off, DeadlineExceeded where none came free in time, and Closed.
        """
        context = None if self._follower is None else copy_context()
        task: _Task[In, Out] = _Task(item, self._weigh(item), deadline, Future(), context)
        if then is not None:
            task.future.add_done_callback(then)
        with self._arrived:
            while not self._closed and self._places is not None and self.waiting >= self._places:
                if not wait:
                    raise QueueFull(f"{self.waiting} items wait for stage {self.name} already")
                left = None if deadline is None else deadline - monotonic()
                if left is not None and left <= 0:
                    self._tell(self._observer.expired, self.name)
                    raise DeadlineExceeded(f"stage {self.name} had no place in the time given")
                self._freed.wait(left)
            if self._closed:
                raise Closed(f"stage {self.name} is closed")
            (self._background if background else self._interactive).append(task)
            self._tell_waiting()
            self._arrived.notify()
        return task.future

    def close(self) -> None:
        """Takes nothing new, ends what waits, and returns when the last future has ended."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
            self._freed.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        # A turn's items are locals of the turn: a thread that waits keeps no item alive.
        while self._turn():
            pass

    def _turn(self) -> bool:
        batch: list[_Task[In, Out]] = []
        late: list[_Task[In, Out]] = []
        with self._arrived:
            while not self.waiting:
                if self._closed:
                    return False
                self._arrived.wait()
            self._let_fill()
            self._take(batch, late)
            self._tell_waiting()
            self._freed.notify_all()
            if self.waiting:
                self._arrived.notify()
        for task in late:
            self._fail(task, DeadlineExceeded(f"waited too long for stage {self.name}"))
        if batch:
            self._run(batch)
        return True

    def _let_fill(self) -> None:
        until = monotonic() + self._linger
        while not self._closed and self.waiting < self._most:
            left = until - monotonic()
            if left <= 0:
                return
            self._arrived.wait(left)

    def _take(self, batch: list[_Task[In, Out]], late: list[_Task[In, Out]]) -> None:
        """Moves the next batch, and what came too late on the way to it, out of the queue."""
        self._turns += 1
        lanes = [self._interactive, self._background]
        if self._turns % BACKGROUND_TURN == 0:
            lanes.reverse()
        room = self._room()
        kind: Hashable = None
        for lane in lanes:
            passed_over: list[_Task[In, Out]] = []
            while lane and room > 0:
                task = lane[0]
                if task.deadline is not None and task.deadline <= monotonic():
                    lane.popleft()
                    if task.future.set_running_or_notify_cancel():
                        late.append(task)
                elif batch and self._alike(task.item) != kind:
                    passed_over.append(lane.popleft())
                elif batch and task.weight > room:
                    # What does not fit keeps its turn: lighter items behind it must not pass it for ever.
                    room = 0
                elif lane.popleft().future.set_running_or_notify_cancel():
                    batch.append(task)
                    kind = self._alike(task.item)
                    room -= task.weight
            lane.extendleft(reversed(passed_over))

    def _room(self) -> int:
        if not self._even:
            return self._most
        weight = sum(task.weight for lane in (self._interactive, self._background) for task in lane)
        return max(1, min(self._most, -(-weight // len(self._threads))))

    def _run(self, batch: list[_Task[In, Out]]) -> None:
        parts = [batch]
        while parts:
            part = parts.pop()
            parts += self._settle(part, *self._attempt(part))
            # An error knows the frames that led to it, this one too: with the tasks it would keep itself alive.
            part.clear()

    def _attempt(self, part: list[_Task[In, Out]]) -> tuple[Sequence[Out], BaseException | None]:
        items, size = [task.item for task in part], sum(task.weight for task in part)
        begun, since = perf_counter(), time()
        try:
            results = self._work(items)
            if len(results) != len(items):
                raise StageFailed(f"stage {self.name} gave {len(results)} results for {len(items)} items")
        except BaseException as error:
            return (), error
        finally:
            self._tell(self._observer.ran, self.name, size, perf_counter() - begun)
            self._tell_each(part, size, since)
        return results, None

    def _settle(
        self, part: list[_Task[In, Out]], results: Sequence[Out], error: BaseException | None
    ) -> list[list[_Task[In, Out]]]:
        """Answers the part; or returns its halves, the second one first, where one of them may do better."""
        if error is None:
            for task, result in zip(part, results, strict=True):
                self._end(task, Future.set_result, result)
        elif isinstance(error, Exception) and len(part) > 1:
            half = len(part) // 2
            return [part[half:], part[:half]]
        else:
            for task in part:
                self._fail(task, error)
        return []

    def _fail(self, task: _Task[In, Out], error: BaseException) -> None:
        # The frames of the work hold its items, and items may know their future, which holds the error.
        clear_frames(error.__traceback__)
        # An exit or an interrupt handed to whoever awaits would end them too, and asyncio takes no StopIteration.
        if not isinstance(error, Exception) or isinstance(error, StopIteration):
            failure = StageFailed(f"stage {self.name} failed with {type(error).__name__}")
            failure.__cause__ = error
            error = failure
        if isinstance(error, DeadlineExceeded):
            self._tell(self._observer.expired, self.name)
        self._end(task, Future.set_exception, error)

    def _end(self, task: _Task[In, Out], settle: Callable[[Future[Out], Any], None], outcome: object) -> None:
        try:
            if task.context is None:
                settle(task.future, outcome)
            else:
                task.context.run(settle, task.future, outcome)
        except BaseException:
            log.exception("what followed an item of stage %s failed", self.name)

    def _tell_waiting(self) -> None:
        self._tell(self._observer.queued, self.name, self.waiting)

    def _tell_each(self, part: list[_Task[In, Out]], size: int, since: float) -> None:
        if self._follower is not None:
            ended = time()
            for task in part:
                if task.context is not None:
                    task.context.run(self._tell, self._follower.shared, self.name, size, since, ended)

    def _tell(self, what: Callable[..., None], *words: object) -> None:
        try:
            what(*words)
        except Exception:
            log.exception("the observer of stage %s failed", self.name)
