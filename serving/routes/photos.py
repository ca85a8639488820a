"""Routes about photos alone: detect, embeddings, verify. Nothing is stored."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter, Request
from pydantic import Field

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face, Reason
from index.audit_records import Action, Note
from serving import answers
from serving.access import Reader, ServiceDep
from serving.contracts import asked_pack
from serving.docs import ERRORS, image_body
from serving.errors import ApiError
from serving.overload import refuse_when_full
from serving.schemas import Body, DetectOut, EmbeddingsOut, Finite, PackName, VerifyOut
from serving.scoring import Scale
from serving.service import Service
from serving.uploads import read_images
from serving.waiting import analysed

router = APIRouter(prefix="/v1", tags=["photos"], responses=ERRORS)


class NoOptions(Body):
    """No options."""


class Which(StrEnum):
    """Which faces of a photo are meant."""

    LARGEST = "largest"
    ALL = "all"


class One(StrEnum):
    """LARGEST takes the largest face; ONE refuses a photo with several."""

    LARGEST = "largest"
    ONE = "one"


class EmbeddingOptions(Body):
    """faces: largest or all. pack: name or contract of a served pack; without it, the main one."""

    faces: Which = Which.ALL
    pack: PackName | None = None


class VerifyOptions(Body):
    """threshold: least cosine; or max_fmr: largest false match rate of this comparison. pack: as of embeddings."""

    faces: One = One.LARGEST
    pack: PackName | None = None
    threshold: Finite | None = Field(default=None, ge=-1, le=1)
    max_fmr: Finite | None = Field(default=None, gt=0, lt=1)


@router.post("/detect", openapi_extra=image_body(NoOptions))
async def detect(request: Request, service: ServiceDep, _: Reader) -> DetectOut:
    """Every face of a photo with landmarks and quality, largest first; none is an empty list."""
    refuse_when_full(service)
    sent = await read_images(request, NoOptions)
    image = one_image(sent.images)
    (analysis,) = await analysed(request, service, [image], EmbedWhat.NONE)
    return DetectOut(
        model=answers.model_ref(service.packs[0]),
        image=answers.image_size(analysis),
        faces=[answers.face_out(face, analysis) for face in analysis.faces],
    )


@router.post("/embeddings", openapi_extra=image_body(EmbeddingOptions))
async def embeddings(request: Request, service: ServiceDep, _: Reader) -> EmbeddingsOut:
    """Templates of a photo's faces, unit vectors under the named model contract."""
    refuse_when_full(service)
    sent = await read_images(request, EmbeddingOptions)
    image = one_image(sent.images)
    served = asked_pack(service, sent.options.pack)
    embed = EmbedWhat.ALL if sent.options.faces is Which.ALL else EmbedWhat.LARGEST
    (analysis,) = await analysed(request, service, [image], embed, served)
    return EmbeddingsOut(
        model=answers.model_ref(served),
        image=answers.image_size(analysis),
        faces=[
            answers.embedded_face(face, analysis) for face in analysis.faces if face.embedding is not None
        ],
    )


@router.post("/verify", openapi_extra=image_body(VerifyOptions, ("image_a", "image_b")))
async def verify(request: Request, service: ServiceDep, _: Reader) -> VerifyOut:
    """Do two photos show one person?"""
    refuse_when_full(service)
    sent = await read_images(request, VerifyOptions, ("image_a", "image_b"))
    options = sent.options
    served = asked_pack(service, options.pack)
    scale = Scale(served.pack.calibration)
    threshold = scale.threshold(options.threshold, options.max_fmr, service.settings.verify_max_fmr)
    first, second = await analysed(request, service, sent.images, EmbedWhat.LARGEST, served)
    face_a = the_face(service, first, options.faces, "image_a")
    face_b = the_face(service, second, options.faces, "image_b")
    assert face_a.embedding is not None
    assert face_b.embedding is not None
    cosine = min(1.0, max(-1.0, float(face_a.embedding @ face_b.embedding)))
    outcome = "match" if cosine >= threshold else "no_match"
    service.recorder.searched(Note(Action.VERIFY, outcome=outcome, faces=2))
    return VerifyOut.model_validate(
        {
            "model": answers.model_ref(served),
            "face_a": answers.face_out(face_a, first),
            "face_b": answers.face_out(face_b, second),
            **answers.decision(cosine, threshold, scale),
        }
    )


def one_image(images: tuple[bytes, ...]) -> bytes:
    """The only image of a request. Raises ApiError 422 when there is none."""
    if not images:
        raise ApiError(422, "invalid_request", 'image: an image is required, under the field "image"')
    return images[0]


def the_face(service: Service, analysis: Analysis, which: One, field: str) -> Face:
    """The one face meant. Raises ApiError 422 `no_face` or, where ONE is asked for, `multiple_faces`."""
    if not analysis.faces:
        service.metrics.rejections.labels(Reason.NO_FACE.value).inc()
        message = f"{field}: no face was found on this {analysis.width}x{analysis.height} photo."
        raise ApiError(422, "no_face", message, {"field": field, "reasons": [Reason.NO_FACE.value]})
    if which is One.ONE and len(analysis.faces) > 1:
        service.metrics.rejections.labels(Reason.MULTIPLE_FACES.value).inc()
        found = len(analysis.faces)
        message = f"{field}: {found} faces were found where one is wanted; crop, or ask for faces=largest."
        details = {"field": field, "reasons": [Reason.MULTIPLE_FACES.value], "faces": len(analysis.faces)}
        raise ApiError(422, "multiple_faces", message, details)
    return analysis.faces[0]
