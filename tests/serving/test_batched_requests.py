"""Requests of many clients at once: each answered as if alone, refused when there is no room, none left behind."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier, Event, Semaphore, Thread
from time import monotonic
from typing import Any, TypeVar

import cv2
import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from numpy.typing import NDArray

from faces.analyzer import Analysis, Analyzer
from faces.batching.photo import Photo
from faces.face import Detection, Face, Image
from faces.image import ImageError
from index.errors import InvalidTemplate
from index.records import Candidate, Collection
from serving.app import create_app
from serving.local import InProcessTransport
from serving.metrics import Metrics
from serving.searching import Search, search_stage
from serving.service import Service, open_pipeline
from serving.settings import Settings
from tests.serving.conftest import Att, Opened, ServiceProcess

T = TypeVar("T")
LIMIT = 30.0
PNG = {"content-type": "image/png"}


class HeldAnalyzer:
    """An analyzer that waits before it looks, until it is let go; counts the images it looked at and the faces."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self.entered = Event()
        self.go = Event()
        self.looked = 0
        self.embedded = 0

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        self.looked += len(images)
        self.entered.set()
        assert self.go.wait(LIMIT)
        return self._analyzer.detect(images, max_faces)

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        return self._analyzer.judge(image, detections)

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        return self._analyzer.crops(image, faces)

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.embedded += len(crops)
        return self._analyzer.embed_crops(crops)


@dataclass
class HeldService:
    app: FastAPI
    http: httpx.Client
    service: Service
    analyzer: HeldAnalyzer


def in_a_loop_of_its_own(scenario: Coroutine[Any, Any, T]) -> T:
    """Runs it in a thread: in this one a loop runs already where tests of the page came before."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, scenario).result()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Callable[..., HeldService]]:
    """Opens services whose analyzer waits to be let go."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def open_service(**settings: object) -> HeldService:
            chosen = Settings(home=tmp_path / "home", concurrency=1, **settings)  # type: ignore[arg-type]
            service = Service.open(chosen)
            service.pipeline.close()
            analyzer = HeldAnalyzer(service.analyzer)
            service = replace(service, pipeline=open_pipeline(analyzer, chosen, service.metrics))
            stack.callback(service.close)
            stack.callback(analyzer.go.set)
            app = create_app(chosen, service)
            transport = InProcessTransport(app, portal)
            http = stack.enter_context(
                httpx.Client(base_url="http://localhost", transport=transport, timeout=LIMIT)
            )
            return HeldService(app, http, service, analyzer)

        yield open_service


def until(true: Callable[[], bool]) -> None:
    """Returns once it is true, which it asks a hundred times a second, and fails after LIMIT."""
    begun, never = monotonic(), Event()
    while not true():
        assert monotonic() - begun < LIMIT
        never.wait(0.01)


def metric(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(found[1]) if found else 0.0


def test_clients_at_once_are_answered_as_each_alone(opened: Callable[..., Opened], att: Att) -> None:
    api = opened().http
    api.post("/v1/collections", json={"id": "c"})
    for person in range(1, 7):
        path = f"/v1/collections/c/persons/p{person}/faces"
        assert api.post(path, files={"image": att[person, 1]}, params={"create": True}).status_code == 201

    def identify(photo: bytes) -> httpx.Response:
        return api.post("/v1/collections/c/identify", files={"image": photo}, params={"max_fmr": 0.01})

    wall = np.full((260, 420, 3), 120, np.uint8)
    for at in range(3):
        photo = cv2.imdecode(np.frombuffer(att[at + 1, 2], np.uint8), cv2.IMREAD_COLOR)
        wall[70:182, 30 + 130 * at : 122 + 130 * at] = photo
    photos = [att[person, 2] for person in range(1, 9)]
    photos += [bytes(cv2.imencode(".png", wall)[1]), b"no image", bytes(cv2.imencode(".png", wall[:60])[1])]
    alone = [identify(photo) for photo in photos]
    assert [answer.status_code for answer in alone] == [200] * 9 + [415, 422]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(identify, photos * 3))
    for answer, expected in zip(together, alone * 3, strict=True):
        assert answer.status_code == expected.status_code
        if answer.status_code != 200:
            assert answer.json()["error"] == expected.json()["error"]
            continue
        one, two = answer.json()["faces"], expected.json()["faces"]
        ids = [[hit["person_id"] for hit in face["candidates"]] for face in one]
        assert ids == [[hit["person_id"] for hit in face["candidates"]] for face in two]
        for face, other in zip(one, two, strict=True):
            for hit, same in zip(face["candidates"], other["candidates"], strict=True):
                assert hit["cosine"] == pytest.approx(same["cosine"], abs=1e-5)
    for place, answer in enumerate(alone[:8]):
        hits = [hit["person_id"] for hit in answer.json()["faces"][0]["candidates"]]
        assert hits[:1] == ([f"p{place + 1}"] if place < 6 else [])


