"""Photos of many callers through one analyzer: decode, detect, align, embed, each a stage that takes what waits.

What an answer says is what Analyzer.analyze says of that photo alone. Opens no files, searches nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faces.align import CROP
from faces.analyzer import DETECTED_AT_ONCE, Analysis, EmbedWhat, embedded_count
from faces.batching.admission import Admission
from faces.batching.photo import Photo
from faces.batching.pixels import PixelBudget
from faces.batching.stage import Observer, Stage
from faces.face import Detection, Face, Image
from faces.image import ImageLimits, accepted_header, decode_pixels

PART = 8
"""Crops of one photo that are embedded as one item. Those beyond wait behind other photos' faces."""
BEHIND = 2
"""Crops that a background caller has in line where a run's time grows with its size, as on a CPU."""


class Analysing(Protocol):
    """The steps of an Analyzer."""

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        """Each image's faces."""

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        """The detected faces of one image, aligned and judged."""

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8: the faces of one image as the embedder takes them."""

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 crops -> (N, D) float32, rows of unit length."""


@dataclass(frozen=True)
class PipelineSettings:
    """queue: photos admitted and not answered. batch: crops of one run of the embedder at most, and images of
    one call of the detector; 1 turns sharing off. threads: of each stage. pixels: of decoded photos held at once.

    linger: seconds that a free thread waits for a batch to fill. buckets: sizes that the embedder is run with,
    smaller batches being padded; for a GPU, to which every new size is a new plan. Empty: as they come. even: the
    threads of a stage share what waits evenly; for a CPU, on which a run costs what its photos cost one by one.
    """

    queue: int = 64
    batch: int = 32
    threads: int = 2
    pixels: int = 100_000_000
    linger: float = 0.0
    buckets: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    even: bool = False


@dataclass(frozen=True)
class _Aligned:
    faces: list[Face]
    crops: NDArray[np.uint8]  # (n, S, S, 3): of the first n faces, those to be embedded


