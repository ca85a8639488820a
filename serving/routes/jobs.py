"""Routes of jobs: make, look, add uploads, start, cancel, resume, fetch what came of it, delete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from index.audit_records import Action, Note
from index.errors import UnknownJob
from index.job_records import ItemState, Job, JobState, NewItem
from index.records import Receipt
from serving import job_answers
from serving.access import Enroller, Principal, Reader, ServiceDep
from serving.docs import ERRORS, json_body, repeatable, upload_form
from serving.errors import ApiError, invalid_request
from serving.granted import granted
from serving.idempotency import Once
from serving.job_schemas import (
    AddedOut,
    FindingPage,
    ItemPage,
    JobIn,
    JobOut,
    JobPage,
    KindsOut,
    UploadForm,
)
from serving.jobs.making import new_job, scope_of
from serving.jobs.registry import ALL
from serving.jobs.results import remove_files, result_file
from serving.routes.collections import Cursor, PageLimit
from serving.schemas import CollectionId
from serving.scopes import Scope
from serving.service import Service
from serving.uploads import ImageRequest, read_body, read_images

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=ERRORS)

ID = re.compile(r"[0-9a-f]{32}")
UPLOAD_WAIT_SECONDS = 5
FORM = "multipart/form-data"
MAKING = json_body(JobIn, kind=[kind.name for kind in ALL])
FILE: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/octet-stream": {}},
        "headers": {"Repr-Digest": {"required": True, "schema": {"type": "string"}}},
    }
    for status, text in {200: "The file.", 206: "The part of it that Range asks for."}.items()
}


@router.post("", status_code=202, openapi_extra=repeatable(MAKING), response_model=JobOut)
async def create(request: Request, service: ServiceDep, who: Enroller) -> Response:
    """A new job; `Location` says where to look for it. The work goes on after the answer."""
    sent = await read_body(request, JobIn)
    body = sent.options
    once = Once.of(request, who, sent.digest, job_answers.job_out, 202)
    stored = await run_sync(once.stored, service.gallery)
    if stored is not None:
        return _located(stored)

    if body.collection is None:
        _require_named(who)
    else:
        who.see(body.collection)

    def make(receipt: Receipt | None) -> Job:
        new = new_job(service, body.kind, body.collection, body.options, who.id, local=False, open=body.open)
        who.require(scope_of(new))
        return service.gallery.jobs.create(new, receipt=receipt)

    async def write(receipt: Receipt | None) -> Job:
        return await run_sync(make, receipt)

    return _located(await once.run(write))


@router.get("")
async def listing(
    service: ServiceDep,
    who: Reader,
    collection: CollectionId | None = None,
    state: JobState | None = None,
    limit: PageLimit = 100,
    cursor: Cursor = None,
) -> JobPage:
    """Jobs, newest first: one's own, and those of everybody with the scope `admin`; of granted collections alone."""
    name = f"jobs {collection} {state}"
    before = service.cursors.read(name, cursor)
    owner = None if who.allows(Scope.ADMIN) else who.id

    def part(before: str | None, most: int) -> list[Job]:
        return service.gallery.jobs.page(before, most, collection=collection, state=state, owner=owner)

    def page() -> list[Job]:
        if not who.limited:
            return part(before, limit + 1)
        return granted(part, lambda job: who.reaches(job.collection), lambda job: job.id, before, limit + 1)

    found = await run_sync(page)
    more = service.cursors.sign(name, found[limit - 1].id) if len(found) > limit else None
    return JobPage(items=[job_answers.job_out(job) for job in found[:limit]], next=more)


@router.get(":kinds")
async def kinds(_: Reader) -> KindsOut:
    """The kinds of jobs that there are, with the options that clients may give."""
    return KindsOut(items=[job_answers.kind_out(kind) for kind in ALL])


