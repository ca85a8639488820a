"""One photo -> an aligned crop as a JPEG with its embedding, or the reasons why not; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analyzer, EmbedWhat
from faces.detect.candidates import area
from faces.face import Crop, Face, Reason
from faces.image import DEFAULT_LIMITS, ImageError, decode_crop, decode_image
from training.curation.errors import CurationError
from training.curation.marks import Marks, mark
from training.curation.photos import Photo, Photos

MOST_FACES = 4
"""Of a photo, largest first: who is behind the fourth changes nothing, and each costs a look of the detector."""


@dataclass(frozen=True)
class Accepted:
    """image: the crop as JPEG. embedding: (D,) float32, unit, of that JPEG as it is decoded. mark: () MARK."""

    photo: Photo
    image: bytes
    embedding: NDArray[np.float32]
    mark: Marks


@dataclass(frozen=True)
class Rejected:
    """reasons: the service's words, at least one. message: for the person whose photo it is."""

    photo: Photo
    reasons: tuple[Reason, ...]
    message: str


Outcome = Accepted | Rejected


class Aligner:
    """Takes photos one by one: what comes out depends on the photo alone, not on others or on threads."""

    def __init__(self, analyzer: Analyzer, photos: Photos, *, quality: int, rival: float) -> None:
        """quality: of the JPEG, 1..100. rival: see `subject`. The analyzer's limits judge the face."""
        self._analyzer, self._photos = analyzer, photos
        self._quality, self._rival = quality, rival

    def __call__(self, photo: Photo) -> Outcome:
        """CurationError where the models fail on a photo; OSError where a disk does, not where a file is closed."""
        try:
            image = decode_image(self._photos.read(photo, DEFAULT_LIMITS.max_bytes))
        except ImageError as error:
            return Rejected(photo, (error.reason,), str(error))
        except (FileNotFoundError, PermissionError) as error:
            return Rejected(photo, (Reason.INVALID_IMAGE,), f"it cannot be read: {error.strerror}")
        try:
            (analysis,) = self._analyzer.analyze([image], embed=EmbedWhat.NONE, max_faces=MOST_FACES)
            found = subject(analysis.faces, self._rival, self._analyzer.limits.score)
            if not isinstance(found, Face):
                return Rejected(photo, *found)
            data = encoded(found.crop, self._quality)
            crop = decode_crop(data)
            (row,) = self._analyzer.embed_crops(crop[None])
        except ValueError as error:
            raise CurationError(f"{photo.name} cannot be analysed: {error}; take it out and go on") from error
        return Accepted(photo, data, row, mark(data, crop))


def subject(faces: tuple[Face, ...], rival: float, score: float) -> Face | tuple[tuple[Reason, ...], str]:
    """The face that a photo of one person shows, or why none can be taken.

    faces: largest first. It is the largest, unless a second one that the detector is sure of (`score`) has
    more than the share `rival` of its area: then nobody can tell which of the two is meant.
    """
    if not faces:
        return (Reason.NO_FACE,), "no face was found"
    first = faces[0]
    for other in faces[1:]:
        share = area(other.detection.box) / max(area(first.detection.box), 1e-9)
        if share > rival and other.detection.score >= score:
            return (Reason.MULTIPLE_FACES,), f"a second face has {share:.0%} of the largest one's area"
    if first.quality.reasons:
        quality = first.quality
        facts = (
            f"size {quality.face_size:.0f} pixels, sharpness {quality.sharpness:.0f}, "
            f"brightness {quality.brightness:.0f}, yaw {quality.yaw:.0f}, pitch {quality.pitch:.0f}, "
            f"score {first.detection.score:.2f}"
        )
        return quality.reasons, f"its face is unfit: {facts}"
    return first


def encoded(crop: Crop, quality: int) -> bytes:
    """A crop as JPEG without colour subsampling, which would halve what 112 pixels show of a mouth."""
    sampling = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    ok, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality, *sampling])
    if not ok:
        raise ValueError(f"a crop of shape {crop.shape} and dtype {crop.dtype} cannot be written as JPEG")
    return data.tobytes()
