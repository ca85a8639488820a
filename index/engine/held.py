"""One collection inside an engine: the view searches take, the lock changes take, and what may wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from index.engine import search as search_module
from index.engine.base import Answer, EngineStats, Keys, SearchedRows, Space
from index.engine.codes import BITS, SAMPLE, Coder, encoded
from index.engine.rows import NEVER, Delta, Segment, View, changed, emptied, merged, sealed, swapped
from index.engine.scan import Scanner
from index.records import Fusion, Search
from index.template import Float32, Rows, stored, widened

CodeSegment = Callable[[Segment], Scanner]


@dataclass(frozen=True)
class Tuning:
    """Numbers that trade memory and latency, not answers.

    fast_from: rows from which Search.AUTO takes codes. candidates: rows a scan of codes hands on to exact
    cosines. delta_rows: rows scanned in full before they become a segment. segment_rows: most rows of a
    segment. small_segments: segments below half of that which may stand before they are merged.
    train_from: rows without which codes are not trained, whatever the setting.
    """

    fast_from: int = 20_000
    candidates: int = 400
    delta_rows: int = 4096
    segment_rows: int = 1 << 18
    small_segments: int = 6
    train_from: int = 1024

    def __post_init__(self) -> None:
        if self.train_from < 1 << BITS:
            raise ValueError(
                f"train_from is {self.train_from}, codes are learnt from {1 << BITS} rows or more"
            )


class Held:
    """A held collection. Any thread may search; `apply`, `rebuild` and the swaps of `maintain` take turns."""

    def __init__(self, space: Space, tuning: Tuning, own_scanner: CodeSegment | None = None) -> None:
        """own_scanner: what an engine without codes scans segments with (a GPU), else None."""
        self.space = space
        self.coder: Coder | None = None
        self.view = View(0, 0, (), Delta(space.dimension), 0, 0, 0)
        self.snapshot_revision = 0
        self.changing = threading.RLock()
        self._tuning = tuning
        self._own_scanner = own_scanner
        self._maintaining = threading.RLock()
        self._saved_changes = 0

    def search(self, probes: Float32, limit: int, threshold: float) -> Answer:
        """See VectorEngine.search."""
        view = self.view
        factor = 2 if self.space.fusion is Fusion.SAMPLES else 1
        candidates = factor * self._tuning.candidates
        hits = search_module.search(view, probes, limit, threshold, candidates, self._choose)
        return Answer(hits, view.revision)

    def _choose(self, segment: Segment) -> Scanner:
        if self._own_scanner is not None and len(segment) >= self._tuning.train_from:
            own = self._own_scanner
            return segment.scanner("own", lambda: own(segment))
        coder, codes = self.coder, segment.codes
        if coder is not None and codes is not None and self._wants_codes():
            return segment.scanner("codes", lambda: coder.scanner(codes))
        return segment.exact()

    def _wants_codes(self) -> bool:
        if self._own_scanner is not None or self.space.search is Search.EXACT:
            return False
        few = self._tuning.train_from if self.space.search is Search.FAST else self._tuning.fast_from
        return self.view.alive >= max(few, self._tuning.train_from)

    def apply(self, space: Space, persons: Keys, rows: SearchedRows, revision: int) -> None:
        """See VectorEngine.apply."""
        with self.changing:
            self.space = space
            if len(persons):
                view = changed(self.view, persons, rows, revision)
            else:
                view = replace(self.view, revision=revision)
            self.view = view
            if view.end >= self._tuning.delta_rows:
                self._seal()

    def rebuild(self, space: Space, blocks: Iterable[SearchedRows], revision: int) -> None:
        """See VectorEngine.rebuild."""
        with self.changing:
            self.space, self.coder = space, None
            segments: list[Segment] = []
            gathered: list[SearchedRows] = []
            for block in blocks:
                gathered.append(block)
                if sum(len(part.persons) for part in gathered) >= self._tuning.segment_rows:
                    segments.append(_segment(gathered))
                    gathered = []
            if sum(len(part.persons) for part in gathered):
                segments.append(_segment(gathered))
            alive = sum(len(segment) for segment in segments)
            blank = emptied(self.view, space.dimension)
            self.view = replace(
                blank, revision=revision, segments=tuple(segments), alive=alive, changes=alive
            )
            self._saved_changes = 0
            # Codes before the first search: it would make exact scanners, with copies of all rows, for a
            # moment.
            if self._wants_codes():
                self._train()

    def load(self, segments: tuple[Segment, ...], coder: Coder | None, revision: int) -> None:
        """Holds what a snapshot held."""
        with self.changing:
            alive = sum(len(segment) for segment in segments)
            blank = emptied(self.view, self.space.dimension)
            self.coder = coder
            self.view = replace(blank, revision=revision, segments=segments, alive=alive)
            self._saved_changes = 0
            self.snapshot_revision = revision
            for segment in segments:
                self._choose(segment)

    def unsaved(self) -> int:
        """Persons changed since the newest snapshot; at least 1 when there is none."""
        unsaved = self.view.changes - self._saved_changes
        return unsaved if self.snapshot_revision else max(1, unsaved)

    def clean_view(self) -> tuple[View, Coder | None]:
        """A view without dead rows and without delta, and the coder of its codes."""
        with self._maintaining:
            for _ in range(3):
                self.maintain(forget=True)
                view, coder = self.view, self.coder
                if view.end == 0 and sum(len(segment) for segment in view.segments) == view.alive:
                    return view, coder
            # Writers were faster three times; now they wait.
            with self.changing:
                self.maintain(forget=True)
                return self.view, self.coder

    def saved(self, view: View) -> None:
        """A snapshot holds `view` now."""
        self._saved_changes = view.changes
        self.snapshot_revision = view.revision

    def maintain(self, forget: bool = False) -> None:
        """Trains, encodes and merges without holding up searches or, but for the swap, changes.

        forget: every dead row leaves memory, and the delta becomes a segment, as a snapshot wants it.
        """
        with self._maintaining:
            if forget:
                with self.changing:
                    self._seal()
            if self._wants_codes():
                self._train()
            self._merge(forget)

    def _seal(self) -> None:
        if self.view.end:
            view = sealed(self.view, self._stored)
            if self.coder is not None and len(view.segments) > len(self.view.segments):
                self._encode(view.segments[-1], self.coder)
            self.view = view

    def _stored(self, rows: Float32) -> Rows:
        return stored(rows, self.space.precision)

    def _encode(self, segment: Segment, coder: Coder) -> None:
        segment.codes = encoded(coder, len(segment), lambda part: widened(segment.rows[part]))

    def _train(self) -> None:
        if self.coder is None:
            coder = Coder.train(self._sample())
            for segment in self.view.segments:
                self._encode(segment, coder)
            with self.changing:
                self.coder = coder
        for segment in self.view.segments:
            if segment.codes is None:
                self._encode(segment, self.coder)
            self._choose(segment)
            segment.release_exact()

    def _sample(self) -> Float32:
        """Living rows drawn evenly and by a fixed seed, (n, D) float32."""
        view = self.view
        delta_alive = np.flatnonzero(view.delta.died[: view.end] > view.at)
        alive = [np.flatnonzero(segment.died > view.at) for segment in view.segments]
        total = len(delta_alive) + sum(len(part) for part in alive)
        drawn = np.random.default_rng(0).permutation(total)[:SAMPLE]
        rows, start = [], 0
        for segment, part in zip(view.segments, alive, strict=True):
            mine = drawn[(drawn >= start) & (drawn < start + len(part))] - start
            rows.append(widened(segment.rows[np.sort(part[mine])]))
            start += len(part)
        rows.append(view.delta.rows[delta_alive[drawn[drawn >= start] - start]])
        return np.concatenate(rows)

    def _merge(self, forget: bool) -> None:
        view = self.view
        cap = self._tuning.segment_rows
        dead = {id(segment): segment.dead(view.at) for segment in view.segments}
        small = [segment for segment in view.segments if 2 * len(segment) < cap]
        chosen = [
            segment
            for segment in view.segments
            if dead[id(segment)] > (0 if forget else len(segment) // 4)
            or (segment in small and len(small) > (1 if forget else self._tuning.small_segments))
        ]
        if not chosen:
            return
        merge = merged(chosen, view.at, cap)
        for segment in merge.new:
            self._choose(segment)  # its scanner is made here, not in somebody's search
        with self.changing:
            self.view = swapped(self.view, merge)

    def stats(self) -> EngineStats:
        """See VectorEngine.stats."""
        view = self.view
        coded = self._wants_codes() and all(segment.codes is not None for segment in view.segments)
        size = sum(segment.rows.nbytes for segment in view.segments) + view.delta.rows.nbytes
        size += sum(segment.codes.nbytes for segment in view.segments if segment.codes is not None)
        held = sum(len(segment) for segment in view.segments) + view.end
        return EngineStats(
            engine="codes" if coded and self.coder is not None else "exact",
            rows=view.alive,
            dead=held - view.alive,
            segments=len(view.segments),
            delta=view.end,
            bytes=size,
            revision=view.revision,
            snapshot_revision=self.snapshot_revision,
        )


def _segment(blocks: list[SearchedRows]) -> Segment:
    persons = np.concatenate([block.persons for block in blocks])
    return Segment(
        persons=persons,
        keys=np.concatenate([block.keys for block in blocks]),
        rows=np.concatenate([block.vectors for block in blocks]),
        died=np.full(len(persons), NEVER),
    )
