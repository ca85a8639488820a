"""Rows under change: blocks that never change, a small growing tail, and views that hold still; no search.

Every change has a number. A row dies at a number, a view is of a number, and a row is alive in a view while
it dies later. So a reader needs no lock: what is written after its view was taken is not in it, not even by
half.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from index.engine.base import Keys, SearchedRows
from index.engine.scan import Scanner, exact_scanner
from index.snapshot import FileSpec
from index.template import Float32, Rows, widened

NEVER = np.iinfo(np.int64).max


@dataclass(eq=False)
class Segment:
    """A block of rows sorted by person, then key. Only `died` changes.

    persons, keys, died: (n,) int64. rows: (n, D) stored precision, in memory or mapped from a file.
    codes: (n, bytes) uint8 short codes of the rows, None while the coder is untrained.
    file: of the newest snapshot that holds this block; None while it is in memory alone.
    """

    persons: Keys
    keys: Keys
    rows: Rows
    died: NDArray[np.int64]
    codes: NDArray[np.uint8] | None = None
    file: FileSpec | None = None
    _scanners: dict[str, Scanner] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self.persons)

    def dead(self, at: int) -> int:
        """How many rows are dead in views of change `at`."""
        return int(np.count_nonzero(self.died <= at))

    def kill(self, persons: Keys, at: int) -> int:
        """Lets every living row of `persons` die at change `at`, which no view shows yet; how many."""
        low = np.searchsorted(self.persons, persons, "left")
        high = np.searchsorted(self.persons, persons, "right")
        hit = high > low
        if not hit.any():
            return 0
        spans = [np.arange(a, b) for a, b in zip(low[hit], high[hit], strict=True)]
        return _kill(self.died, np.concatenate(spans), at)

    def scanner(self, kind: str, make: Callable[[], Scanner]) -> Scanner:
        """The scanner of a kind, made at first use."""
        with self._making:
            if kind not in self._scanners:
                self._scanners[kind] = make()
            return self._scanners[kind]

    def release_exact(self) -> None:
        """Gives back what the exact scanner copied; it is made again when asked for."""
        with self._making:
            self._scanners.pop("exact", None)

    def exact(self) -> Scanner:
        """The exact scanner of this block."""
        return self.scanner("exact", lambda: exact_scanner(self.rows))


def _kill(died: NDArray[np.int64], positions: NDArray[np.int64], at: int) -> int:
    # A row marked `at` before was marked by a change that failed half-way and is now done again.
    alive = positions[died[positions] >= at]
    died[alive] = at
    return len(alive)


class Delta:
    """The newest rows, in order of arrival, as float32; scanned in full. A view ends where its rows do."""

    def __init__(self, dimension: int, capacity: int = 256) -> None:
        self.persons = np.empty(capacity, np.int64)
        self.keys = np.empty(capacity, np.int64)
        self.rows: Float32 = np.empty((capacity, dimension), np.float32)
        self.died = np.empty(capacity, np.int64)
        self._places: dict[int, list[int]] = {}

    def with_room(self, end: int, more: int) -> Delta:
        """This, or a larger copy of its first `end` rows; views keep the old one."""
        if end + more <= len(self.persons):
            return self
        grown = Delta(self.rows.shape[1], max(2 * len(self.persons), end + more))
        for name in ("persons", "keys", "rows", "died"):
            getattr(grown, name)[:end] = getattr(self, name)[:end]
        grown._places = self._places
        return grown

    def kill(self, persons: Keys, end: int, at: int) -> int:
        """As Segment.kill, among the first `end` rows."""
        places = [
            place
            for person in persons.tolist()
            for place in self._places.get(person, ())
            # A change that failed half-way leaves places behind that later rows of others took.
            if place < end and self.persons[place] == person
        ]
        return _kill(self.died, np.array(places, np.int64), at) if places else 0

    def append(self, new: SearchedRows, end: int) -> int:
        """Writes rows behind the first `end`; the new end. There must be room."""
        stop = end + len(new.persons)
        self.persons[end:stop] = new.persons
        self.keys[end:stop] = new.keys
        self.rows[end:stop] = widened(new.vectors)
        self.died[end:stop] = NEVER
        for place, person in enumerate(new.persons.tolist(), start=end):
            self._places.setdefault(person, []).append(place)
        return stop


@dataclass(frozen=True)
class View:
    """One state of a collection that never changes for who holds it.

    at: number of the newest change in it. revision: of the store. end: rows of the delta that belong to it.
    alive: how many rows a search may find. changes: persons changed since the collection was loaded or
    rebuilt.
    """

    at: int
    revision: int
    segments: tuple[Segment, ...]
    delta: Delta
    end: int
    alive: int
    changes: int


def emptied(view: View, dimension: int) -> View:
    """The view with no row at all."""
    return View(view.at, view.revision, (), Delta(dimension), 0, 0, 0)


def changed(view: View, persons: Keys, new: SearchedRows, revision: int) -> View:
    """The next view: all rows of `persons` replaced by `new`. Nothing shows before the view is published."""
    at = view.at + 1
    delta = view.delta.with_room(view.end, len(new.persons))
    killed = sum(segment.kill(persons, at) for segment in view.segments)
    killed += delta.kill(persons, view.end, at)
    end = delta.append(new, view.end)
    alive, changes = view.alive - killed + len(new.persons), view.changes + len(persons)
    return View(at, revision, view.segments, delta, end, alive, changes)


def sealed(view: View, store_as: Callable[[Float32], Rows]) -> View:
    """The same rows, those of the delta as one more segment, without its dead."""
    alive = np.flatnonzero(view.delta.died[: view.end] > view.at)
    order = alive[np.lexsort((view.delta.keys[alive], view.delta.persons[alive]))]
    segments = view.segments
    if len(order):
        segment = Segment(
            persons=view.delta.persons[order],
            keys=view.delta.keys[order],
            rows=store_as(view.delta.rows[order]),
            died=np.full(len(order), NEVER),
        )
        segments = (*segments, segment)
    delta = Delta(view.delta.rows.shape[1])
    return replace(view, segments=segments, delta=delta, end=0)


@dataclass(frozen=True)
class Merge:
    """Segments and the one or more that take their place, with where each new row came from."""

    old: tuple[Segment, ...]
    new: tuple[Segment, ...]
    sources: tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]
    """For each new segment: which old one (n,), and which row of it (n,)."""


def merged(old: Sequence[Segment], at: int, cap: int) -> Merge:
    """The living rows of `old` in change `at`, sorted, in segments of at most `cap` rows."""
    which = np.concatenate([np.full(len(segment), number) for number, segment in enumerate(old)])
    place = np.concatenate([np.arange(len(segment)) for segment in old])
    alive = np.flatnonzero(np.concatenate([segment.died for segment in old]) > at)
    persons = np.concatenate([segment.persons for segment in old])
    keys = np.concatenate([segment.keys for segment in old])
    order = alive[np.lexsort((keys[alive], persons[alive]))]
    new, sources = [], []
    for start in range(0, len(order), cap):
        part = order[start : start + cap]
        source = which[part], place[part]
        new.append(
            Segment(
                persons=persons[part],
                keys=keys[part],
                rows=_gathered([segment.rows for segment in old], *source),
                died=np.full(len(part), NEVER),
                codes=_gathered_codes(old, *source),
            )
        )
        sources.append(source)
    return Merge(tuple(old), tuple(new), tuple(sources))


def _gathered(blocks: Sequence[Rows], which: NDArray[np.int64], place: NDArray[np.int64]) -> Rows:
    out = np.empty((len(which), blocks[0].shape[1]), blocks[0].dtype)
    for number, block in enumerate(blocks):
        mine = which == number
        out[mine] = block[place[mine]]
    return out


def _gathered_codes(
    old: Sequence[Segment], which: NDArray[np.int64], place: NDArray[np.int64]
) -> NDArray[np.uint8] | None:
    blocks = [segment.codes for segment in old if segment.codes is not None]
    if len(blocks) < len(old):
        return None
    out = np.empty((len(which), blocks[0].shape[1]), np.uint8)
    for number, block in enumerate(blocks):
        mine = which == number
        out[mine] = block[place[mine]]
    return out


def swapped(view: View, merge: Merge) -> View:
    """The view with the merge's new segments in place of its old ones, and what died while it was made."""
    for segment, (which, place) in zip(merge.new, merge.sources, strict=True):
        for number, old in enumerate(merge.old):
            mine = which == number
            segment.died[mine] = old.died[place[mine]]
    rest = tuple(segment for segment in view.segments if segment not in merge.old)
    return replace(view, segments=(*merge.new, *rest))
