"""Two made packs on one service: templates are decided by a photo's pixels and the pack alone, and take no time.

A person's photos are alike, strangers' are not, in either pack; a template of one has another dimension in the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
from anyio.from_thread import start_blocking_portal
from numpy.typing import NDArray

from faces.analyzer import Analysis, EmbedWhat
from faces.batching.pipeline import Pipeline
from faces.face import Detection, Face, Image, Quality
from faces.image import encode_crop
from index.gallery import Gallery, GallerySettings
from index.job_records import Job, NewJob
from index.records import NewCollection, NewFace
from serving.app import create_app
from serving.cursors import Cursors
from serving.jobs.kind import Kind
from serving.keys import KeyRing
from serving.local import InProcessTransport
from serving.metrics import Metrics
from serving.recorder import Recorder
from serving.searching import search_stage
from serving.service import ServedPack, Service, open_pipeline
from serving.settings import Settings

OLD, NEW = "old-0001", "new-0002"
DIMENSION = {OLD: 64, NEW: 96}
SIDE, SCALE = 8, 14
PEOPLE = "people"
PGM = {"Content-Type": "image/x-portable-graymap"}
THRESHOLD = 0.8


def photo(person: int, number: int = 0) -> bytes:
    """A PGM file: what the person looks like, and a little noise of this photo's own."""
    looks = np.random.default_rng(person).integers(10, 246, (SIDE, SIDE))
    noise = np.random.default_rng((person, number, 1)).integers(-10, 11, (SIDE, SIDE))
    return b"P5 %d %d 255\n" % (SIDE, SIDE) + (looks + noise).astype(np.uint8).tobytes()


def crop_of(data: bytes) -> NDArray[np.uint8]:
    """(112, 112, 3): the crop that a made pack keeps of a made photo."""
    grey = np.frombuffer(data[-SIDE * SIDE :], np.uint8).reshape(SIDE, SIDE)
    return _crop(np.repeat(grey[:, :, None], 3, axis=2))


def _crop(image: Image) -> NDArray[np.uint8]:
    return image.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


