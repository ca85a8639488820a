"""The vector engine in Milvus, beyond one machine: rows lie there, exact cosines and answers are computed here.

All processes on a store share what lies in Milvus. Who has the turn at a collection brings it up to a revision; the
others see that it is there already. So a search may see a part of a change that another process is making; the
gallery, which knows from the store who changed, makes such an answer whole.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from index.engine import milvus_search
from index.engine.base import Answer, Capabilities, EngineStats, Keys, SearchedRows, Space
from index.engine.milvus_address import MilvusAddress
from index.engine.milvus_link import MilvusLink, Nearest, NoCollection, NotLoaded, State, most_neighbours
from index.engine.turn import Turn, Turns, TurnTaken
from index.errors import EngineUnavailable
from index.records import Fusion
from index.template import Float32

CHECK_SECONDS = 60.0
"""How often a collection is counted."""
SEALED_FROM = 10_000
"""Rows of a collection that is made anew from which it pays to wait until Milvus has put them away."""
PREFIX = "cocircle"

logger = logging.getLogger(__name__)


class Unproven(Exception):
    """What lies in Milvus is not what this gallery wrote there; it has to be made anew."""


@dataclass(frozen=True)
class _Held:
    """A collection as this process last saw it. at: the moment of Milvus' clock from which searches must see it."""

    space: Space
    name: str
    state: State
    at: int
    checked: float


