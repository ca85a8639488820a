"""Images -> judged faces with templates, by one model pack, in batches. Decodes no files, keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from faces.align import CROP, align
from faces.detect.candidates import Candidates
from faces.detect.detector import Detector
from faces.embed import Embedder
from faces.face import Detection, Face, Image
from faces.pack import ModelPack
from faces.quality import DEFAULT_LIMITS, QualityLimits, judge
from faces.refine import refined
from faces.session import Provider, Session
from faces.view import View, bordered_view, first_view, needs_border

DETECTED_AT_ONCE = 8
"""Images in one run of the detector at most."""


class EmbedWhat(StrEnum):
    """Whose embeddings are wanted: each costs a run of the embedder."""

    LARGEST = "largest"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class Analysis:
    """One image's faces, largest first, and its size in pixels."""

    faces: tuple[Face, ...]
    width: int
    height: int


def embedded_count(embed: EmbedWhat, faces: int) -> int:
    """How many of a photo's faces, the largest first, are embedded."""
    return {EmbedWhat.ALL: faces, EmbedWhat.LARGEST: min(1, faces), EmbedWhat.NONE: 0}[embed]


class Analyzer:
    """A pack, loaded. Threads may call everything here at once; nothing is kept between calls."""

    def __init__(
        self,
        pack: ModelPack,
        *,
        provider: Provider = "cpu",
        threads: int = 0,
        limits: QualityLimits = DEFAULT_LIMITS,
        longest: int | None = None,
    ) -> None:
        """threads: of one model run on the CPU, 0 takes all. longest: side of the detector's input, pixels.

        Raises ProviderUnavailable where the provider cannot run here, PackError where a model is not what the
        manifest says.
        """
        if longest is not None and (longest < 32 or longest % 32):
            raise ValueError(f"longest must be a multiple of 32, got {longest}")
        self.pack = pack
        self.limits = limits
        self._longest = longest or pack.detector.input
        self._detector = Detector(Session(pack.detector_file, provider, threads), pack.detector)
        self._embedder = Embedder(Session(pack.embedder_file, provider, threads), pack.embedder)

    @property
    def contract_id(self) -> str:
        """Names the space of the templates made here."""
        return self.pack.contract_id

    @property
    def dimension(self) -> int:
        """D of the templates."""
        return self.pack.dimension

    def warm(self) -> None:
        """Run both models once, so that the first request is not slower than the others."""
        self.analyze([np.zeros((self._longest, self._longest, 3), np.uint8)])
        self.embed_crops(np.zeros((1, CROP, CROP, 3), np.uint8))

    def analyze(
        self,
        images: Sequence[Image],
        *,
        embed: EmbedWhat = EmbedWhat.LARGEST,
        max_faces: int = 100,
    ) -> list[Analysis]:
        """Find, judge and embed faces. One Analysis an image, in order.

        images: (H, W, 3) uint8 each, blue green red, upright, of any sizes. max_faces: the largest are kept.
        Boxes and landmarks are in the image's own pixels. Raises ValueError on another shape or dtype.

        It is detect, judge, crops and embed_crops in turn, and the reference for whatever calls them otherwise.
        """
        faces = [
            self.judge(image, detections)
            for image, detections in zip(images, self.detect(images, max_faces), strict=True)
        ]
        counts = [embedded_count(embed, len(found)) for found in faces]
        if any(counts):
            crops = [
                self.crops(image, found[:count])
                for image, found, count in zip(images, faces, counts, strict=True)
            ]
            rows = iter(self.embed_crops(np.concatenate(crops)))
            for found, count in zip(faces, counts, strict=True):
                found[:count] = [replace(face, embedding=next(rows)) for face in found[:count]]
        return [
            Analysis(tuple(found), width=image.shape[1], height=image.shape[0])
            for image, found in zip(images, faces, strict=True)
        ]

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        """Each image's faces, the largest first and at most max_faces of them, in the image's own pixels.

        Images may differ in size: those that the detector is shown at one size share its runs. Raises ValueError.
        """
        for at, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
                raise ValueError(
                    f"image {at} should be (H, W, 3) uint8 and not empty, got {image.shape} {image.dtype}"
                )
        return self._detect(images, max_faces)

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        """The detected faces of one image, aligned and judged, without embeddings."""
        return [self._face(image, detection) for detection in detections]

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        """(N, S, S, 3) uint8: the faces of one image as the embedder takes them, S its input."""
        side = self.pack.embedder.input
        if not faces:
            return np.zeros((0, side, side, 3), np.uint8)
        return _stacked([self._crop(image, face) for face in faces])

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 112, 112, 3) uint8 aligned crops, blue green red -> (N, D) float32, rows of unit length."""
        return self._embedder.embed(crops)

    def _face(self, image: Image, detection: Detection) -> Face:
        crop = align(image, detection.landmarks)
        return Face(detection, judge(detection, crop, self.limits), crop)

    def _crop(self, image: Image, face: Face) -> NDArray[np.uint8]:
        side = self.pack.embedder.input
        return face.crop if side == CROP else align(image, face.detection.landmarks, side)

    def _detect(self, images: Sequence[Image], max_faces: int) -> list[list[Detection]]:
        iou = self.pack.detector.iou
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        found = self._look(
            [(image, first_view(*size, self._longest)) for image, size in zip(images, sizes, strict=True)]
        )
        detections = [candidates.detections(iou) for candidates in found]
        again = [at for at, size in enumerate(sizes) if needs_border(detections[at], *size)]
        second = self._look([(images[at], bordered_view(*sizes[at], self._longest)) for at in again])
        for at, candidates in zip(again, second, strict=True):
            detections[at] = found[at].joined(candidates).detections(iou)
        kept = [found[:max_faces] for found in detections]
        return refined(self._detector, images, kept)

    def _look(self, shown: Sequence[tuple[Image, View]]) -> list[Candidates]:
        """Candidates of each image in its own pixels; views of one size share runs of the detector."""
        found: list[Candidates | None] = [None] * len(shown)
        groups: dict[tuple[int, int], list[int]] = {}
        for at, (_, view) in enumerate(shown):
            groups.setdefault((view.height, view.width), []).append(at)
        for group in groups.values():
            for start in range(0, len(group), DETECTED_AT_ONCE):
                run = group[start : start + DETECTED_AT_ONCE]
                batch = _stacked([shown[at][1].draw(shown[at][0]) for at in run])
                for at, candidates in zip(run, self._detector.find(batch), strict=True):
                    found[at] = shown[at][1].back(candidates)
        return [candidates for candidates in found if candidates is not None]


def _stacked(images: list[Image]) -> NDArray[np.uint8]:
    """(N, H, W, 3) of N images of one size; a single one is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)
