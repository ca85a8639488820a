"""Embeddings of whole images that show no face: as a file holds them, or of a pack that was trained on such; ranks
nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from evaluation.datasets.images import DatasetError, Images
from evaluation.embedding.pipeline import EmbeddedSet, Embeds, Progress
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings
from faces.face import Crop, Image
from faces.image import ImageError, decode_image

SIDE = 112
WAY = "whole images 1"
"""Names this way to embed in the cache; the number rises when resized() changes."""


def whole_embeddings(source: EmbeddingSource, images: Images) -> EmbeddedSet:
    """One embedding an image: a pack sees the image resized; of a file the rows are taken as they are, and no image is
    opened.
    """
    if isinstance(source, PackEmbeddings):
        return source.of(images, WAY, embed_whole)
    return source.aligned(images)


def embed_whole(
    analyzer: Embeds, images: Images, *, batch: int = 32, progress: Progress | None = None
) -> EmbeddedSet:
    """Embeds every image resized to a crop, `batch` at a time; DatasetError names one that cannot be decoded."""
    row_of = {name: row for row, name in enumerate(images.names)}
    rows = np.zeros((len(row_of), analyzer.dimension), np.float32)
    names: list[str] = []
    crops: list[Crop] = []

    def embed() -> None:
        rows[[row_of[name] for name in names]] = analyzer.embed_crops(np.stack(crops))
        if progress is not None:
            progress(len(names))
        names.clear()
        crops.clear()

    for name, data in images.read():
        try:
            crops.append(resized(decode_image(data)))
        except ImageError as error:
            raise DatasetError(f"{images.source}: {name} cannot be decoded: {error}") from error
        names.append(name)
        if len(names) == batch:
            embed()
    if names:
        embed()
    return EmbeddedSet(images.names, rows, rows, np.zeros(len(row_of), np.int32))


def resized(image: Image) -> Crop:
    """(H, W, 3) -> (112, 112, 3) uint8, whole and without keeping its proportions; a crop of 112x112 stays as it is."""
    shrinks = min(image.shape[:2]) >= SIDE
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    crop: Crop = cv2.resize(image, (SIDE, SIDE), interpolation=interpolation).astype(np.uint8, copy=False)
    return crop
