"""What the gallery asks of a vector engine, and the values that pass between them; no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.records import Fusion, Precision, Search
from index.template import Float32, Rows

Keys = NDArray[np.int64]
"""(n,) int64 numbers the store gave to persons or rows; never given twice."""


@dataclass(frozen=True)
class Space:
    """What of a collection decides how it is searched. `key` is its number in the store."""

    key: int
    contract_id: str
    dimension: int
    fusion: Fusion
    search: Search
    precision: Precision


@dataclass(frozen=True)
class SearchedRows:
    """Rows to search. persons, keys: (n,) int64; vectors: (n, D) at the collection's precision.

    With one mean a person, a row's key is the person's; with samples it is the face's.
    """

    persons: Keys
    keys: Keys
    vectors: Rows


@dataclass(frozen=True)
class Hits:
    """The persons found for one probe, best first, each once, with their best row. All (m,).

    cosines: float32, exact, of the stored rows.
    """

    persons: Keys
    keys: Keys
    cosines: Float32


@dataclass(frozen=True)
class Answer:
    """Hits of each probe, and the revision whose state was searched. There are no partial answers here."""

    hits: Sequence[Hits]
    as_of: int


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do. codes: searches short codes first. snapshots: can start without the store.

    shared: all processes on a store have one state in common, which may be newer than this process's store was when it
    asked; a search may see a part of a change that another process is making.
    """

    name: str
    codes: bool
    snapshots: bool
    shared: bool = False


@dataclass(frozen=True)
class EngineStats:
    """See records.CollectionStats."""

    engine: str
    rows: int
    dead: int
    segments: int
    delta: int
    bytes: int
    revision: int
    snapshot_revision: int


class VectorEngine(Protocol):
    """Derived from the store. Any thread may search; changes come from one thread at a time.

    A search sees all of a change or nothing of it, unless the engine is shared. A change that was applied twice counts
    once. Every method of an engine outside the process may raise EngineUnavailable.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this engine can do."""
        ...

    def check(self) -> None:
        """Returns when it can answer. Raises EngineUnavailable."""
        ...

    def revision(self, key: int) -> int | None:
        """What has been applied to a collection; None where the engine does not hold it."""
        ...

    def doubt(self, key: int) -> None:
        """Holds a collection no more, since what it found there was wrong; only a rebuild makes it good."""
        ...

    def drop(self, key: int) -> None:
        """Forgets a collection, in memory and on disk."""
        ...

    def apply(self, space: Space, persons: Keys, rows: SearchedRows, revision: int) -> None:
        """Replaces all rows of `persons` by `rows`. The collection must be held; `space` may be newer."""
        ...

    def rebuild(self, space: Space, blocks: Iterable[SearchedRows], revision: int) -> None:
        """Holds exactly these rows from now on; blocks come by person, then by key."""
        ...

    def search(self, key: int, probes: Float32, limit: int, threshold: float) -> Answer:
        """At most `limit` persons with a cosine of at least `threshold` for each unit probe of (n, D)."""
        ...

    def maintain(self, key: int) -> None:
        """What may wait: training, encoding, compaction. Searches and changes go on meanwhile."""
        ...

    def snapshot(self, key: int, token_of: Callable[[int], str | None]) -> bool:
        """Writes the state, with the log's token of its revision; False when that could not be done now."""
        ...

    def restore(self, space: Space) -> tuple[int, str] | None:
        """Loads the newest snapshot: its revision and token; None, and a word logged, when none fits."""
        ...

    def unsaved(self, key: int) -> int:
        """How many persons changed since the newest snapshot; 0 where the engine makes none."""
        ...

    def sweep(self, keys: set[int]) -> None:
        """Removes the snapshots of all other collections."""
        ...

    def stats(self, key: int) -> EngineStats:
        """Figures of a held collection."""
        ...

    def close(self) -> None:
        """Gives memory and threads back."""
        ...


SNAPSHOTS = "snapshots"
"""Folder of the snapshots inside the gallery's."""


def snapshot_folder(root: Path, key: int) -> Path:
    """Where the snapshot of a collection lies."""
    return root / SNAPSHOTS / str(key)
