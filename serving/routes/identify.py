"""Routes that ask a collection: who is this (1:N), and is this that person (1:1 against the enrolled)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import Field, model_validator

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face
from index.records import Candidate, Fusion
from serving import answers
from serving.access import Reader, ServiceDep
from serving.docs import ERRORS, image_body
from serving.errors import ApiError
from serving.routes.photos import One, Which, the_face
from serving.schemas import Body, Finite, IdentifiedFace, IdentifyOut, PersonVerifyOut
from serving.scoring import Scale
from serving.service import Service
from serving.uploads import ImageRequest, read_images

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"], responses=ERRORS)


class ProbeOptions(Body):
    """threshold: least cosine; or max_fmr: rate of false matches. A template in place of a photo says its contract."""

    threshold: Finite | None = Field(default=None, ge=-1, le=1)
    max_fmr: Finite | None = Field(default=None, gt=0, lt=1)
    embedding: list[Finite] | None = Field(default=None, min_length=1, max_length=4096)
    contract_id: str | None = Field(default=None, max_length=255)

    @model_validator(mode="after")
    def _a_template_says_its_contract(self) -> ProbeOptions:
        if self.embedding is not None and self.contract_id is None:
            raise ValueError("an embedding needs contract_id, the model contract it was made under")
        return self


class IdentifyOptions(ProbeOptions):
    """max_fmr is the rate of strangers' searches that find anybody in a gallery of this size."""

    faces: Which = Which.LARGEST
    limit: int = Field(default=5, ge=1, le=100)


class PersonVerifyOptions(ProbeOptions):
    """faces: largest, or one to refuse a photo with several."""

    faces: One = One.LARGEST


@dataclass(frozen=True)
class Probes:
    """What is searched for. templates: (n, D). faces: n of them, or None for a template sent as such."""

    templates: NDArray[Any]
    contract_id: str
    faces: tuple[Face | None, ...]
    analysis: Analysis | None


@router.post("/identify", openapi_extra=image_body(IdentifyOptions))
async def identify(collection: str, request: Request, service: ServiceDep, _: Reader) -> IdentifyOut:
    """Who is this? At or above the threshold, best first; an empty list of candidates means unknown."""
    service.gate.refuse_when_full()
    sent = await read_images(request, IdentifyOptions)
    options = sent.options
    found = await run_sync(service.gallery.collection, collection)
    size = found.persons if found.fusion is Fusion.MEAN else found.faces
    scale = Scale(service.pack.calibration, size)
    threshold = scale.threshold(options.threshold, options.max_fmr, service.settings.identify_max_fmr)

    def work() -> tuple[Probes, list[list[Candidate]]]:
        probes = _probes(service, sent, EmbedWhat.ALL if options.faces is Which.ALL else EmbedWhat.LARGEST)
        if probes.analysis is not None and not probes.analysis.faces and options.faces is Which.LARGEST:
            the_face(service, probes.analysis, One.LARGEST, "image")
        with service.metrics.stage("search"):
            candidates = service.gallery.identify(
                collection,
                probes.templates,
                contract_id=probes.contract_id,
                limit=options.limit,
                threshold=threshold,
            )
        return probes, candidates

    probes, candidates = await service.gate.run(work)
    for hits in candidates:
        service.metrics.searches.labels("hit" if hits else "unknown").inc()
        if hits:
            service.metrics.best_cosine.observe(hits[0].cosine)
    return IdentifyOut(
        model=answers.model_ref(service),
        image=answers.image_size(probes.analysis) if probes.analysis else None,
        gallery_size=size,
        threshold=round(threshold, 6),
        false_match_rate=scale.rate(threshold),
        faces=[
            IdentifiedFace(
                face=answers.face_out(face, probes.analysis) if face and probes.analysis else None,
                candidates=[answers.candidate_out(hit, scale) for hit in hits],
            )
            for face, hits in zip(probes.faces, candidates, strict=True)
        ],
    )


@router.post("/persons/{person}/verify", openapi_extra=image_body(PersonVerifyOptions), tags=["persons"])
async def verify_person(
    collection: str, person: str, request: Request, service: ServiceDep, _: Reader
) -> PersonVerifyOut:
    """Is this that person? One comparison with the person's template, or the best of their samples."""
    service.gate.refuse_when_full()
    sent = await read_images(request, PersonVerifyOptions)
    options = sent.options
    await run_sync(service.gallery.person, collection, person)
    scale = Scale(service.pack.calibration)
    threshold = scale.threshold(options.threshold, options.max_fmr, service.settings.verify_max_fmr)

    def work() -> tuple[Probes, Candidate]:
        probes = _probes(service, sent, EmbedWhat.LARGEST)
        if probes.analysis is not None:
            the_face(service, probes.analysis, options.faces, "image")
        with service.metrics.stage("search"):
            candidate = service.gallery.verify(
                collection, person, probes.templates[0], contract_id=probes.contract_id
            )
        return probes, candidate

    probes, candidate = await service.gate.run(work)
    face = probes.faces[0]
    return PersonVerifyOut.model_validate(
        {
            "model": answers.model_ref(service),
            "person_id": person,
            "face": answers.face_out(face, probes.analysis) if face and probes.analysis else None,
            **answers.decision(candidate.cosine, threshold, scale),
        }
    )


def _probes(service: Service, sent: ImageRequest[Any], embed: EmbedWhat) -> Probes:
    options: ProbeOptions = sent.options
    if (len(sent.images) == 1) == (options.embedding is not None):
        raise ApiError(422, "invalid_request", "Send one image or one embedding, and not both.")
    if options.embedding is not None:
        assert options.contract_id is not None
        return Probes(np.array([options.embedding]), options.contract_id, (None,), None)
    analysis = service.analyze(sent.images[0], embed)
    faces = tuple(face for face in analysis.faces if face.embedding is not None)
    templates = np.zeros((0, service.pack.dimension), np.float32)
    if faces:
        templates = np.stack([face.embedding for face in faces if face.embedding is not None])
    return Probes(templates, service.pack.contract_id, faces, analysis)
