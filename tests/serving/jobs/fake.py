"""A kind of job without models: each item enrols one made face; tests hook into every step of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from index.gallery import Gallery
from index.job_records import Claim, ItemState, Job, NewItem, Outcome, Values
from index.records import NewFace
from index.writing import Settlement, Writing
from serving.jobs.kind import Options, Write
from serving.jobs.sources.uploads import Uploads
from serving.service import Service
from serving.settings import Settings

CONTRACT = "made-0000"


class Folder(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["folder"] = "folder"
    path: str


class FakeOptions(Options):
    """count: items that are planned."""

    count: int = Field(default=0, ge=0, le=100_000, description="How many items.")
    source: Uploads | Folder = Field(default=Uploads(), discriminator="kind")
    careful: bool = False
    note: str | None = None


class Fake:
    """Plans item-0, item-1 …; each enrols a face of the person of that name. Hooks raise, wait or count."""

    name = "enroll"
    batch = 4
    options = FakeOptions
    needs_collection = True
    local = frozenset({"source"})

    def __init__(self) -> None:
        self.on_suits: Callable[[Job], bool] = lambda _: True
        self.on_plan: Callable[[int], None] = lambda _: None
        self.on_work: Callable[[Claim], None] = lambda _: None
        self.on_finish: Callable[[Service, Claim], Values | None] = lambda _, claim: {
            "seen": claim.job.settled
        }
        self.rejects: frozenset[str] = frozenset()
        self.leaves: frozenset[str] = frozenset()

    def suits(self, service: Service, job: Job) -> bool:
        return self.on_suits(job)

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        count = FakeOptions.model_validate(job.options).count
        for start in range(0, count, 3):
            self.on_plan(start)
            yield [NewItem(f"item-{at}") for at in range(start, min(start + 3, count))]

    def work(self, service: Service, claim: Claim) -> Write:
        self.on_work(claim)
        items = [item for item in claim.items if item.item not in self.leaves]
        kept = [item for item in items if item.item not in self.rejects]
        rejected = [item for item in items if item.item in self.rejects]

        def write(writing: Writing) -> Settlement:
            faces = [(item.item, NewFace(_unit(service.pack.dimension, item.key))) for item in kept]
            if faces:
                writing.add_faces("people", faces, contract_id=service.pack.contract_id)
            done = [Outcome(item.key, ItemState.DONE) for item in kept]
            refused = [
                Outcome(item.key, ItemState.REJECTED, ("no_face",), "No face was found.") for item in rejected
            ]
            return Settlement([*done, *refused], [{"rejected": item.item} for item in rejected])

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        return self.on_finish(service, claim)


def _unit(dimension: int, key: int) -> NDArray[np.float32]:
    return np.eye(dimension, dtype=np.float32)[key % dimension]


def stand_in(gallery: Gallery, home: Path) -> Service:
    """As much of a service as a worker and this kind ask for."""
    pack = SimpleNamespace(contract_id=CONTRACT, dimension=8)
    made = SimpleNamespace(gallery=gallery, settings=Settings(home=home), pack=pack, traced=untraced)
    return cast(Service, made)


def untraced(name: str, **_: str | int) -> AbstractContextManager[None]:
    """Service.traced where nobody asked for traces."""
    return nullcontext()
