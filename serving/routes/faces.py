"""Routes of a person's faces: enrol photos or templates, list, delete."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator

from faces.analyzer import EmbedWhat
from faces.face import Reason
from index.record_rules import check_contract
from index.records import Collection, NewFace, NewPerson, Receipt, Written
from serving import answers
from serving.access import Enroller, Principal, Reader, ServiceDep
from serving.contracts import by_contract
from serving.docs import ERRORS, image_body, repeatable
from serving.enrolment import Judgement, QualityGate, judge
from serving.errors import STATUS_OF_REASON, ApiError
from serving.idempotency import Once
from serving.overload import refuse_when_full
from serving.routes.collections import Cursor, PageLimit
from serving.routes.photos import One
from serving.schemas import Body, Enrolled, EnrolOut, FacePage, Finite, Metadata, Name, Rejected
from serving.service import ServedPack, Service
from serving.uploads import ImageRequest, read_images
from serving.waiting import ended

router = APIRouter(
    prefix="/v1/collections/{collection}/persons/{person}/faces", tags=["faces"], responses=ERRORS
)


class TemplateIn(Body):
    """A precomputed template: `embedding` of the collection's dimension; quality weighs it in the mean."""

    embedding: list[Finite] = Field(min_length=1, max_length=4096)
    quality: Finite = Field(default=1.0, ge=0, le=1)
    detail: Metadata = Field(default_factory=dict)


class EnrolOptions(Body):
    """How photos are judged; or templates, with the contract they were made under, in place of photos.

    create: make the person where there is none yet; name: of that new person.
    """

    faces: One = One.ONE
    quality: QualityGate = QualityGate.AUTO
    create: bool = False
    name: Name = ""
    templates: list[TemplateIn] | None = Field(default=None, min_length=1, max_length=1000)
    contract_id: str | None = Field(default=None, max_length=255)

    @model_validator(mode="after")
    def _templates_say_their_contract(self) -> EnrolOptions:
        if self.templates and self.contract_id is None:
            raise ValueError("templates need contract_id, the model contract they were made under")
        return self


BODY = image_body(EnrolOptions, many=True, instead=("templates", "contract_id"))


@router.post("", status_code=201, openapi_extra=repeatable(BODY), response_model=EnrolOut)
async def enrol(
    collection: str, person: str, request: Request, service: ServiceDep, who: Enroller
) -> Response:
    """Enrols photos or templates; each photo is judged for itself, the accepted ones are written together.

    201 when at least one was accepted; 422 with every rejection when none was, and nothing is written then.
    """
    refuse_when_full(service)
    sent = await read_images(request, EnrolOptions, most=service.settings.max_images)
    options = sent.options
    if bool(sent.images) == bool(options.templates):
        raise ApiError(422, "invalid_request", "Send photos or templates, and not both.")
    stored = await run_sync(Once.of(request, who, sent.digest, _no_answer, 201).stored, service.gallery)
    if stored is not None:
        return stored

    async def answer(found: Collection, served: ServedPack) -> Response:
        return await _enrolled(request, service, who, sent, found, served, person)

    return await by_contract(service, collection, answer)


async def _enrolled(
    request: Request,
    service: Service,
    who: Principal,
    sent: ImageRequest[EnrolOptions],
    found: Collection,
    served: ServedPack,
    person: str,
) -> Response:
    options = sent.options
    if not options.create:
        await run_sync(service.gallery.person, found.id, person)
    judgement = Judgement((), ())
    if sent.images:
        photos = service.submit(sent.images, EmbedWhat.LARGEST, served)
        await ended(request, photos)
        work = partial(judge, service, photos, options.faces, options.quality, keep_crops=found.keep_crops)
        judgement = await run_sync(work)
        new = [accepted.new for accepted in judgement.accepted]
    else:
        sent_templates = options.templates or ()
        new = [NewFace(np.array(item.embedding), item.quality, item.detail) for item in sent_templates]
        check_contract(found.id, found.contract_id, options.contract_id or "")
    if not new:
        raise _nothing_accepted(judgement.rejected)

    async def write(receipt: Receipt | None) -> Written:
        def add() -> Written:
            with service.metrics.stage("write"):
                return service.gallery.add_faces(
                    found.id,
                    person,
                    new,
                    contract_id=found.contract_id,
                    create_person=NewPerson(person, options.name) if options.create else None,
                    exist_ok=True,
                    receipt=receipt,
                )

        return await run_sync(add)

    once = Once.of(request, who, sent.digest, lambda made: _answer(served, person, judgement, made), 201)
    return await once.run(write)


@router.get("")
async def listing(
    collection: str,
    person: str,
    service: ServiceDep,
    _: Reader,
    limit: PageLimit = 100,
    cursor: Cursor = None,
) -> FacePage:
    """A person's samples, a page at a time."""
    name = f"faces {collection} {person}"
    after = service.cursors.read(name, cursor)
    found = await run_sync(lambda: service.gallery.faces(collection, person, after, limit + 1))
    more = service.cursors.sign(name, found[limit - 1].id) if len(found) > limit else None
    return FacePage(items=[answers.face_record_out(item) for item in found[:limit]], next=more)


@router.get("/{face}/crop", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def crop(collection: str, person: str, face: str, service: ServiceDep, _: Reader) -> Response:
    """The kept aligned crop; 404 where the collection keeps none."""
    data = await run_sync(lambda: service.gallery.face_crop(collection, person, face))
    if data is None:
        raise ApiError(
            404, "no_crop", "This face has no kept crop; a collection keeps them with keep_crops=true."
        )
    return Response(data, media_type="image/png")


@router.delete("/{face}", status_code=204, openapi_extra=repeatable())
async def delete(
    collection: str, person: str, face: str, request: Request, service: ServiceDep, who: Enroller
) -> Response:
    """Deletes a sample; the person's template is made anew from the others."""
    once = Once.of(request, who, "", lambda _: None, 204)

    async def write(receipt: Receipt | None) -> Any:
        return await run_sync(lambda: service.gallery.delete_face(collection, person, face, receipt=receipt))

    return await once.run(write)


def _no_answer(_: Written) -> None:
    """Of a look at what was answered before: nothing is written by it."""


def _answer(served: ServedPack, person: str, judgement: Judgement, made: Written) -> EnrolOut:
    accepted = judgement.accepted
    enrolled = [
        Enrolled(
            index=accepted[at].index if accepted else at,
            face_id=record.id,
            face=accepted[at].face if accepted else None,
        )
        for at, record in enumerate(made.faces)
    ]
    return EnrolOut(
        model=answers.model_ref(served),
        person_id=person,
        enrolled=enrolled,
        rejected=list(judgement.rejected),
    )


def _nothing_accepted(rejected: tuple[Rejected, ...]) -> ApiError:
    details = {"rejected": [item.model_dump() for item in rejected]}
    if len(rejected) == 1:
        reason = rejected[0].reasons[0]
        return ApiError(STATUS_OF_REASON.get(Reason(reason), 422), reason, rejected[0].message, details)
    return ApiError(422, "nothing_enrolled", f"None of the {len(rejected)} photos was fit to enrol.", details)