class Pipeline:
    """Threads and event loops may call everything here at once. Close it when nobody submits any more.

    A full inner stage keeps the stage before it waiting, so that what was admitted is not refused half-way.
    """

    def __init__(
        self,
        analyzer: Analysing,
        limits: ImageLimits,
        settings: PipelineSettings,
        observer: Observer | None = None,
        beside: Pipeline | None = None,
    ) -> None:
        """beside: the pipeline of another analyzer, whose places and memory for pixels this one shares.

        Raises ValueError for settings below 1.
        """
        self.admission: Admission = beside.admission if beside else Admission(settings.queue)
        self._analyzer = analyzer
        self._limits = limits
        self._buckets = settings.buckets
        self._budget: PixelBudget = beside._budget if beside else PixelBudget(settings.pixels)
        batch, threads = settings.batch, settings.threads
        looked_at = min(batch, 2 * DETECTED_AT_ONCE)
        self._decode: Stage[Photo, Image] = Stage("decode", self._decoded, threads=threads, observer=observer)
        self._detect: Stage[Image, list[Detection]] = Stage(
            "detect",
            analyzer.detect,
            most=looked_at,
            places=looked_at,
            threads=threads,
            linger=settings.linger,
            even=settings.even,
            observer=observer,
        )
        self._align: Stage[tuple[Photo, list[Detection]], _Aligned] = Stage(
            "align", self._aligned, places=batch, threads=threads, observer=observer
        )
        self._embed: Stage[NDArray[np.uint8], NDArray[np.float32]] = Stage(
            "embed",
            self._embedded,
            most=batch,
            places=2 * batch,
            threads=threads,
            linger=settings.linger,
            even=settings.even,
            weigh=len,
            observer=observer,
        )

    def warm(self) -> None:
        """Runs the embedder once at each size that it will be run with."""
        for bucket in self._buckets:
            self._analyzer.embed_crops(np.zeros((bucket, CROP, CROP, 3), np.uint8))

    def submit(
        self,
        data: bytes,
        embed: EmbedWhat = EmbedWhat.LARGEST,
        *,
        deadline: float | None = None,
        background: bool = False,
        wait: bool = False,
        then: Callable[[Future[Analysis]], None] | None = None,
    ) -> Future[Analysis]:
        """The analysis of one encoded photo; as submit_all."""
        (answer,) = self.submit_all(
            [data], embed, deadline=deadline, background=background, wait=wait, then=then
        )
        return answer

    def submit_all(
        self,
        encoded: Sequence[bytes],
        embed: EmbedWhat = EmbedWhat.LARGEST,
        *,
        deadline: float | None = None,
        background: bool = False,
        wait: bool = False,
        then: Callable[[Future[Analysis]], None] | None = None,
    ) -> list[Future[Analysis]]:
        """The analyses of one caller's encoded photos, which are admitted together and answered each for itself.

        A future fails with ImageError where its photo is not accepted, and with DeadlineExceeded where the photo
        waited past `deadline` of time.monotonic(). background: others go first. wait: for admission. then: is
        called with each ended future by the thread that ends it. Raises QueueFull, DeadlineExceeded, Closed.
        """
        self.admission.enter(len(encoded), background=background, wait=wait, until=deadline)
        photos = [Photo(data, embed, deadline, background, self._ended) for data in encoded]
        for photo in photos:
            if then is not None:
                photo.answer.add_done_callback(then)
            self._send(photo, self._decode, photo, self._to_detect)
        return [photo.answer for photo in photos]

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 crops, at least one, S the embedder's input -> (N, D) float32 unit rows.

        For threads that can wait: what clients wait for goes first. Raises Closed, and what the embedder raises.
        """
        rows, begun = [], deque[Future[NDArray[np.float32]]]()
        # Where a larger run takes longer, clients who share it wait for all of it: a caller then has one part in line.
        part, in_line = (PART, len(crops)) if self._buckets else (BEHIND, 1)
        for start in range(0, len(crops), part):
            if len(begun) == in_line:
                rows.append(begun.popleft().result())
            begun.append(self._embed.submit(crops[start : start + part], background=True, wait=True))
        return np.concatenate([*rows, *(one.result() for one in begun)])

    def close(self) -> None:
        """Takes nothing new and returns when everything admitted is answered."""
        self.admission.close()
        for stage in (self._decode, self._detect, self._align, self._embed):
            stage.close()

    # What the stages do.

    def _decoded(self, photos: Sequence[Photo]) -> list[Image]:
        return [self._decode_one(photo) for photo in photos]

    def _decode_one(self, photo: Photo) -> Image:
        header = accepted_header(photo.data, self._limits)
        pixels = header.width * header.height
        self._budget.take(pixels, photo.deadline)
        photo.pixels = pixels
        return decode_pixels(photo.data, header)

    def _aligned(self, found: Sequence[tuple[Photo, list[Detection]]]) -> list[_Aligned]:
        return [self._align_one(photo, detections) for photo, detections in found]

    def _align_one(self, photo: Photo, detections: list[Detection]) -> _Aligned:
        assert photo.image is not None
        faces = self._analyzer.judge(photo.image, detections)
        wanted = faces[: embedded_count(photo.embed, len(faces))]
        return _Aligned(faces, self._analyzer.crops(photo.image, wanted))

    def _embedded(self, parts: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        crops = np.concatenate(parts)
        rows = self._analyzer.embed_crops(padded(crops, self._buckets))
        ends = np.cumsum([len(part) for part in parts])
        return np.split(rows[: len(crops)], ends[:-1])

    # The way of a photo from stage to stage. These run in the threads of the stage it leaves, and wait there.

    def _send(
        self,
        photo: Photo,
        stage: Stage[Any, Any],
        item: object,
        then: Callable[[Photo, Any], None],
        *,
        background: bool | None = None,
    ) -> None:
        try:
            future = stage.submit(
                item,
                deadline=photo.deadline,
                background=photo.background if background is None else background,
                wait=True,
                then=partial(self._arrived, photo, then),
            )
        except Exception as error:
            photo.end(error)
        else:
            photo.entered(future)

    def _arrived(self, photo: Photo, then: Callable[[Photo, Any], None], stage: Future[Any]) -> None:
        photo.left(stage)
        if photo.answer.cancelled() or stage.cancelled():
            photo.end(CancelledError())
            return
        failure = stage.exception()
        if failure is not None:
            photo.end(failure)
            return
        try:
            then(photo, stage.result())
        except BaseException as error:
            photo.end(error)

    def _to_detect(self, photo: Photo, image: Image) -> None:
        photo.image = image
        photo.data = b""
        photo.size = (image.shape[1], image.shape[0])
        self._send(photo, self._detect, image, self._to_align)

    def _to_align(self, photo: Photo, detections: list[Detection]) -> None:
        self._send(photo, self._align, (photo, detections), self._to_embed)

    def _to_embed(self, photo: Photo, aligned: _Aligned) -> None:
        self._forget_pixels(photo)
        photo.faces = aligned.faces
        starts = range(0, len(aligned.crops), PART)
        if not starts:
            photo.end(self._analysis(photo))
            return
        photo.expect(len(starts))
        for part, start in enumerate(starts):
            crops = aligned.crops[start : start + PART]
            behind = photo.background or part > 0
            self._send(photo, self._embed, crops, partial(self._to_answer, part), background=behind)

    def _to_answer(self, part: int, photo: Photo, rows: NDArray[np.float32]) -> None:
        together = photo.add_rows(part, rows)
        if together is not None:
            first = [replace(face, embedding=row) for face, row in zip(photo.faces, together, strict=False)]
            photo.faces[: len(first)] = first
            photo.end(self._analysis(photo))

    def _analysis(self, photo: Photo) -> Analysis:
        return Analysis(tuple(photo.faces), width=photo.size[0], height=photo.size[1])

    def _ended(self, photo: Photo) -> None:
        self._forget_pixels(photo)
        self.admission.leave()

    def _forget_pixels(self, photo: Photo) -> None:
        photo.image = None
        if photo.pixels:
            self._budget.give_back(photo.pixels)
            photo.pixels = 0


def padded(crops: NDArray[np.uint8], buckets: Sequence[int]) -> NDArray[np.uint8]:
    """Crops (N, S, S, 3) up to the next bucket, by copies of the last one: black has no direction to embed.

    More crops than the largest bucket holds stay as they are.
    """
    size = min((bucket for bucket in buckets if bucket >= len(crops)), default=len(crops))
    if size == len(crops):
        return crops
    return np.concatenate([crops, np.repeat(crops[-1:], size - len(crops), axis=0)])