def test_a_request_without_room_is_told_when_to_come_again(
    held: Callable[..., HeldService], att: Att
) -> None:
    here = held(queue=2)
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(here.http.post, "/v1/detect", content=att[1, 1], headers=PNG) for _ in range(2)
        ]
        until(lambda: here.service.pipeline.admission.admitted == 2)
        refused = here.http.post("/v1/detect", content=att[1, 2], headers=PNG)
        here.analyzer.go.set()
        assert [answer.result(LIMIT).status_code for answer in answers] == [200, 200]
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"]["details"] == {"cause": "queue_full", "waiting": 2}
    assert here.http.post("/v1/detect", content=att[1, 2], headers=PNG).status_code == 200
    assert metric(here.http.get("/metrics").text, 'cocircle_overloaded_total{cause="queue_full"}') == 1


def test_requests_that_wait_for_their_collection_count_as_here(
    held: Callable[..., HeldService], att: Att, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = held(queue=2)
    here.analyzer.go.set()
    here.http.post("/v1/collections", json={"id": "c"})
    looked_up, asked, go = here.service.gallery.collection, Semaphore(0), Event()

    def slowly(collection: str) -> Collection:
        asked.release()
        assert go.wait(LIMIT)
        return looked_up(collection)

    monkeypatch.setattr(here.service.gallery, "collection", slowly)

    def identify() -> httpx.Response:
        return here.http.post("/v1/collections/c/identify", content=att[1, 1], headers=PNG)

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(identify) for _ in range(2)]
        assert all(asked.acquire(timeout=LIMIT) for _ in answers)
        assert here.service.pipeline.admission.admitted == 0
        assert identify().status_code == 429
        go.set()
        assert [answer.result(LIMIT).status_code for answer in answers] == [200, 200]
    assert identify().status_code == 200


def test_runs_that_may_be_at_work_together_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 9)
    assert [Settings(concurrency=runs).run_threads for runs in (1, 2, 4, 20)] == [9, 4, 2, 1]
    assert Settings(concurrency=2, threads=3).run_threads == 3


def test_a_photo_that_waits_too_long_is_a_429_and_counted(held: Callable[..., HeldService], att: Att) -> None:
    here = held(deadline=1e-6)
    here.analyzer.go.set()
    answer = here.http.post("/v1/embeddings", content=att[1, 1], headers=PNG)
    assert (answer.status_code, answer.json()["error"]["details"]["cause"]) == (429, "deadline")
    assert int(answer.headers["Retry-After"]) >= 1
    text = here.http.get("/metrics").text
    assert metric(text, 'cocircle_overloaded_total{cause="deadline"}') == 1
    assert metric(text, 'cocircle_stage_expired_total{stage="decode"}') == 1
    assert here.analyzer.looked == 0


def test_a_service_that_stops_answers_503(held: Callable[..., HeldService], att: Att) -> None:
    here = held()
    here.service.pipeline.close()
    answer = here.http.post("/v1/detect", content=att[1, 1], headers=PNG)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "1"


