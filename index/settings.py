"""How a gallery is opened; validated once, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from index.engine.held import Tuning
from index.engine.milvus_address import milvus_address
from index.store.database_url import database_url

ENGINES = ("faiss-cpu", "faiss-gpu", "milvus")


@dataclass(frozen=True)
class GallerySettings:
    """path: the data directory; holds gallery.sqlite3 and snapshots/, is made where missing.

    database: address of a PostgreSQL database to use in place of gallery.sqlite3. `path` then holds snapshots
    alone: processes of one host may share it, as long as their database is the same.
    milvus: address of the Milvus that the engine of that name searches.
    fast_from: rows from which Search.AUTO scans codes. candidates: rows of that scan that get exact cosines.
    search_threads: threads over which the probes of one call are spread. snapshot_every: changed persons
    after which a snapshot is written in the background. background: whether there is a background thread;
    without one `Gallery.maintain` does its work. receipt_days: how long idempotency keys are remembered.
    audit: whether every write leaves its line in the audit. forget_seconds: how long after a deletion records,
    snapshots and SQLite's journal may still hold what was deleted, while there is a background thread.
    """

    path: Path
    engine: str = "faiss-cpu"
    fast_from: int = 20_000
    candidates: int = 400
    search_threads: int = 1
    snapshot_every: int = 100_000
    background: bool = True
    receipt_days: float = 7.0
    audit: bool = True
    forget_seconds: float = 300.0
    database: str | None = field(default=None, repr=False)  # it may hold a password
    milvus: str | None = field(default=None, repr=False)  # or a token

    def __post_init__(self) -> None:
        if self.database is not None:
            database_url(self.database)
        if self.engine not in ENGINES:
            raise ValueError(f"engine {self.engine!r} is none of {', '.join(ENGINES)}")
        if self.milvus is not None:
            milvus_address(self.milvus)
        elif self.engine == "milvus":
            raise ValueError("engine milvus needs the address of a Milvus, as http://host:19530")
        for name in ("fast_from", "candidates", "search_threads", "snapshot_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")

    @property
    def tuning(self) -> Tuning:
        """The engine's part."""
        return Tuning(fast_from=self.fast_from, candidates=self.candidates)
