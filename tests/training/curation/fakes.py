"""An analyzer without models: every photo shows one face, the photo itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analysis
from faces.face import Detection, Face, Image, Quality, Reason
from faces.quality import DEFAULT_LIMITS


class FakeAnalyzer:
    """Takes what is dark for no face, and what is green for blurred."""

    limits = DEFAULT_LIMITS
    contract_id = "fake"
    dimension = 8
    pack = SimpleNamespace(name="fake", detector=SimpleNamespace(model=SimpleNamespace(sha256="0" * 64)))

    def analyze(self, images: Sequence[Image], **_: object) -> list[Analysis]:
        return [Analysis(self._faces(image), image.shape[1], image.shape[0]) for image in images]

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = crops.reshape(len(crops), 8, -1).mean(axis=2).astype(np.float32) + 1
        result: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return result

    def _faces(self, image: Image) -> tuple[Face, ...]:
        if image.mean() < 5:
            return ()
        reasons = (Reason.BLURRED,) if image[:, :, 1].mean() > 250 else ()
        detection = Detection(np.array([0, 0, 10, 10], np.float32), np.zeros((5, 2), np.float32), 0.9)
        crop = cv2.resize(image, (112, 112), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        return (Face(detection, Quality(1, 100, 100, 100, 0, 0, 0, reasons), crop),)


def fake() -> Any:
    return FakeAnalyzer()


def photo_tree(root: Path, counts: dict[str, str]) -> Path:
    """Photos by identity, a letter each: a accepted, n no face, b blurred, t a text."""
    for identity, letters in counts.items():
        (root / identity).mkdir(parents=True, exist_ok=True)
        for number, letter in enumerate(letters):
            colour = {"n": (0, 0, 0), "b": (0, 255, 0)}.get(
                letter, (40 + 7 * number, 90, 200 - 9 * len(identity))
            )
            data = bytes(cv2.imencode(".png", np.full((16, 16, 3), colour, np.uint8))[1])
            (root / identity / f"{number:02d}.png").write_bytes(b"text" if letter == "t" else data)
    return root


def files(out: Path) -> dict[str, bytes]:
    """All that an alignment left, but the cache of Shards."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(".cocircle-index")
    }