class LeavingClient:
    """Sends a photo to the application, and leaves when it is told to."""

    def __init__(self, app: FastAPI, path: str, photo: bytes) -> None:
        self._app = app
        self._path = path
        self._photo = photo
        self.left = asyncio.Event()
        self.statuses: list[int] = []
        self._sent = False

    async def run(self) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"content-type", b"image/png")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._photo, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/collections/c/identify"])
def test_a_client_that_leaves_costs_nobody_anything(
    held: Callable[..., HeldService], att: Att, path: str
) -> None:
    here = held()
    here.http.post("/v1/collections", json={"id": "c"})

    async def scenario() -> None:
        first, second = LeavingClient(here.app, path, att[1, 1]), LeavingClient(here.app, path, att[2, 1])
        at_work = asyncio.create_task(first.run())
        assert await asyncio.to_thread(here.analyzer.entered.wait, LIMIT)
        waits = asyncio.create_task(second.run())
        await asyncio.to_thread(until, lambda: here.service.pipeline.admission.admitted == 2)
        first.left.set()
        second.left.set()
        await asyncio.wait_for(asyncio.gather(at_work, waits), LIMIT)
        assert first.statuses == second.statuses == [499]

    in_a_loop_of_its_own(scenario())
    here.analyzer.go.set()
    stays = here.http.post("/v1/detect", content=att[3, 1], headers=PNG)
    assert (stays.status_code, len(stays.json()["faces"])) == (200, 1)
    here.service.pipeline.close()
    assert here.analyzer.looked <= 3
    assert here.analyzer.embedded == 0
    assert here.service.pipeline.admission.admitted == 0


def test_a_client_that_stays_is_heard_to_the_end_while_its_connection_is_watched(
    held: Callable[..., HeldService], att: Att
) -> None:
    here = held()
    here.analyzer.go.set()

    async def scenario() -> list[int]:
        client = LeavingClient(here.app, "/v1/detect", att[1, 1])
        await asyncio.wait_for(client.run(), LIMIT)
        return client.statuses

    assert in_a_loop_of_its_own(scenario()) == [200]


def test_closing_the_service_answers_what_it_admitted(held: Callable[..., HeldService], att: Att) -> None:
    here = held()
    assert here.http.post("/v1/collections", json={"id": "c"}).status_code == 201
    with ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(here.http.post, "/v1/detect", content=att[number, 1], headers=PNG)
            for number in range(1, 7)
        ]
        until(lambda: here.service.pipeline.admission.admitted == 6)
        closing = Thread(target=here.service.close)
        closing.start()
        here.analyzer.go.set()
        assert [len(answer.result(LIMIT).json()["faces"]) for answer in asked] == [1] * 6
        closing.join(LIMIT)
    assert not closing.is_alive()


def test_a_process_told_to_stop_answers_every_request_it_has(
    service_process: Callable[..., ServiceProcess], att: Att
) -> None:
    process = service_process(COCIRCLE_AUTH="off")
    clients = 8
    ready = Barrier(clients + 1)

    def ask(number: int) -> int:
        with httpx.Client(base_url=process.url, timeout=LIMIT) as http:
            http.get("/livez")
            ready.wait(LIMIT)
            files = {"image_a": att[number + 1, 1], "image_b": att[number + 1, 2]}
            return http.post("/v1/verify", files=files).status_code

    with ThreadPoolExecutor(clients) as pool, httpx.Client(base_url=process.url, timeout=LIMIT) as watching:
        asked = [pool.submit(ask, number) for number in range(clients)]
        ready.wait(LIMIT)
        inside: list[float] = []

        def all_have_come() -> bool:
            text = watching.get("/metrics").text
            done = metric(text, 'cocircle_requests_total{method="POST",route="/v1/verify",status="200"}')
            inside.append(metric(text, "cocircle_admitted_photos"))
            return 2 * done + inside[-1] >= 2 * clients - 1

        until(all_have_come)
        assert process.stop() == 0
        assert [answer.result(LIMIT) for answer in asked] == [200] * clients
    assert inside[-1] > 0


