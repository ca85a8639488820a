"""How fast a collection gets to another model contract, and what clients feel of it: the re-embedding, the way back.

    python -m benchmarks.reembed [--persons 2000] [--faces 2] [--clients 2] [--to PACK] [--synthetic] [--json]

A service with two packs answers identifications all the time; a worker of two threads re-embeds the collection from
its kept crops. Told are faces a second, the latency of identifications before and during the job, the longest of those
that were under way at the switch, and the seconds of a rollback after `--changed` further enrolments. Without --to the
second pack is the default one averaged with the mirrored crop, which costs twice an embedding. Crops are AT&T faces,
over and over, each time of other people. --synthetic: templates cost nothing, so that store and index alone are
measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from time import monotonic, perf_counter
from typing import Any

import httpx
import numpy as np
from anyio.from_thread import start_blocking_portal
from numpy.typing import NDArray

from evaluation.datasets.att import att_faces
from faces.analyzer import EmbedWhat
from faces.image import encode_crop
from index.job_records import ACTIVE, Job, JobState, NewJob
from index.records import NewCollection, NewFace
from serving.app import create_app
from serving.jobs.kind import Kind
from serving.jobs.kinds.reembed import REEMBED
from serving.jobs.kinds.rollback import ROLLBACK
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.local import InProcessTransport
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings

COLLECTION = "people"
BUILT_IN = Path(__file__).parents[1] / "faces/packs/default/model.toml"
SETTLING = 3.0
"""Seconds of traffic before the job begins."""


@dataclass
class Clients:
    """Threads that identify one photo after another. answered: (begun, seconds, contract of the answer)."""

    answered: list[tuple[float, float, str]] = field(default_factory=list)
    _stop: Event = field(default_factory=Event)

    def ask(self, http: httpx.Client, photos: list[bytes]) -> None:
        """Until `stop`."""
        for photo in cycle(photos):
            if self._stop.is_set():
                return
            begun = perf_counter()
            answer = http.post(f"/v1/collections/{COLLECTION}/identify", files={"image": photo})
            answer.raise_for_status()
            contract = answer.json()["model"]["contract_id"]
            self.answered.append((begun, perf_counter() - begun, contract))

    @contextmanager
    def asking(self, http: httpx.Client, photos: list[bytes], clients: int) -> Iterator[None]:
        """While the block runs."""
        threads = [Thread(target=self.ask, args=(http, photos), daemon=True) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


class AtOnce:
    """In place of an analyzer's embedding: rows decided by the crop, without a model."""

    def __init__(self, dimension: int, seed: int) -> None:
        self._projection = (
            np.random.default_rng(seed).normal(size=(28 * 28 * 3, dimension)).astype(np.float32)
        )

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) -> (N, D)."""
        rows = (crops[:, ::4, ::4].reshape(len(crops), -1).astype(np.float32) - 128) @ self._projection
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def second_pack(folder: Path) -> str:
    """The default pack's files under another contract."""
    text = BUILT_IN.read_text().replace('name = "default"', 'name = "flipped"', 1)
    (folder / "model.toml").write_text(text.replace("flip = false", "flip = true", 1))
    return str(folder)


def filled(service: Service, photos: list[bytes], persons: int, faces: int) -> None:
    """A collection of crops that repeat, each time with a little noise so that no two templates are one."""
    pack = service.pack
    crops = [
        service.analyze(photo, EmbedWhat.LARGEST, background=True).faces[0].crop for photo in photos[::7]
    ]
    chance = np.random.default_rng(0)
    service.gallery.create_collection(
        NewCollection(COLLECTION, pack.contract_id, pack.dimension, keep_crops=True)
    )

    def samples() -> Iterator[tuple[str, NewFace]]:
        for number, crop in enumerate(islice(cycle(crops), persons * faces)):
            noisy = np.clip(crop + chance.integers(-8, 9, crop.shape), 0, 255).astype(np.uint8)
            row = chance.normal(size=pack.dimension)
            yield f"p{number // faces}", NewFace(row, 0.5, crop=encode_crop(noisy))

    for _ in service.gallery.enroll_templates(COLLECTION, samples(), contract_id=pack.contract_id):
        pass


