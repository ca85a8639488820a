"""Sets of hundreds of thousands of images embedded part by part: each part is cached by itself, so a run that is
stopped goes on where it was, and memory stays near that of the rows. Compares nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError, combined_digest
from evaluation.datasets.listed_images import ListedImages
from evaluation.embedding.pipeline import EmbeddedSet, Embeds, Progress
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings
from faces.align import align
from faces.face import Crop
from faces.image import ImageError, decode_image

PART = 16_384
"""Images of a part: some minutes of work on a processor, 32 MiB of rows of 512 dimensions."""

GIVEN_LANDMARKS = "crops by given landmarks 1"
"""Names the way of embed_by_landmarks in caches; its number rises when that function would make another crop."""


@dataclass(frozen=True)
class EmbeddedRows:
    """rows: (N, D) float32 unit rows in the order of the images' names. faces: (N,) int32, how many were found.

    images_digest: over the parts' digests, None where the source never opened the images.
    """

    rows: NDArray[np.float32]
    faces: NDArray[np.int32]
    images_digest: str | None


def embed_listed(source: EmbeddingSource, images: ListedImages, *, part: int = PART) -> EmbeddedRows:
    """A row for each image, the face nearest the middle, or by landmarks where the images have them.

    A source that is no pack is asked by name alone. DatasetError where an image is missing, before any is embedded.
    """
    of_pack = isinstance(source, PackEmbeddings)
    if of_pack:
        images.require_files()
    rows = np.zeros((0, 0), np.float32)
    faces = np.zeros(len(images.names), np.int32)
    digests: list[bytes] = []
    start = 0
    for some in images.parts(part):
        embedded = _of_part(source, some)
        stop = start + len(some.names)
        if start == 0:
            rows = np.zeros((len(images.names), embedded.central.shape[1]), np.float32)
        rows[start:stop], faces[start:stop] = embedded.central, embedded.faces
        if of_pack:
            digests.append(some.digest.encode())
        start = stop
    return EmbeddedRows(rows, faces, combined_digest(digests) if of_pack else None)


def embed_by_landmarks(
    analyzer: Embeds, images: ListedImages, *, batch: int = 32, progress: Progress | None = None
) -> EmbeddedSet:
    """Crops every image by its given landmarks and embeds the crops, `batch` at a time; nothing is detected.

    DatasetError names an image that cannot be decoded. ValueError where the images have no landmarks.
    """
    if images.landmarks is None:
        raise ValueError(f"the images of {images.source} have no landmarks to crop by")
    rows = np.zeros((len(images.names), analyzer.dimension), np.float32)
    crops: list[Crop] = []
    done = 0
    for at, (name, data) in enumerate(images.read()):
        try:
            crops.append(align(decode_image(data), images.landmarks[at]))
        except ImageError as error:
            raise DatasetError(f"{images.source}: {name} cannot be decoded: {error}") from error
        if len(crops) == batch or at + 1 == len(images.names):
            rows[done : at + 1] = analyzer.embed_crops(np.stack(crops))
            if progress is not None:
                progress(len(crops))
            done, crops = at + 1, []
    return EmbeddedSet(images.names, rows, rows, np.ones(len(rows), np.int32))


def _of_part(source: EmbeddingSource, images: ListedImages) -> EmbeddedSet:
    if images.landmarks is not None and isinstance(source, PackEmbeddings):
        return source.of(images, GIVEN_LANDMARKS, embed_by_landmarks)
    return source.photos(images)
