"""What shared runs gain where a run costs the same whatever its size, as on an accelerator. Starts no service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Lock
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.load.report import bar, table
from faces.batching.pipeline import Pipeline, PipelineSettings
from faces.face import Detection, Image
from faces.image import ImageLimits
from tests.faces.fake_analyzer import FakeAnalyzer

CLIENTS = 32
RUN_SECONDS = 0.01
BATCHES = (1, 32, 1, 32)
BAR = 5.0


class Device(FakeAnalyzer):
    """A device that does one run at a time, each of RUN_SECONDS."""

    def __init__(self) -> None:
        super().__init__(RUN_SECONDS)
        self._one_at_a_time = Lock()

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        """As many faces as the first pixel says."""
        with self._one_at_a_time:
            return super().detect(images, max_faces)

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 2): the photo's pixel and the face's rank."""
        with self._one_at_a_time:
            return super().embed_crops(crops)


def compare(seconds: float) -> Iterator[str]:
    """The table and the ratio, line by line."""
    measured = [(batch, _photos_a_second(batch, seconds)) for batch in BATCHES]
    rates = {batch: [rate for other, rate in measured if other == batch] for batch in dict.fromkeys(BATCHES)}
    yield f"A run of either model takes {RUN_SECONDS * 1000:.0f} ms, one at a time; {CLIENTS} clients in a closed loop."
    yield ""
    yield from table(
        {
            "batch": str(batch),
            "photos/s": f"{median(found):.1f}",
            "of": " ".join(f"{rate:.1f}" for rate in found),
        }
        for batch, found in rates.items()
    )
    yield ""
    shared, alone = median(rates[BATCHES[1]]), median(rates[BATCHES[0]])
    yield bar(
        f"on / off at {CLIENTS} clients: {shared / alone:.1f}", shared >= BAR * alone, f"at least {BAR:.0f}"
    )


def _photos_a_second(batch: int, seconds: float) -> float:
    photo = bytes(cv2.imencode(".png", np.full((8, 8, 3), 1, np.uint8))[1])
    pipeline = Pipeline(Device(), ImageLimits(), PipelineSettings(batch=batch, buckets=()))
    end = monotonic() + seconds

    def client(_: int) -> int:
        answered = 0
        while monotonic() < end:
            (face,) = pipeline.submit(photo).result().faces
            assert face.embedding is not None
            assert face.embedding.tolist() == [1, 0]
            answered += 1
        return answered

    with ThreadPoolExecutor(CLIENTS) as pool:
        answered = sum(pool.map(client, range(CLIENTS)))
    pipeline.close()
    return answered / seconds
