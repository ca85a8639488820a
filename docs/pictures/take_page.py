"""Takes page.png anew: the page of a running service with the demo's gallery, and one photo it was not enrolled with.

    cocircle demo --keep    # or any service with a collection `demo`
    python docs/pictures/take_page.py http://127.0.0.1:8080

The photo is of the AT&T Laboratories Cambridge "Database of Faces".
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
from playwright.sync_api import expect, sync_playwright

from evaluation.datasets.att import att_faces
from tests.serving.page.chromium import ARGUMENTS, chromium_path

PICTURE = Path(__file__).with_name("page.png")
PERSON, NUMBER = 12, 9


def main(address: str) -> None:
    """Writes page.png beside this file."""
    photo = next(item for item in att_faces() if (item.person, item.number) == (PERSON, NUMBER))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shown = Path(folder) / f"s{PERSON}-{NUMBER}.png"
        cv2.imwrite(str(shown), cv2.imread(str(photo.path)))  # type: ignore[arg-type]
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGUMENTS])
        page = browser.new_page(viewport={"width": 1120, "height": 760}, reduced_motion="reduce")
        page.goto(f"{address}/#collection=demo")
        expect(page.locator("#service")).not_to_be_empty()
        page.locator("#photo input[type=file]").set_input_files(shown)
        expect(page.locator(".card .score")).to_be_visible()
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
