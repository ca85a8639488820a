"""Judges photos for enrolment: which face of each is enrolled, or why none is. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum

from faces.analyzer import Analysis
from faces.face import Face, Reason
from faces.image import ImageError, encode_crop
from index.records import NewFace
from serving import answers
from serving.routes.photos import One
from serving.schemas import FaceOut, Rejected
from serving.service import Service


class QualityGate(StrEnum):
    """AUTO refuses faces that quality gives a reason against; NONE takes every face that was found."""

    AUTO = "auto"
    NONE = "none"


@dataclass(frozen=True)
class Accepted:
    """A sample fit to be written, and how its face looked on the photo of place `index`."""

    index: int
    new: NewFace
    face: FaceOut


@dataclass(frozen=True)
class Judgement:
    """What becomes of each photo of a call."""

    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]


def judge(
    service: Service,
    photos: Sequence[Future[Analysis]],
    which: One,
    gate: QualityGate,
    *,
    keep_crops: bool,
) -> Judgement:
    """Each photo is accepted or rejected for itself alone; waits for those whose analysis has not ended.

    Raises what keeps a photo from being analysed at all, such as DeadlineExceeded: that is no judgement.
    """
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    for at, photo in enumerate(photos):
        failure = photo.exception()
        if isinstance(failure, ImageError):
            rejected.append(_reject(service, at, (failure.reason,), str(failure)))
            continue
        analysis = photo.result()
        refusal = _refusal(analysis, which, gate)
        if refusal is None:
            accepted.append(_accept(at, analysis.faces[0], analysis, keep_crops=keep_crops))
        else:
            rejected.append(_reject(service, at, *refusal))
    return Judgement(tuple(accepted), tuple(rejected))


def _refusal(analysis: Analysis, which: One, gate: QualityGate) -> tuple[tuple[Reason, ...], str] | None:
    if not analysis.faces:
        return (Reason.NO_FACE,), f"No face was found on this {analysis.width}x{analysis.height} photo."
    if which is One.ONE and len(analysis.faces) > 1:
        text = f"{len(analysis.faces)} faces were found where one is wanted; crop, or ask for faces=largest."
        return (Reason.MULTIPLE_FACES,), text
    reasons = analysis.faces[0].quality.reasons
    if gate is QualityGate.AUTO and reasons:
        names = ", ".join(reason.value for reason in reasons)
        return (
            reasons,
            f"The face is not fit to enrol ({names}); send another photo, or ask for quality=none.",
        )
    return None


def _accept(at: int, face: Face, analysis: Analysis, *, keep_crops: bool) -> Accepted:
    assert face.embedding is not None
    out = answers.face_out(face, analysis)
    detail = out.model_dump(mode="json", include={"box", "box_fraction", "score", "quality"})
    crop = encode_crop(face.crop) if keep_crops else None
    return Accepted(at, NewFace(face.embedding, face.quality.score, detail, crop), out)


def _reject(service: Service, at: int, reasons: tuple[Reason, ...], message: str) -> Rejected:
    for reason in reasons:
        service.metrics.rejections.labels(reason.value).inc()
    return Rejected(index=at, reasons=[reason.value for reason in reasons], message=message)