@router.get("/{job}")
async def one(job: str, service: ServiceDep, who: Reader) -> JobOut:
    """A job's state and how far it has come."""
    return job_answers.job_out(await run_sync(_seen, service, who, job))


@router.get("/{job}/items")
async def items(
    job: str,
    service: ServiceDep,
    who: Reader,
    state: ItemState | None = None,
    limit: PageLimit = 100,
    cursor: Cursor = None,
) -> ItemPage:
    """What became of each item, in the order they came."""
    found = await run_sync(_seen, service, who, job)
    name = f"items {found.id} {state}"
    after = _key(service.cursors.read(name, cursor))
    records = await run_sync(lambda: service.gallery.jobs.items(found.id, after, limit + 1, state))
    more = service.cursors.sign(name, str(records[limit - 1].key)) if len(records) > limit else None
    return ItemPage(items=[job_answers.item_out(record) for record in records[:limit]], next=more)


@router.get("/{job}/findings")
async def findings(
    job: str, service: ServiceDep, who: Reader, limit: PageLimit = 100, cursor: Cursor = None
) -> FindingPage:
    """What the job found, in the order it was written; a job under way may find more."""
    found = await run_sync(_seen, service, who, job)
    name = f"findings {found.id}"
    after = _key(service.cursors.read(name, cursor))
    records = await run_sync(lambda: service.gallery.jobs.findings(found.id, after, limit + 1))
    more = service.cursors.sign(name, str(records[limit - 1].key)) if len(records) > limit else None
    return FindingPage(items=[dict(record.body) for record in records[:limit]], next=more)


@router.get("/{job}/result", response_class=FileResponse, responses=FILE)
async def result(job: str, service: ServiceDep, who: Reader) -> FileResponse:
    """The file that a finished job made, with its SHA-256 in `Repr-Digest`; 404 where it made none."""
    found = await run_sync(_changed, service, who, job)
    path = result_file(service.settings, found)
    digest = None if path is None else await run_sync(_digest, path)
    if path is None or digest is None:
        message = f"Job {found.id} has no file to fetch: it is {found.state}, or makes none."
        raise ApiError(404, "no_result", message)
    service.recorder.searched(Note(Action.EXPORT_FETCHED, found.collection, about=path.name, job=found.id))
    headers = {"Repr-Digest": f"sha-256=:{digest}:"}
    return FileResponse(path, headers=headers, media_type="application/octet-stream", filename=path.name)


@router.post("/{job}/items", openapi_extra=upload_form(UploadForm), response_model=AddedOut)
async def add(job: str, request: Request, service: ServiceDep, who: Enroller) -> AddedOut:
    """Adds photos to an open job, one for each of `items`. Sent again, it adds nothing twice."""
    found = await run_sync(_changed, service, who, job)
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        raise ApiError(415, "unsupported_type", f"Items are uploaded as {FORM}: options and images.")
    await run_sync(_refuse_beyond, service, 0)
    sent = await read_images(request, UploadForm, most=service.settings.max_images)
    new = _new_items(service, sent)

    def write() -> tuple[int, Job]:
        _refuse_beyond(service, sum(map(len, sent.images)))
        added = service.gallery.jobs.add(found.id, new)
        return added, service.gallery.jobs.get(found.id)

    added, now = await run_sync(write)
    return AddedOut(added=added, job=job_answers.job_out(now))


@router.post("/{job}:start")
async def start(job: str, service: ServiceDep, who: Enroller) -> JobOut:
    """Nothing more is to be uploaded to an open job; it ends when its items are done."""
    return await _change(service, who, job, service.gallery.jobs.start)


@router.post("/{job}:cancel")
async def cancel(job: str, service: ServiceDep, who: Enroller) -> JobOut:
    """Ends a job now. What is done stays done; work under way is not written."""
    return await _change(service, who, job, service.gallery.jobs.cancel)


