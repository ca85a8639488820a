"""Takes the pictures of the web pages anew, from a running service with the demo's gallery.

    cocircle demo --keep    # or any service with a collection `demo`
    python docs/pictures/take_page.py http://127.0.0.1:8080

It makes a collection of its own for what the demo has not, and deletes it. The photos are of the AT&T Laboratories
Cambridge "Database of Faces".
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from evaluation.datasets.att import att_faces
from tests.serving.page.chromium import ARGUMENTS, chromium_path

FOLDER = Path(__file__).parent
DESKTOP = {"width": 1120, "height": 760}
TALL = {"width": 1120, "height": 1080}
PHONE = {"width": 375, "height": 760}
PATIENCE_MS = 60_000
PROBE = (12, 9)
COLLECTION = "visitors"
VISITORS: Mapping[str, Sequence[tuple[int, int]]] = {
    "ada": [(1, 1), (1, 2), (1, 3), (1, 5)],
    "grace": [(10, 1), (10, 2)],
    "grace-2": [(10, 3), (10, 4)],
    "mary": [(8, 1), (8, 2)],
    "mary-h": [(8, 3)],
    "unknown-17": [(4, 1)],
    "unknown-18": [(4, 2)],
    "unknown-21": [(4, 4)],
    "unknown-22": [(7, 1)],
    "unknown-30": [(1, 7)],
}


def main(address: str) -> None:
    """Writes the PNG files beside this one."""
    expect.set_options(timeout=PATIENCE_MS)
    photos = {(photo.person, photo.number): photo.path for photo in att_faces()}
    with (
        tempfile.TemporaryDirectory() as folder,
        visitors(address, photos),
        sync_playwright() as playwright,
    ):
        probe = Path(folder) / "s{}-{}.png".format(*PROBE)
        cv2.imwrite(str(probe), cv2.imread(str(photos[PROBE])))  # type: ignore[arg-type]
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS])
        who_is_it(opened(browser, f"{address}/#collection=demo"), probe)
        people(browser, f"{address}/people#collection={COLLECTION}")
        unknowns(opened(browser, f"{address}/unknowns#collection={COLLECTION}", TALL))
        duplicates(opened(browser, f"{address}/duplicates#collection={COLLECTION}", scheme="dark"))
        operator(browser, address)
        browser.close()


@contextmanager
def visitors(address: str, photos: Mapping[tuple[int, int], Path]) -> Iterator[None]:
    """A collection that keeps crops, with persons who are there twice and some whom nobody knows."""
    with httpx.Client(base_url=f"{address}/v1", timeout=60) as http:
        http.delete(f"/collections/{COLLECTION}", params={"force": True})
        http.post("/collections", json={"id": COLLECTION, "keep_crops": True}).raise_for_status()
        try:
            for person, shown in VISITORS.items():
                files = [("image", photos[photo].read_bytes()) for photo in shown]
                path = f"/collections/{COLLECTION}/persons/{person}/faces"
                http.post(path, files=files, params={"create": True}).raise_for_status()
            yield
        finally:
            http.delete(f"/collections/{COLLECTION}", params={"force": True}).raise_for_status()


def opened(
    browser: Browser, address: str, viewport: Mapping[str, int] = DESKTOP, scheme: str = "light"
) -> Page:
    """The page at `address` in a window of its own."""
    page = browser.new_page(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(address)
    expect(page.locator("#service")).not_to_be_empty()
    return page


def who_is_it(page: Page, photo: Path) -> None:
    """A photo, and who it is."""
    page.locator("#photo input[type=file]").set_input_files(photo)
    expect(page.locator(".card .score")).to_be_visible()
    taken(page, "page.png")


def people(browser: Browser, address: str) -> None:
    """A collection, one person of it, and that person on a phone in the dark."""
    page = opened(browser, address)
    expect(page.locator("#persons li")).to_have_count(len(VISITORS))
    taken(page, "page-people.png")
    for name, viewport, scheme in (("person", DESKTOP, "light"), ("phone", PHONE, "dark")):
        page = opened(browser, f"{address}&person=ada", viewport, scheme)
        expect(page.locator("#tiles img")).to_have_count(len(VISITORS["ada"]))
        taken(page, f"page-{name}.png")


def unknowns(page: Page) -> None:
    """Groups of persons nobody knows."""
    look = page.get_by_role("button", name="Group them")
    look.click()
    expect(page.get_by_role("article")).to_have_count(3)
    expect(page.locator("#found img")).to_have_count(7)
    expect(look).to_be_enabled()
    taken(page, "page-unknowns.png")


def duplicates(page: Page) -> None:
    """Persons who may be one."""
    look = page.get_by_role("button", name="Look for duplicates")
    look.click()
    expect(page.get_by_role("article", name="grace and grace-2").locator("img")).to_have_count(4)
    expect(look).to_be_enabled()
    taken(page, "page-duplicates.png")


def operator(browser: Browser, address: str) -> None:
    """What was done with the collection above, and what runs."""
    page = opened(browser, f"{address}/jobs")
    expect(page.locator("progress").first).to_be_visible()
    taken(page, "page-jobs.png")
    page = opened(browser, f"{address}/audit", scheme="dark")
    expect(page.locator("tbody tr").nth(5)).to_be_visible()
    taken(page, "page-audit.png")
    page = opened(browser, f"{address}/system")
    expect(page.locator("#ready .state")).to_be_visible()
    taken(page, "page-system.png")


def taken(page: Page, name: str) -> None:
    """The window as it is now, without the focus's frame."""
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=FOLDER / name)
    page.close()


if __name__ == "__main__":
    main(sys.argv[1])
