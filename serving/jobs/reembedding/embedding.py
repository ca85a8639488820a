"""Stored faces embedded by another pack, from the kept crop or the photo they were enrolled from. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analysis, EmbedWhat
from faces.embed import resized
from faces.face import Face
from faces.image import ImageError, ImageLimits, decode_crop, decode_image, encode_crop
from index.records import KeptFace, Lacking, NewFace
from serving.jobs.reembedding.originals import NoOriginal, read_original, same_face
from serving.service import ServedPack, Service

PHOTOS_AT_ONCE = 8
"""Photos read and not yet analysed."""


@dataclass(frozen=True)
class Made:
    """By person: templates of the faces, and why there is none, by id of the face, of the others."""

    new: dict[str, list[NewFace]] = field(default_factory=dict)
    lost: dict[str, dict[str, str]] = field(default_factory=dict)


class Embedding:
    """Embeds each face once, and remembers it. For one thread."""

    def __init__(self, service: Service, served: ServedPack, originals: str | None, keep_crops: bool) -> None:
        """originals: folder of the photos. keep_crops: what came from a photo gets its crop."""
        self._settings = service.settings
        self._served = served
        self._originals = None if originals is None else Path(originals)
        self._keep_crops = keep_crops
        self._known: dict[str, NewFace | str] = {}

    def of(self, lacks: Sequence[Lacking]) -> Made:
        """Templates of all faces, made behind what clients wait for. Raises Closed."""
        self._crops(self._unknown(lacks), direct=False)
        photos = self._unknown(lacks)
        for start in range(0, len(photos), PHOTOS_AT_ONCE):
            self._photos(photos[start : start + PHOTOS_AT_ONCE])
        return self._made(lacks)

    def at_once(self, lacks: Sequence[Lacking]) -> Made:
        """As `of`, but waits for nobody else's work: for few faces, while others wait for this thread."""
        self._crops(self._unknown(lacks), direct=True)
        for face in self._unknown(lacks):
            data = self._original(face)
            if data is not None:
                self._take(face, self._analysed(data))
        return self._made(lacks)

    def _unknown(self, lacks: Sequence[Lacking]) -> list[KeptFace]:
        return [face for one in lacks for face in one.faces if face.id not in self._known]

    def _made(self, lacks: Sequence[Lacking]) -> Made:
        made = Made()
        for one in lacks:
            found = {face.id: self._known[face.id] for face in one.faces}
            made.new[one.person_id] = [new for new in found.values() if isinstance(new, NewFace)]
            lost = {face: why for face, why in found.items() if isinstance(why, str)}
            if lost:
                made.lost[one.person_id] = lost
        return made

    def _crops(self, faces: Sequence[KeptFace], *, direct: bool) -> None:
        """Faces with a crop that can be read; the others stay unknown."""
        readable: list[KeptFace] = []
        crops: list[NDArray[np.uint8]] = []
        for face in faces:
            try:
                if face.crop is not None:
                    crops.append(decode_crop(face.crop))
                    readable.append(face)
            except ImageError:
                continue
        if not crops:
            return
        sized = resized(np.stack(crops), self._served.pack.embedder.input)
        embed = self._served.analyzer.embed_crops if direct else self._served.pipeline.embed_crops
        for face, row in zip(readable, embed(sized), strict=True):
            self._known[face.id] = _new(face, row, face.crop)

    def _photos(self, faces: Sequence[KeptFace]) -> None:
        begun: list[tuple[KeptFace, Future[Analysis]]] = []
        for face in faces:
            data = self._original(face)
            if data is not None:
                photo = self._served.pipeline.submit(data, EmbedWhat.ALL, background=True, wait=True)
                begun.append((face, photo))
        for face, photo in begun:
            try:
                self._take(face, photo.result().faces)
            except ImageError:
                self._known[face.id] = "original_unfit"

    def _original(self, face: KeptFace) -> bytes | None:
        """The photo's bytes; without them it is noted why."""
        if self._originals is None:
            self._known[face.id] = "no_crop" if face.crop is None else "crop_damaged"
            return None
        try:
            return read_original(self._originals, face, self._settings.max_image_bytes)
        except NoOriginal as error:
            self._known[face.id] = error.why
            return None

    def _analysed(self, data: bytes) -> Sequence[Face]:
        limits = ImageLimits(max_bytes=self._settings.max_image_bytes, max_pixels=self._settings.max_pixels)
        try:
            image = decode_image(data, limits)
        except ImageError:
            return ()
        (analysis,) = self._served.analyzer.analyze([image], embed=EmbedWhat.ALL)
        return analysis.faces

    def _take(self, stored: KeptFace, faces: Sequence[Face]) -> None:
        found = same_face(stored, faces)
        if found is None or found.embedding is None:
            self._known[stored.id] = "face_not_found"
            return
        crop = encode_crop(found.crop) if self._keep_crops else None
        self._known[stored.id] = _new(stored, found.embedding, crop)


def _new(face: KeptFace, row: NDArray[np.float32], crop: bytes | None) -> NewFace:
    """The face as it is stored, under another contract."""
    return NewFace(row, face.quality, face.detail, crop, face.source, face.id, face.created_at)