def test_a_refused_request_leaves_nothing_for_the_collector_of_cycles(
    opened: Callable[..., Opened], att: Att
) -> None:
    here = opened()
    here.http.post("/v1/collections", json={"id": "c"})
    empty = bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1])
    requests = [
        ("/v1/detect", att[1, 1][:500], 400),
        ("/v1/embeddings", b"no image", 415),
        ("/v1/collections/c/identify", b"no image", 415),
        ("/v1/collections/c/identify", empty, 422),
        ("/v1/collections/c/persons/p/faces?create=true", b"no image", 415),
        ("/v1/detect", att[1, 1], 200),
    ]

    def nothing_is_left() -> bool:
        return not any(isinstance(thing, Photo | ImageError | Analysis) for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        for path, photo, status in requests:
            assert here.http.post(path, content=photo, headers=PNG).status_code == status, path
            until(nothing_is_left)
    finally:
        gc.enable()


class CountedGallery:
    """Finds for each probe a person of its first component; refuses a probe of NaN; counts its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.entered = Event()
        self.go = Event()

    def identify(
        self, collection: str, probes: NDArray[Any], *, contract_id: str, limit: int, threshold: float
    ) -> list[list[Candidate]]:
        self.calls.append((collection, len(probes)))
        self.entered.set()
        assert self.go.wait(LIMIT)
        if np.isnan(probes).any():
            raise InvalidTemplate("a template holds NaN")
        return [[Candidate(f"{collection}-{probe[0]:.0f}", "", threshold)] * limit for probe in probes]


def search(collection: str, *values: float, limit: int = 1, threshold: float = 0.5) -> Search:
    return Search(collection, "contract", limit, threshold, np.array([[value, 0.0] for value in values]))


def test_searches_that_ask_alike_share_a_call_and_a_bad_one_fails_alone() -> None:
    gallery = CountedGallery()
    stage = search_stage(gallery, places=64, threads=1, shared=True, observer=Metrics())  # type: ignore[arg-type]
    first = stage.submit(search("a", 0))
    assert gallery.entered.wait(LIMIT)
    same = [stage.submit(search("a", value, value + 1)) for value in (1, 3, 5)]
    none = stage.submit(Search("a", "contract", 1, 0.5, np.zeros((0, 2))))
    other = stage.submit(search("b", 7, limit=2))
    stricter = stage.submit(search("a", 8, threshold=0.9))
    bad = stage.submit(search("c", float("nan")))
    beside = stage.submit(search("c", 9))
    gallery.go.set()
    stage.close()
    assert [hit[0].person_id for hit in first.result()] == ["a-0"]
    found = [[hits[0].person_id for hits in future.result()] for future in same]
    assert found == [["a-1", "a-2"], ["a-3", "a-4"], ["a-5", "a-6"]]
    assert none.result() == []
    assert [len(hits) for hits in other.result()] == [2]
    assert stricter.result()[0][0].cosine == 0.9
    with pytest.raises(InvalidTemplate):
        bad.result()
    assert beside.result()[0][0].person_id == "c-9"
    assert gallery.calls == [("a", 1), ("a", 6), ("b", 1), ("a", 1), ("c", 2), ("c", 1), ("c", 1)]


def test_metrics_tell_of_every_stage(opened: Callable[..., Opened], att: Att) -> None:
    api = opened().http
    api.post("/v1/collections", json={"id": "c"})
    api.post("/v1/collections/c/identify", files={"image": att[1, 1]})
    text = api.get("/metrics").text
    for stage in ("decode", "detect", "align", "embed", "search"):
        assert metric(text, f'cocircle_batch_size_count{{stage="{stage}"}}') == 1
        assert metric(text, f'cocircle_stage_seconds_count{{stage="{stage}"}}') == 1
        assert f'cocircle_stage_waiting{{stage="{stage}"}} 0.0' in text
    assert metric(text, "cocircle_faces_per_image_count") == 1
