"""Finds the machine's Chromium and starts it with a camera that shows a file. Knows nothing of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def chromium_path() -> str | None:
    """COCIRCLE_CHROMIUM, or the first of the usual names on PATH; None where there is no Chromium."""
    given = os.environ.get("COCIRCLE_CHROMIUM")
    return given or next(filter(None, map(shutil.which, NAMES)), None)


needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium here: install one or set COCIRCLE_CHROMIUM"
    ),
]


@contextmanager
def chromium(camera: Path) -> Iterator[Browser]:
    """A headless Chromium whose camera plays the Y4M file `camera`, ended at the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(),
            args=[*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"],
        )
        try:
            yield browser
        finally:
            browser.close()


def write_y4m(path: Path, picture: NDArray[np.uint8], frames: int = 10) -> None:
    """A still `picture` (H, W, 3) uint8, blue green red, H and W even, as a YUV4MPEG2 film at 10 frames a second."""
    height, width = picture.shape[:2]
    planes = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(frames):
            film.write(b"FRAME\n" + planes)