class MilvusEngine:
    """A VectorEngine. Every row is compared, by Milvus; there is no graph, no inverted file and no code.

    In Milvus a collection is an alias, made of the store's random marks and a number, for a collection with a random
    ending; one that is made anew takes the alias over when it is complete.
    """

    def __init__(self, address: MilvusAddress, turns: Turns, token_of: Callable[[int], str | None]) -> None:
        """token_of: the store's mark of a revision, None for one it does not have. Raises EngineUnavailable."""
        self._link = MilvusLink(address)
        self._turns = turns
        self._token_of = token_of
        self._held: dict[int, _Held] = {}
        self._doubted: set[int] = set()

    @property
    def capabilities(self) -> Capabilities:
        """See VectorEngine."""
        return Capabilities(name="milvus", codes=False, snapshots=False, shared=True)

    def check(self) -> None:
        """See VectorEngine."""
        self._link.check()

    def revision(self, key: int) -> int | None:
        """See VectorEngine."""
        held = self._held.get(key)
        return None if held is None else held.state.revision

    def doubt(self, key: int) -> None:
        """See VectorEngine."""
        self._doubted.add(key)
        self._held.pop(key, None)

    def drop(self, key: int) -> None:
        """See VectorEngine. For all processes: its store has the collection no more."""
        self._held.pop(key, None)
        alias = self._alias(key)
        with self._turns(alias):
            self._link.drop_alias(alias)
            for name in self._link.names(f"{alias}_"):
                self._link.drop(name)

    # Changes

    def apply(self, space: Space, persons: Keys, rows: SearchedRows, revision: int) -> None:
        """See VectorEngine. Raises Unproven where what lies in Milvus is not what was seen there before."""
        before = self._held[space.key]
        with self._turns(self._alias(space.key)) as turn:
            found = self._look(space)
            if found is None or not self._same(found) or found.state.revision < before.state.revision:
                raise Unproven(f"collection {space.key} was lost or replaced in Milvus")
            if found.state.revision < revision:
                try:
                    found = self._changed(found, persons, rows, revision, turn)
                except EngineUnavailable:
                    raise
                except BaseException:
                    self.doubt(space.key)
                    raise
            self._held[space.key] = found

    def _changed(self, found: _Held, persons: Keys, rows: SearchedRows, revision: int, turn: Turn) -> _Held:
        state, at = replace(found.state, revision=revision, token=self._token(revision)), found.at
        if len(persons):
            stale = self._stale(found, persons, rows)
            self._link.delete(found.name, stale)
            self._link.upsert(found.name, rows)
            at = self._link.now()
            there = self._link.present(found.name, np.concatenate([rows.keys, stale]), at)
            if there != sorted(rows.keys.tolist()):
                raise Unproven(
                    f"collection {found.space.key} has {len(there)} of {len(rows.keys)} changed rows in Milvus"
                )
            state = replace(state, rows=self._link.count(found.name, at))
        turn.confirm()
        self._link.put_state(found.name, state, found.space.dimension)
        return replace(found, state=state, at=at)

    def _stale(self, found: _Held, persons: Keys, rows: SearchedRows) -> Keys:
        """Keys of rows that have to go; one that is written anew is replaced."""
        known = persons
        if found.space.fusion is Fusion.SAMPLES:
            known = self._link.keys_of(found.name, persons, found.at)
        return np.setdiff1d(known, rows.keys)

    def rebuild(self, space: Space, blocks: Iterable[SearchedRows], revision: int) -> None:
        """See VectorEngine. Where another process did so meanwhile, that is taken; searches go on until it is done."""
        alias = self._alias(space.key)
        with self._turns(alias) as turn:
            found = None if space.key in self._doubted else self._proven(space)
            if found is None or found.state.revision < revision:
                found = self._made(space, alias, blocks, revision, turn)
            self._held[space.key] = found
            self._doubted.discard(space.key)

    def _made(
        self, space: Space, alias: str, blocks: Iterable[SearchedRows], revision: int, turn: Turn
    ) -> _Held:
        name = f"{alias}_{secrets.token_hex(4)}"
        try:
            self._link.create(name, space.dimension)
            rows = 0
            for block in blocks:
                self._link.upsert(name, block)
                rows += len(block.keys)
            at = self._link.now()
            counted = self._link.count(name, at)
            if counted != rows:
                raise Unproven(f"collection {space.key} has {counted} rows in Milvus, {rows} were written")
            if rows >= SEALED_FROM:
                self._link.seal(name)
            state = State(revision, self._token(revision), rows, _digest(space))
            self._link.put_state(name, state, space.dimension)
            turn.confirm()
            self._link.point(alias, name)
        except BaseException:
            with contextlib.suppress(EngineUnavailable):
                self._link.drop(name)
            raise
        for other in self._link.names(f"{alias}_"):
            if other != name:
                self._link.drop(other)
        return _Held(space, name, state, at, time.monotonic())

    # What lies in Milvus

    def _look(self, space: Space) -> _Held | None:
        """What there is now; None where there is nothing whole."""
        name = self._link.behind(self._alias(space.key))
        if name is None:
            return None
        at = self._link.now()
        try:
            state = self._link.state(name, at)
        except NotLoaded:
            self._link.load(name)
            state = self._link.state(name, at)
        except NoCollection:
            return None
        return None if state is None else _Held(space, name, state, at, time.monotonic())

    def _same(self, found: _Held) -> bool:
        """Whether it is of this store's history, made as its rows have to be."""
        state = found.state
        return state.space == _digest(found.space) and state.token == self._token_of(state.revision)

    def _proven(self, space: Space) -> _Held | None:
        """What there is, if it is of this history and no row is lost or came back. Needs the turn."""
        found = self._look(space)
        if found is None or not self._same(found):
            return None
        return found if self._link.count(found.name, found.at) == found.state.rows else None

    def restore(self, space: Space) -> tuple[int, str] | None:
        """See VectorEngine: what Milvus kept is the snapshot, and may be newer than what the caller read."""
        with self._turns(self._alias(space.key)):
            found = None if space.key in self._doubted else self._proven(space)
        if found is None:
            return None
        self._held[space.key] = found
        return found.state.revision, found.state.token

    def maintain(self, key: int) -> None:
        """See VectorEngine. Milvus tidies by itself; here rows are counted now and then."""
        held = self._held.get(key)
        if held is None or time.monotonic() - held.checked < CHECK_SECONDS:
            return
        try:
            with self._turns(self._alias(key), wait=False):
                found = self._proven(held.space)
        except TurnTaken:
            return
        if found is None or found.state.revision < held.state.revision:
            logger.warning("collection %d was lost or changed in Milvus; it is made anew", key)
            self._held.pop(key, None)
        else:
            self._held[key] = found

    def sweep(self, keys: set[int]) -> None:
        """See VectorEngine. Numbers beyond all of `keys` stay: another process may have made those since."""
        known = max(keys, default=0)
        if not known:
            return
        prefix = f"{self._gallery()}_"
        numbers = {re.match(r"\d+", name.removeprefix(prefix)) for name in self._link.names(prefix)}
        for key in {int(number[0]) for number in numbers if number is not None} - keys:
            if key < known:
                self.drop(key)

    # Searches

    def search(self, key: int, probes: Float32, limit: int, threshold: float) -> Answer:
        """See VectorEngine. Persons whom somebody is changing right now may be found as before, as after, or not."""
        held = self._held[key]
        try:
            return self._answer(held, probes, limit, threshold)
        except NoCollection:
            # Another process made it anew, and dropped the one that was known here.
            found = self._look(held.space)
            if found is None or not self._same(found) or found.state.revision < held.state.revision:
                self._held.pop(key, None)
                raise
            self._held[key] = found
            return self._answer(found, probes, limit, threshold)

    def _answer(self, held: _Held, probes: Float32, limit: int, threshold: float) -> Answer:
        def ask(some: Float32, k: int, without: Sequence[int]) -> Iterable[Nearest]:
            return self._link.nearest(held.name, some, k, held.at, without)

        most = most_neighbours(held.space.dimension)
        hits = milvus_search.search(ask, probes, limit, threshold, most)
        return Answer(hits, held.state.revision)

    # Nothing is kept here

    def snapshot(self, key: int, token_of: Callable[[int], str | None]) -> bool:
        """See VectorEngine: never, Milvus keeps what it holds."""
        return False

    def unsaved(self, key: int) -> int:
        """See VectorEngine."""
        return 0

    def stats(self, key: int) -> EngineStats:
        """See VectorEngine; bytes are those of the vectors, wherever Milvus has them."""
        held = self._held[key]
        return EngineStats(
            engine="exact",
            rows=held.state.rows,
            dead=0,
            segments=0,
            delta=0,
            bytes=4 * held.space.dimension * held.state.rows,
            revision=held.state.revision,
            snapshot_revision=0,
        )

    def close(self) -> None:
        """See VectorEngine. What lies in Milvus stays."""
        self._held.clear()
        self._link.close()

    # Names

    def _alias(self, key: int) -> str:
        return f"{self._gallery()}_{key}"

    def _gallery(self) -> str:
        return f"{PREFIX}_{blake2b(self._token(1).encode(), digest_size=8).hexdigest()}"

    def _token(self, revision: int) -> str:
        token = self._token_of(revision)
        if token is None:
            raise Unproven(f"the store has no revision {revision} any more")
        return token


def _digest(space: Space) -> str:
    parts = (space.contract_id, str(space.dimension), space.fusion.value, space.precision.value)
    return blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
