"""Routes that ask a collection: who is this (1:N), and is this that person (1:1 against the enrolled)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from pydantic import Field, model_validator

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face
from index.audit_records import Action, Note
from index.record_rules import check_contract
from index.records import Collection, Fusion
from serving import answers
from serving.access import Reader, ServiceDep
from serving.contracts import by_contract
from serving.docs import ERRORS, image_body
from serving.errors import ApiError
from serving.overload import refuse_when_full
from serving.routes.photos import One, Which, the_face
from serving.schemas import Body, Finite, IdentifiedFace, IdentifyOut, PersonVerifyOut
from serving.scoring import Scale
from serving.searching import Found, Search
from serving.service import ServedPack, Service
from serving.uploads import ImageRequest, read_images
from serving.waiting import analysed, ended

router = APIRouter(prefix="/v1/collections/{collection}", tags=["search"], responses=ERRORS)

TEMPLATE = ("embedding", "contract_id")


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


@router.post("/identify", openapi_extra=image_body(IdentifyOptions, instead=TEMPLATE))
async def identify(collection: str, request: Request, service: ServiceDep, _: Reader) -> IdentifyOut:
    """Who is this? At or above the threshold, best first; an empty list of candidates means unknown."""
    refuse_when_full(service)
    sent = await read_images(request, IdentifyOptions)
    sent_template = _sent_template(sent)

    async def answer(found: Collection, served: ServedPack) -> IdentifyOut:
        return await _identified(request, service, sent, sent_template, found, served)

    return await by_contract(service, collection, answer)


async def _identified(
    request: Request,
    service: Service,
    sent: ImageRequest[IdentifyOptions],
    sent_template: Probes | None,
    found: Collection,
    served: ServedPack,
) -> IdentifyOut:
    options = sent.options
    size = found.persons if found.fusion is Fusion.MEAN else found.faces
    scale = Scale(served.pack.calibration, size)
    threshold = scale.threshold(options.threshold, options.max_fmr, service.settings.identify_max_fmr)

    def search(probes: Probes) -> Search:
        return Search(found.id, probes.contract_id, options.limit, threshold, probes.templates)

    if sent_template is None:
        probes, candidates = await _search_photo(request, service, served, sent, search)
    else:
        probes = sent_template
        check_contract(found.id, found.contract_id, probes.contract_id)
        searched = service.searches.submit(search(probes), deadline=service.deadline())
        await ended(request, [searched])
        candidates = searched.result()
    outcome = "hit" if any(candidates) else "unknown"
    service.recorder.searched(Note(Action.IDENTIFY, found.id, outcome=outcome, faces=len(candidates)))
    for hits in candidates:
        service.metrics.searches.labels("hit" if hits else "unknown").inc()
        if hits:
            service.metrics.best_cosine.observe(hits[0].cosine)
    return IdentifyOut(
        model=answers.model_ref(served),
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


@router.post("/persons/{person}/verify", openapi_extra=image_body(PersonVerifyOptions, instead=TEMPLATE))
async def verify_person(
    collection: str, person: str, request: Request, service: ServiceDep, _: Reader
) -> PersonVerifyOut:
    """Is this that person? One comparison with the person's template, or the best of their samples."""
    refuse_when_full(service)
    sent = await read_images(request, PersonVerifyOptions)
    sent_template = _sent_template(sent)

    async def answer(found: Collection, served: ServedPack) -> PersonVerifyOut:
        await run_sync(service.gallery.person, collection, person)
        return await _verified(request, service, sent, sent_template, found, served, person)

    return await by_contract(service, collection, answer)


async def _verified(
    request: Request,
    service: Service,
    sent: ImageRequest[PersonVerifyOptions],
    sent_template: Probes | None,
    found: Collection,
    served: ServedPack,
    person: str,
) -> PersonVerifyOut:
    options = sent.options
    scale = Scale(served.pack.calibration)
    threshold = scale.threshold(options.threshold, options.max_fmr, service.settings.verify_max_fmr)
    if sent_template is None:
        (analysis,) = await analysed(request, service, sent.images, EmbedWhat.LARGEST, served)
        the_face(service, analysis, options.faces, "image")
        probes = _probes(served, analysis)
    else:
        probes = sent_template
        check_contract(found.id, found.contract_id, probes.contract_id)
    template = probes.templates[0]
    with service.metrics.stage("search"):
        candidate = await run_sync(
            partial(service.gallery.verify, found.id, person, template, contract_id=probes.contract_id)
        )
    outcome = "match" if candidate.cosine >= threshold else "no_match"
    service.recorder.searched(Note(Action.VERIFY, found.id, person, outcome=outcome, faces=1))
    face = probes.faces[0]
    return PersonVerifyOut.model_validate(
        {
            "model": answers.model_ref(served),
            "person_id": person,
            "face": answers.face_out(face, probes.analysis) if face and probes.analysis else None,
            **answers.decision(candidate.cosine, threshold, scale),
        }
    )


async def _search_photo(
    request: Request,
    service: Service,
    served: ServedPack,
    sent: ImageRequest[IdentifyOptions],
    search: Callable[[Probes], Search],
) -> tuple[Probes, Found]:
    """Analyses the photo and searches for its faces. Raises ApiError 422 where its largest one is wanted and
    there is none.
    """
    largest = sent.options.faces is Which.LARGEST

    def ask(analysis: Analysis) -> Search:
        if largest:
            the_face(service, analysis, One.LARGEST, "image")
        return search(_probes(served, analysis))

    embed = EmbedWhat.LARGEST if largest else EmbedWhat.ALL
    photo, found = service.submit_search(sent.images[0], embed, ask, served)
    await ended(request, [found])
    candidates = found.result()
    return _probes(served, photo.result()), candidates


def _sent_template(sent: ImageRequest[Any]) -> Probes | None:
    """The template sent in place of a photo, or None. Raises ApiError 422 unless there is one of the two."""
    options: ProbeOptions = sent.options
    if (len(sent.images) == 1) == (options.embedding is not None):
        raise ApiError(422, "invalid_request", "Send one image or one embedding, and not both.")
    if options.embedding is None:
        return None
    assert options.contract_id is not None
    return Probes(np.array([options.embedding]), options.contract_id, (None,), None)


def _probes(served: ServedPack, analysis: Analysis) -> Probes:
    """What is searched for of an analysed photo: its embedded faces."""
    faces = tuple(face for face in analysis.faces if face.embedding is not None)
    templates = np.zeros((0, served.pack.dimension), np.float32)
    if faces:
        templates = np.stack([face.embedding for face in faces if face.embedding is not None])
    return Probes(templates, served.pack.contract_id, faces, analysis)
