"""Photos and a model that are made: a photo's pixels say whose it is, so that enrolments by job take no time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from faces.batching.pipeline import Pipeline, PipelineSettings
from faces.face import Detection, Face, Image, Quality, Reason
from faces.image import ImageLimits
from index.errors import ContractMismatch
from index.gallery import Gallery, GallerySettings
from index.job_records import Job, NewJob
from index.records import Collection, NewCollection
from index.store.schema import crops, faces, persons
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.kinds.enroll import Enroll
from serving.jobs.worker import Worker
from serving.metrics import Metrics
from serving.service import Service
from serving.settings import Settings
from tests.serving.jobs.fake import untraced

CONTRACT = "made-0000"
DIMENSION = 8
SIDE = 8
MOST_BYTES = 1024
NO_FACE, TWO_FACES, UNFIT = 1, 2, 3
"""First pixel of a photo; any other value is one face that is fit."""

_PROJECTION = np.random.default_rng(7).normal(size=(SIDE * SIDE * 3, DIMENSION)).astype(np.float32)


def made_photo(person: int, number: int, first: int = 9) -> bytes:
    """A PGM file that no other person or number has."""
    pixels = np.random.default_rng((person, number)).integers(0, 256, (SIDE, SIDE), np.uint8)
    pixels[0, 0] = first
    return b"P5 %d %d 255\n" % (SIDE, SIDE) + pixels.tobytes()


def fill(folder: Path, people: int, photos: int) -> Path:
    """FOLDER/p000/0.pgm and so on."""
    for person in range(people):
        (folder / f"p{person:03}").mkdir(parents=True)
        for number in range(photos):
            (folder / f"p{person:03}" / f"{number}.pgm").write_bytes(made_photo(person, number))
    return folder


class MadeAnalyzer:
    """Steps of an Analyzer on made photos. `seconds` pass at each call of its embedder."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.embedded = 0

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        counts = {NO_FACE: 0, TWO_FACES: 2}
        box, marks = np.array([1, 1, 6, 6], np.float32), np.zeros((5, 2), np.float32)
        return [[Detection(box, marks, 0.9)] * counts.get(int(image[0, 0, 0]), 1) for image in images]

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        reasons = (Reason.BLURRED,) if image[0, 0, 0] == UNFIT else ()
        score = float(image[1, 1, 0]) / 255
        quality = Quality(score, 5.0, 1.0, 100.0, 0.0, 0.0, 0.0, reasons)
        crop = np.full((112, 112, 3), image[2, 2, 0], np.uint8)
        return [Face(detection, quality, crop) for detection in detections]

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        return np.stack([image] * len(faces)) if faces else np.zeros((0, SIDE, SIDE, 3), np.uint8)

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        time.sleep(self.seconds)
        self.embedded += len(crops)
        rows = [(crop.reshape(-1).astype(np.float32) - 128) @ _PROJECTION for crop in crops]
        return np.stack([row / np.linalg.norm(row) for row in rows])


@contextmanager
def made_service(
    home: Path, analyzer: MadeAnalyzer | None = None, database: str | None = None, **collection: Any
) -> Iterator[Service]:
    """A service on `home` with a made model and the collection `people`; as much of one as enrolments ask for."""
    gallery = Gallery.open(GallerySettings(path=home / "gallery", background=False, database=database))
    if not gallery.collections():
        gallery.create_collection(NewCollection("people", CONTRACT, DIMENSION, **collection))
    pipeline = Pipeline(analyzer or MadeAnalyzer(), ImageLimits(max_bytes=MOST_BYTES), PipelineSettings())
    service = SimpleNamespace(
        settings=Settings(home=home, max_image_bytes=MOST_BYTES),
        pack=SimpleNamespace(name="made", contract_id=CONTRACT, dimension=DIMENSION),
        gallery=gallery,
        pipeline=pipeline,
        metrics=Metrics(),
        traced=untraced,
    )
    served = SimpleNamespace(pack=service.pack, pipeline=pipeline)
    service.served = lambda contract_id: served if contract_id == CONTRACT else None

    def of(found: Collection) -> SimpleNamespace:
        if found.contract_id != CONTRACT:
            raise ContractMismatch(f"{found.contract_id} is not served, {CONTRACT} is")
        return served

    service.of = of

    def close() -> None:
        pipeline.close()
        gallery.close()

    service.close = close
    yield cast(Service, service)
    close()


def make_job(service: Service, **options: Any) -> Job:
    """A job on the collection `people`."""
    given = EnrollOptions.model_validate(options).model_dump(mode="json")
    return service.gallery.jobs.create(NewJob(Enroll.name, "people", options=given))


@contextmanager
def working(service: Service, kind: Enroll | None = None, threads: int = 1) -> Iterator[Worker]:
    """A worker that is not started: the test calls `once`."""
    worker = Worker(service, {Enroll.name: kind or Enroll()}, threads)
    yield worker
    worker.stop()


def do_all(service: Service, kind: Enroll | None = None) -> None:
    """Works, in this thread, until there is nothing to do."""
    with working(service, kind) as worker:
        while worker.once():
            pass


def state(gallery: Gallery, rounded: int | None = None) -> dict[str, Any]:
    """Everything that an enrolment leaves behind but ids, times and order; vectors as stored, or rounded to digits."""
    found: dict[str, Any] = {}
    query = (
        select(persons.c.id, persons.c.name, persons.c.faces, faces, crops.c.image)
        .select_from(persons.join(faces).outerjoin(crops))
        .order_by(persons.c.id, faces.c.source)
    )
    with gallery._store.read() as connection:
        for row in connection.execute(query):
            person = found.setdefault(row.id, (row.name, row.faces, {}))
            assert row.source not in person[2], "one photo of a person was enrolled twice"
            vector: Any = row.vector
            if rounded is not None:
                vector = np.frombuffer(vector, np.float16).astype(float).round(rounded).tolist()
            person[2][row.source] = (round(row.quality, 3), json.loads(row.detail)["item"], vector, row.image)
    assert gallery.collection("people").faces == sum(person[1] for person in found.values())
    assert all(person[1] == len(person[2]) for person in found.values())
    return found


def outcomes(service: Service, job: Job) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What became of each item: state and reasons."""
    items = service.gallery.jobs.items(job.id, limit=100_000)
    return {item.item: (str(item.state), tuple(item.reasons)) for item in items}
