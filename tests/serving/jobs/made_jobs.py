"""Jobs over made templates, without models: a gallery, a service with as much as kinds ask for, and ways to run jobs.

`run` does a job as a worker does. `run_with_deaths` has each step done by a worker first that dies before it settles;
what it leaves must be what `run` leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from faces.calibration import Calibration
from index.errors import LeaseLost
from index.gallery import Gallery, GallerySettings
from index.job_records import Claim, Job, JobState, NewItem, NewJob
from index.records import NewCollection, NewFace
from serving.jobs.kind import Kind
from serving.jobs.worker import Worker
from serving.service import Service
from serving.settings import Settings
from tests.serving.jobs.fake import untraced

CONTRACT = "made-0000"
DIMENSION = 32
CALIBRATION = Calibration((0.0, 0.5, 0.8), (-0.3, -3.0, -6.0), "made", 1_000_000, 1e-6)
"""1e-6 at a cosine of .8, 1e-3 at .5."""
DEAD = "dead" * 4


def made_service(gallery: Gallery, home: Path, contract: str = CONTRACT) -> Service:
    pack = SimpleNamespace(contract_id=contract, calibration=CALIBRATION, name="made", dimension=DIMENSION)
    made = SimpleNamespace(gallery=gallery, settings=Settings(home=home), pack=pack, traced=untraced)
    made.of = lambda _: SimpleNamespace(pack=pack, pipeline=getattr(made, "pipeline", None))
    made.served = lambda contract_id: made.of(None) if contract_id == contract else None
    return cast(Service, made)


@contextmanager
def opened_service(home: Path, database: str | None = None, **collection: Any) -> Iterator[Service]:
    """A service on `home` with the collection `people`."""
    settings = GallerySettings(path=home / "gallery", background=False, database=database)
    with Gallery.open(settings) as gallery:
        if not gallery.collections():
            gallery.create_collection(NewCollection("people", CONTRACT, DIMENSION, **collection))
        yield made_service(gallery, home)


def units(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float64]:
    """(count, D) random unit rows: strangers."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def like(row: NDArray[Any], cosine: float, seed: int = 0) -> NDArray[np.float64]:
    """A unit row at exactly this cosine from another."""
    other = np.random.default_rng(seed).normal(size=row.shape)
    other -= (other @ row) * row
    other /= np.linalg.norm(other)
    return np.asarray(cosine * row + np.sqrt(1 - cosine**2) * other)


def enrol(service: Service, faces: Sequence[tuple[str, NewFace]], collection: str = "people") -> None:
    for _ in service.gallery.enroll_templates(collection, faces, contract_id=CONTRACT):
        pass


def make(
    service: Service,
    kind: Kind,
    items: Sequence[NewItem] = (),
    *,
    collection: str | None = "people",
    **options: Any,
) -> Job:
    valid = kind.options.model_validate(options).model_dump(mode="json")
    return service.gallery.jobs.create(NewJob(kind.name, collection, options=valid), items)


@contextmanager
def working(service: Service, kind: Kind) -> Iterator[Worker]:
    """A worker that does a claim when it is told to."""
    worker = Worker(service, {kind.name: kind}, threads=0)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def run(service: Service, kind: Kind, job: Job) -> Job:
    """Works until there is nothing to do."""
    with working(service, kind) as worker:
        while worker.once():
            pass
    return service.gallery.jobs.get(job.id)


def done(service: Service, kind: Kind, *items: NewItem, **options: Any) -> Job:
    """Makes a job and does it, to its good end."""
    job = run(service, kind, make(service, kind, items, **options))
    assert job.state is JobState.DONE, job.message
    return job


def findings(service: Service, job: Job) -> list[dict[str, Any]]:
    return [dict(finding.body) for finding in service.gallery.jobs.findings(job.id, limit=10_000)]


def run_with_deaths(service: Service, kind: Kind, job: Job) -> Job:
    """Each step is first done by a worker that dies before anything of it is written."""
    jobs = service.gallery.jobs
    with working(service, kind) as worker:
        progress = True
        while progress:
            late = _die(service, kind)
            jobs.release(DEAD)
            progress = worker.once()
            if late is not None and late.items:
                write = kind.work(service, late)
                with pytest.raises(LeaseLost):
                    service.gallery.settle(late, write)
    return jobs.get(job.id)


def _die(service: Service, kind: Kind) -> Claim | None:
    """Begins the next step and leaves it; the claim, where it was one of items."""
    jobs = service.gallery.jobs
    plan = jobs.claim_plan(worker=DEAD)
    if plan is not None:
        for listed in kind.plan(service, plan.job):
            jobs.listed(plan, listed)
            break
        return None
    claim = jobs.claim_items(lambda _: kind.batch, DEAD)
    if claim is not None:
        kind.work(service, claim)
        return claim
    whole = jobs.claim_finish(worker=DEAD)
    if whole is not None:
        kind.finish(service, whole)
    return None


def contents(service: Service, collection: str = "people") -> dict[str, Any]:
    """Everything a collection holds, with the bits of its rows, but for numbers and revisions."""
    with service.gallery.reading() as reading:
        found = reading.collection(collection)
        people = [
            person
            for span in reading.spans(collection, 1000)
            for person in reading.carried(collection, span, with_crops=True)
        ]
    return {
        "settings": (found.contract_id, found.dimension, found.fusion, found.search, found.precision),
        "kept": (found.keep_crops, dict(found.metadata), found.persons, found.faces),
        "people": sorted(people, key=lambda person: person.id),
    }
