"""One Chromium and one service for all tests of the page; a script's or policy's fault fails the test it is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.serving.conftest import Att, ServiceProcess
from tests.serving.page.actions import DESKTOP, picture_of
from tests.serving.page.chromium import chromium, write_y4m

ENROLLED = (1, 2, 3, 4, 5)
PATIENCE_MS = 20_000  # of a wait that fails; a busy machine must not fail a test
CAMERA_FACE = (232, 96, 184, 224)  # left, top, width, height of the photo within the camera's picture

WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


@pytest.fixture(scope="session")
def photos(att: Att, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """AT&T photos as PNG files, the kind a browser shows, by (person, number)."""
    folder = tmp_path_factory.mktemp("photos")

    def photo(person: int, number: int) -> Path:
        path = folder / f"s{person}-{number}.png"
        if not path.exists():
            cv2.imwrite(str(path), picture_of(att[person, number]))
        return path

    return photo


@pytest.fixture(scope="session")
def browser(att: Att, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with person 3 before its camera, on grey."""
    left, top, width, height = CAMERA_FACE
    scene = np.full((480, 640, 3), 128, np.uint8)
    face = cv2.resize(picture_of(att[3, 6]), (width, height), interpolation=cv2.INTER_CUBIC)
    scene[top : top + height, left : left + width] = face
    film = tmp_path_factory.mktemp("camera") / "scene.y4m"
    write_y4m(film, scene)
    expect.set_options(timeout=PATIENCE_MS)
    with chromium(film) as started:
        yield started


@pytest.fixture(scope="session")
def service(att: Att, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with a collection `demo` of five people."""
    folder = tmp_path_factory.mktemp("service")
    process = ServiceProcess(folder / "home", folder / "service.log")
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            assert http.post("/v1/collections", json={"id": "demo"}).status_code == 201
            for person in ENROLLED:
                files = [("image", att[person, number]) for number in (1, 2, 3)]
                path = f"/v1/collections/demo/persons/s{person}/faces"
                assert http.post(path, files=files, params={"create": True}).status_code == 201
        yield process.url
    finally:
        process.stop()


@pytest.fixture(scope="session")
def http(service: str) -> Iterator[httpx.Client]:
    """Asks the same service without the pages."""
    with httpx.Client(base_url=service, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def collection(http: httpx.Client, att: Att) -> Callable[..., str]:
    """Makes collections that keep crops: `collection(id, {person: [(AT&T person, number), ...]})`."""

    def make(id: str, persons: Mapping[str, Sequence[tuple[int, int]]] = MappingProxyType({})) -> str:
        http.post("/v1/collections", json={"id": id, "keep_crops": True}).raise_for_status()
        for person, photos in persons.items():
            files = [("image", att[photo]) for photo in photos]
            path = f"/v1/collections/{id}/persons/{person}/faces"
            http.post(path, files=files, params={"create": True}).raise_for_status()
        return id

    return make


@dataclass(frozen=True)
class Guarded:
    """A service that wants keys: its address, its administrator's key, and a client with that key."""

    url: str
    key: str
    http: httpx.Client

    def make_key(self, **wanted: Any) -> str:
        made = self.http.post("/v1/keys", json=wanted).raise_for_status()
        return str(made.json()["key"])


@pytest.fixture(scope="session")
def guarded(att: Att, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A service with keys on, and a collection `gate` of one person, `ada`."""
    folder = tmp_path_factory.mktemp("guarded")
    process = ServiceProcess(folder / "home", folder / "service.log", COCIRCLE_AUTH="on")
    try:
        found = re.search(r"cck_\S+", (folder / "service.log").read_text())
        assert found is not None
        headers = {"Authorization": f"Bearer {found[0]}"}
        with httpx.Client(base_url=process.url, headers=headers, timeout=60) as client:
            client.post("/v1/collections", json={"id": "gate"}).raise_for_status()
            path = "/v1/collections/gate/persons/ada/faces"
            client.post(path, files={"image": att[1, 1]}, params={"create": True}).raise_for_status()
            yield Guarded(process.url, found[0], client)
    finally:
        process.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages in fresh profiles; at the end no script may have failed and no policy been violated."""
    opened: list[tuple[Page, list[str]]] = []

    def open_at(address: str, viewport: dict[str, int] = DESKTOP, key: str = "", **profile: Any) -> Page:
        context = browser.new_context(viewport=viewport, **profile)  # type: ignore[arg-type]
        context.grant_permissions(["camera"])
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said.type, said.text) else None)
        page.add_init_script(WATCH_POLICY)
        if key:
            page.add_init_script(f"sessionStorage.setItem('cocircle-api-key', '{key}')")
        page.goto(address)
        expect(page.locator("#service")).not_to_be_empty()
        opened.append((page, faults))
        return page

    yield open_at
    for page, faults in opened:
        assert page.evaluate("window.violations") == []
        assert faults == []
        page.context.close()


@pytest.fixture
def page(service: str, open_page: Callable[..., Page]) -> Page:
    """The page with the collection `demo` chosen by its address."""
    return open_page(f"{service}/#collection=demo")


def is_fault(kind: str, text: str) -> bool:
    """An error on the console, but for Chromium's own line about each 4xx or 503, which the page tells in words."""
    return kind in ("error", "warning") and not re.match(
        r"Failed to load resource: .* status of (4\d\d|503)", text
    )
