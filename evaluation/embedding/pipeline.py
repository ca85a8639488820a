"""A data set's images through the pipeline to one embedding each, none ever dropped; compares nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError, Images
from faces.analyzer import Analysis, EmbedWhat
from faces.face import Crop, Face, Image
from faces.image import ImageError, decode_image

REVISION = 1
"""Rises when this module would choose another face or crop; part of every cache key."""

CENTRAL_SHARE = 0.518
CENTRAL_HEIGHT = 0.47
"""Where the aligned crop lies in an LFW photo: a square of .518 of the shorter side, its middle at .47 of the
height (medians over the faces found in the 7,701 deep-funneled photos of the pairs)."""

Progress = Callable[[int], None]


class Embeds(Protocol):
    """What is needed of an analyzer; faces.analyzer.Analyzer is one."""

    @property
    def dimension(self) -> int: ...

    def analyze(self, images: Sequence[Image], *, embed: EmbedWhat) -> list[Analysis]: ...

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class EmbeddedSet:
    """One row for each image of a set.

    names: (N,) sorted. central: (N, D) float32 unit rows, the face nearest the middle of the photo; where no
    face was found, the central part of the photo taken as a crop. largest: (N, D), the face a service would
    take for the photo's subject. faces: (N,) int32, how many were found.
    """

    names: tuple[str, ...]
    central: NDArray[np.float32]
    largest: NDArray[np.float32]
    faces: NDArray[np.int32]

    @property
    def rows(self) -> dict[str, int]:
        """The row of each name."""
        return {name: row for row, name in enumerate(self.names)}


def embed_photos(
    analyzer: Embeds, images: Images, *, batch: int = 16, progress: Progress | None = None
) -> EmbeddedSet:
    """Detects, aligns and embeds every photo, `batch` at a time; DatasetError names a photo that cannot be
    decoded.
    """
    row_of = {name: row for row, name in enumerate(images.names)}
    central = np.zeros((len(row_of), analyzer.dimension), np.float32)
    largest = np.zeros_like(central)
    found = np.zeros(len(row_of), np.int32)
    for names, photos in _batches(images, batch):
        for name, photo, analysis in zip(
            names, photos, analyzer.analyze(photos, embed=EmbedWhat.ALL), strict=True
        ):
            row = row_of[name]
            found[row] = len(analysis.faces)
            if analysis.faces:
                central[row] = _embedding(nearest_the_middle(analysis.faces, photo))
                largest[row] = _embedding(analysis.faces[0])
            else:
                central[row] = largest[row] = analyzer.embed_crops(central_crop(photo)[None])[0]
        if progress is not None:
            progress(len(names))
    return EmbeddedSet(images.names, central, largest, found)


def embed_aligned(
    analyzer: Embeds, crops: Images, *, batch: int = 32, progress: Progress | None = None
) -> EmbeddedSet:
    """Embeds every image of a set of aligned 112x112 crops; DatasetError names one of another size."""
    row_of = {name: row for row, name in enumerate(crops.names)}
    central = np.zeros((len(row_of), analyzer.dimension), np.float32)
    for names, images in _batches(crops, batch):
        for name, image in zip(names, images, strict=True):
            if image.shape != (112, 112, 3):
                raise DatasetError(
                    f"{crops.source}: {name} is {image.shape[1]}x{image.shape[0]}, not 112x112"
                )
        central[[row_of[name] for name in names]] = analyzer.embed_crops(np.stack(images))
        if progress is not None:
            progress(len(names))
    return EmbeddedSet(crops.names, central, central, np.ones(len(row_of), np.int32))


def central_crop(photo: Image) -> Crop:
    """(H, W, 3) -> (112, 112, 3): the part of a centred photo where the face ought to be."""
    height, width = photo.shape[:2]
    side = CENTRAL_SHARE * min(height, width)
    left, top = width / 2 - side / 2, CENTRAL_HEIGHT * height - side / 2
    scale = 112.0 / side
    matrix = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    crop: Crop = cv2.warpAffine(photo, matrix, (112, 112), flags=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )
    return crop


def nearest_the_middle(faces: Sequence[Face], photo: Image) -> Face:
    """The face, of one at least, whose box has its middle closest to the photo's."""
    middle = np.array([photo.shape[1] / 2, photo.shape[0] / 2])

    def distance(face: Face) -> float:
        box = face.detection.box
        return float(np.hypot(*((box[:2] + box[2:]) / 2 - middle)))

    return min(faces, key=distance)


def _embedding(face: Face) -> NDArray[np.float32]:
    if face.embedding is None:
        raise RuntimeError("the analyzer was asked to embed all faces and left one out")
    return face.embedding


def _batches(images: Images, size: int) -> Iterator[tuple[list[str], list[Image]]]:
    names: list[str] = []
    decoded: list[Image] = []
    for name, data in images.read():
        try:
            decoded.append(decode_image(data))
        except ImageError as error:
            raise DatasetError(f"{images.source}: {name} cannot be decoded: {error}") from error
        names.append(name)
        if len(names) == size:
            yield names, decoded
            names, decoded = [], []
    if names:
        yield names, decoded