def done(service: Service, kind: Kind, **options: Any) -> Job:
    """The job at its end, done by a worker of two threads."""
    given = kind.options.model_validate(options).model_dump(mode="json")
    job = service.gallery.jobs.create(NewJob(kind.name, COLLECTION, options=given))
    worker = Worker(service, KINDS, 2)
    worker.start()
    while job.state in ACTIVE:
        service.gallery.jobs.wait(0.05)
        job = service.gallery.jobs.get(job.id)
    worker.stop()
    assert job.state is JobState.DONE, job.message
    assert job.result["switched"], job.result
    return job


def latencies(answered: list[tuple[float, float, str]]) -> dict[str, float]:
    """Milliseconds."""
    taken = np.array([seconds for _, seconds, _ in answered]) * 1e3
    if not len(taken):
        return {}
    p50, p99 = np.percentile(taken, (50, 99))
    return {
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(float(taken.max()), 1),
    }


def at_the_switch(answered: list[tuple[float, float, str]], before: str) -> float:
    """The longest identification of those under way when the answers changed, ms."""
    ends = [begun + seconds for begun, seconds, contract in answered if contract == before]
    starts = [begun + seconds for begun, seconds, contract in answered if contract != before]
    low, high = max(ends, default=0.0), min(starts, default=0.0)
    near = [seconds for begun, seconds, _ in answered if begun <= max(low, high) <= begun + seconds + 1e-3]
    return round(1e3 * max(near, default=0.0), 1)


def measure(
    service: Service, http: httpx.Client, photos: list[bytes], args: argparse.Namespace
) -> dict[str, Any]:
    """Every figure."""
    old, new = (one.pack for one in service.packs)
    clients = Clients()
    with clients.asking(http, photos, args.clients):
        until = monotonic() + SETTLING
        while monotonic() < until:
            service.gallery.jobs.wait(0.1)
        begun = perf_counter()
        job = done(service, REEMBED, to=new.contract_id)
        seconds = perf_counter() - begun
        while args.clients and clients.answered[-1][2] != new.contract_id:
            service.gallery.jobs.wait(0.05)
    changed = (
        (f"late{at}", NewFace(row, crop=late_crop(service)))
        for at, row in enumerate(late(new.dimension, args))
    )
    for _ in service.gallery.enroll_templates(COLLECTION, changed, contract_id=new.contract_id):
        pass
    going_back = perf_counter()
    done(service, ROLLBACK)
    before = [one for one in clients.answered if one[0] < begun]
    during = [one for one in clients.answered if begun <= one[0]]
    return {
        "faces": job.result["faces"],
        "from": old.contract_id,
        "to": new.contract_id,
        "seconds": round(seconds, 2),
        "faces_per_second": round(job.result["faces"] / seconds, 1),
        "identify_before": latencies(before),
        "identify_during": latencies(during),
        "identify_at_the_switch_max_ms": at_the_switch(clients.answered, old.contract_id),
        "changed_before_rollback": args.changed,
        "rollback_seconds": round(perf_counter() - going_back, 2),
    }


def late(dimension: int, args: argparse.Namespace) -> NDArray[np.float64]:
    """(changed, D) templates of people who come after the switch."""
    return np.random.default_rng(1).normal(size=(args.changed, dimension))


def late_crop(service: Service) -> bytes:
    """Some kept crop."""
    person = service.gallery.persons(COLLECTION, limit=1)[0].id
    face = service.gallery.faces(COLLECTION, person, limit=1)[0].id
    crop = service.gallery.face_crop(COLLECTION, person, face)
    assert crop is not None
    return crop


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--persons", type=int, default=2000)
    parser.add_argument("--faces", type=int, default=2, help="of each person")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--changed", type=int, default=50)
    parser.add_argument("--to", default=None)
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    start_logging("error")
    photos = [photo.path.read_bytes() for photo in att_faces()]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        service = Service.open(Settings(home=home / "home", packs=(args.to or second_pack(home),)))
        try:
            if args.synthetic:
                for seed, one in enumerate(service.packs):
                    at_once = AtOnce(one.pack.dimension, seed)
                    one.analyzer.embed_crops = at_once  # type: ignore[method-assign]
            filled(service, photos, args.persons, args.faces)
            with start_blocking_portal() as portal:
                transport = InProcessTransport(create_app(service.settings, service), portal)
                with httpx.Client(base_url="http://localhost", transport=transport, timeout=60) as http:
                    figures = measure(service, http, photos, args)
        finally:
            service.close()
    if args.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