class MadeAnalyzer:
    """Steps of an Analyzer. `seconds` pass for each embedded crop."""

    def __init__(self, contract: str, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.embedded = 0
        seed = int.from_bytes(contract.encode(), "big")
        self._projection = np.random.default_rng(seed).normal(size=(SIDE * SIDE, DIMENSION[contract]))

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        box = np.array([1, 1, 7, 7], np.float32)
        return [[Detection(box, np.zeros((5, 2), np.float32), 0.9)] for _ in images]

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        quality = Quality(0.5, 6.0, 1.0, 100.0, 0.0, 0.0, 0.0, ())
        return [Face(detection, quality, _crop(image)) for detection in detections]

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        return np.stack([face.crop for face in faces]) if faces else np.zeros((0, 112, 112, 3), np.uint8)

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        time.sleep(self.seconds * len(crops))
        self.embedded += len(crops)
        small = crops[:, ::SCALE, ::SCALE, 0].reshape(len(crops), -1).astype(float) - 128
        rows = small @ self._projection
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def analyze(self, images: Sequence[Image], *, embed: EmbedWhat = EmbedWhat.LARGEST) -> list[Analysis]:
        found = []
        for image, detections in zip(images, self.detect(images), strict=True):
            faces = self.judge(image, detections)
            rows = self.embed_crops(self.crops(image, faces))
            whole = [
                Face(face.detection, face.quality, face.crop, row)
                for face, row in zip(faces, rows, strict=True)
            ]
            found.append(Analysis(tuple(whole), image.shape[1], image.shape[0]))
        return found


def served(
    contract: str, settings: Settings, metrics: Metrics, seconds: float, beside: Pipeline | None
) -> ServedPack:
    analyzer = MadeAnalyzer(contract, seconds)
    pack = SimpleNamespace(
        name=contract[:3],
        contract_id=contract,
        dimension=DIMENSION[contract],
        calibration=None,
        embedder=SimpleNamespace(input=112),
    )
    pipeline = open_pipeline(analyzer, settings, metrics, beside)
    return ServedPack(cast(Any, pack), cast(Any, analyzer), pipeline)


@contextmanager
def two_packs(
    home: Path,
    *,
    contracts: Sequence[str] = (OLD, NEW),
    seconds: float = 0.0,
    database: str | None = None,
    **collection: Any,
) -> Iterator[Service]:
    """A service of the made packs, the first one the main one; with the collection `people` where there is none."""
    settings = Settings(home=home, queue=256)
    metrics = Metrics()
    gallery = Gallery.open(GallerySettings(path=home / "gallery", background=False, database=database))
    if not gallery.collections():
        given = {"keep_crops": True, **collection}
        gallery.create_collection(NewCollection(PEOPLE, OLD, DIMENSION[OLD], **given))
    main = served(contracts[0], settings, metrics, seconds, None)
    others = [served(one, settings, metrics, seconds, main.pipeline) for one in contracts[1:]]
    service = Service(
        settings=settings,
        pack=main.pack,
        analyzer=main.analyzer,
        gallery=gallery,
        keys=KeyRing(gallery.keys),
        cursors=Cursors.open(home / "cursor.secret"),
        pipeline=main.pipeline,
        searches=search_stage(gallery, places=64, threads=2, shared=True, observer=metrics),
        metrics=metrics,
        recorder=Recorder(gallery),
        others=tuple(others),
    )
    try:
        yield service
    finally:
        service.close()


@contextmanager
def http_of(service: Service) -> Iterator[httpx.Client]:
    """A client of the real application on the service."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(create_app(service.settings, service), portal)
        yield stack.enter_context(httpx.Client(base_url="http://localhost", transport=transport, timeout=60))


def template(data: bytes, contract: str) -> NDArray[np.float32]:
    return MadeAnalyzer(contract).embed_crops(crop_of(data)[None])[0]


def enrol(http: httpx.Client, person: int, number: int = 0, **headers: str) -> httpx.Response:
    return http.post(
        f"/v1/collections/{PEOPLE}/persons/p{person}/faces",
        content=photo(person, number),
        params={"create": True},
        headers={**PGM, **headers},
    )


def identify(http: httpx.Client, person: int, number: int = 99) -> httpx.Response:
    return http.post(
        f"/v1/collections/{PEOPLE}/identify",
        content=photo(person, number),
        params={"threshold": THRESHOLD},
        headers=PGM,
    )


def named(answer: httpx.Response) -> list[str]:
    """Whom an identification found."""
    assert answer.status_code == 200, answer.text
    return [hit["person_id"] for hit in answer.json()["faces"][0]["candidates"]]


def contract_of(answer: httpx.Response) -> str:
    return str(answer.json()["model"]["contract_id"])


def fill(service: Service, people: int, photos: int = 2, *, crops: bool = True) -> None:
    """Persons p0, p1 … as an enrolment under the live contract leaves them."""
    contract = service.gallery.collection(PEOPLE).contract_id
    faces = []
    for person in range(people):
        for number in range(photos):
            data = photo(person, number)
            crop = encode_crop(crop_of(data)) if crops else None
            faces.append((f"p{person}", NewFace(template(data, contract), 0.5, {"of": person}, crop)))
    for _ in service.gallery.enroll_templates(PEOPLE, faces, contract_id=contract):
        pass


def make(service: Service, kind: Kind, **options: Any) -> Job:
    valid = kind.options.model_validate(options).model_dump(mode="json")
    return service.gallery.jobs.create(NewJob(kind.name, PEOPLE, options=valid))


def held(service: Service) -> dict[str, list[str]]:
    """Face ids of every person of the live form."""
    gallery = service.gallery
    return {
        person.id: [face.id for face in gallery.faces(PEOPLE, person.id, limit=1000)]
        for person in gallery.persons(PEOPLE, limit=1000)
    }


def finds(service: Service, person: int, contract: str) -> list[str]:
    probe = template(photo(person, 99), contract)[None]
    (hits,) = service.gallery.identify(PEOPLE, probe, contract_id=contract, threshold=THRESHOLD)
    return [hit.person_id for hit in hits]