@router.post("/{job}:resume")
async def resume(job: str, service: ServiceDep, who: Enroller) -> JobOut:
    """Goes on with a job that was cancelled or failed, and tries its failed items again; never rejected ones."""
    return await _change(service, who, job, service.gallery.jobs.resume)


@router.delete("/{job}", status_code=204)
async def delete(job: str, service: ServiceDep, who: Enroller) -> None:
    """Deletes the record of a job that ended, and the file it made. What it did to the gallery stays."""

    def remove() -> None:
        found = _changed(service, who, job)
        service.gallery.jobs.remove(found.id)
        remove_files(service.settings, found.id)

    await run_sync(remove)


async def _change(service: Service, who: Principal, job: str, change: Callable[[str], Job]) -> JobOut:
    def write() -> Job:
        return change(_changed(service, who, job).id)

    return job_answers.job_out(await run_sync(write))


def _seen(service: Service, who: Principal, id: str) -> Job:
    """The job, for its owner and administrators; others are told that there is none. Raises UnknownJob."""
    if not ID.fullmatch(id):
        raise UnknownJob(f"there is no job {id[:64]!r}")
    found = service.gallery.jobs.get(id)
    theirs = found.owner != who.id and not who.allows(Scope.ADMIN)
    if theirs or not who.reaches(found.collection):
        raise UnknownJob(f"there is no job {id!r}")
    return found


def _require_named(who: Principal) -> None:
    if who.limited:
        message = "This key is limited to some collections: a job that it makes names its collection."
        raise ApiError(403, "forbidden", message)


def _changed(service: Service, who: Principal, id: str) -> Job:
    """The job, for whoever could have made it. Raises UnknownJob, ApiError 403."""
    found = _seen(service, who, id)
    who.require(scope_of(found))
    return found


def _new_items(service: Service, sent: ImageRequest[UploadForm]) -> list[NewItem]:
    listed = sent.options.options.items
    if len(listed) != len(sent.images):
        text = f"lists {len(listed)} items for {len(sent.images)} images; each image needs one, in the same order"
        raise invalid_request([{"field": "options.items", "problem": text}])
    most = service.settings.max_image_bytes
    for at, image in enumerate(sent.images):
        if len(image) > most:
            message = (
                f"Image {at} has {len(image)} bytes; at most {most} are read (COCIRCLE_MAX_IMAGE_BYTES)."
            )
            raise ApiError(413, "too_large", message, {"index": at})
    return [
        NewItem(one.item, one.model_dump(exclude={"item"}, exclude_none=True), image)
        for one, image in zip(listed, sent.images, strict=True)
    ]


def _refuse_beyond(service: Service, more: int) -> None:
    """Raises ApiError 429 when uploads that wait leave no room for so many bytes, 413 when they never will."""
    most = service.settings.job_upload_bytes
    if more > most:
        message = (
            f"These images have {more} bytes; at most {most} may wait in jobs (COCIRCLE_JOB_UPLOAD_BYTES)."
        )
        raise ApiError(413, "too_large", message)
    waiting = service.gallery.jobs.pending_bytes()
    if waiting + max(more, 1) > most:
        message = f"Uploads of {waiting} bytes wait in jobs already; try again in {UPLOAD_WAIT_SECONDS} s."
        details: dict[str, Any] = {"cause": "job_uploads", "waiting_bytes": waiting}
        headers = {"Retry-After": str(UPLOAD_WAIT_SECONDS)}
        raise ApiError(429, "overloaded", message, details, headers)


def _digest(path: Path) -> str | None:
    """Base64 of the file's SHA-256, None where it is gone."""
    try:
        with path.open("rb") as file:
            return base64.b64encode(hashlib.file_digest(file, "sha256").digest()).decode()
    except FileNotFoundError:
        return None


def _key(after: str | None) -> int | None:
    return None if after is None else int(after)


def _located(answer: Response) -> Response:
    answer.headers["Location"] = f"/v1/jobs/{json.loads(bytes(answer.body))['id']}"
    return answer
