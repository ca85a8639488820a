"""Faces on photos: who is known, what is kept of the others until they are grouped, how a group is enrolled.

What is kept is the template, in the result of the photo's item, so it goes with the job's record.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face
from faces.image import ImageError
from index.job_records import Item, ItemRecord, ItemState, Job, NewItem, Outcome, Values
from index.records import NewFace
from index.template import Float32, unit_rows
from index.writing import Writing
from serving.enrolment import QualityGate
from serving.jobs.clusters import Alike, alike_pairs
from serving.jobs.kind import JobFailure
from serving.jobs.parts import collection_of, done, some_at_a_time
from serving.jobs.sources.folder import Folder
from serving.jobs.sources.source import SourceError, Trouble, Unfit
from serving.jobs.sources.tar import Tar
from serving.jobs.sources.uploads import Uploads
from serving.service import Service

MOST_FACES = 100
"""Of one photo, the largest first."""


@dataclass(frozen=True)
class Unknown:
    """A face of nobody known. number: its place on the photo, the largest face first. source: digest of the photo.

    contract_id: of the pack that made the template.
    """

    item: str
    key: int
    number: int
    template: Float32
    quality: float
    source: str
    contract_id: str


Photos = Annotated[Folder | Tar | Uploads, Field(discriminator="kind")]
"""Where they are. Who is on them is not asked of their names."""


def listed(source: Folder | Tar | Uploads) -> Iterator[Sequence[NewItem]]:
    """Photos of a source as items, some at a time. Raises JobFailure."""
    try:
        items = (NewItem(one.item, {**one.where, "invalid": one.invalid}) for one in source.listing())
        yield from some_at_a_time(items)
    except SourceError as error:
        raise JobFailure(str(error)) from error


def look(
    service: Service,
    job: Job,
    items: Sequence[Item],
    source: Folder | Tar | Uploads,
    quality: QualityGate,
    threshold: float,
) -> list[tuple[Outcome, Sequence[Values]]]:
    """What is on each photo. All are analysed together, behind the requests of clients."""
    looked: list[tuple[Outcome, Sequence[Values]]] = []
    begun: list[tuple[Item, bytes, Future[Analysis]]] = []
    served = service.of(service.gallery.collection(collection_of(job)))
    for item in items:
        data = _read(service, item, source)
        if isinstance(data, Outcome):
            looked.append((data, ()))
        else:
            photo = served.pipeline.submit(data, EmbedWhat.ALL, background=True, wait=True)
            begun.append((item, data, photo))
    for item, data, photo in begun:
        fit = _fit(item, photo, quality)
        if isinstance(fit, Outcome):
            looked.append((fit, ()))
        else:
            looked.append(_identified(service, job, item, fit, data, threshold, served.pack.contract_id))
    return looked


def _read(service: Service, item: Item, source: Folder | Tar | Uploads) -> bytes | Outcome:
    if item.payload.get("invalid"):
        return _rejected(item, "invalid_row", message=str(item.payload["invalid"]))
    try:
        if item.upload is not None:
            return item.upload
        return source.read(item.payload, service.settings.max_image_bytes)
    except Trouble as trouble:
        return Outcome(item.key, ItemState.FAILED, (trouble.reason,), str(trouble))
    except Unfit as error:
        return _rejected(item, "invalid_row", message=str(error))
    except ImageError as error:
        return _rejected(item, error.reason.value, message=str(error))


def _fit(item: Item, photo: Future[Analysis], quality: QualityGate) -> list[tuple[int, Face]] | Outcome:
    """The faces that are grouped, by their place on the photo, or why there is none."""
    try:
        found = photo.result().faces
    except ImageError as error:
        return _rejected(item, error.reason.value, message=str(error))
    fit = [
        (number, face)
        for number, face in enumerate(found[:MOST_FACES])
        if quality is QualityGate.NONE or not face.quality.reasons
    ]
    if fit:
        return fit
    reasons = [reason.value for reason in found[0].quality.reasons] if found else ["no_face"]
    return _rejected(item, *reasons, message="there is no face on the photo that is fit to be grouped")


def _identified(
    service: Service,
    job: Job,
    item: Item,
    fit: Sequence[tuple[int, Face]],
    data: bytes,
    threshold: float,
    contract: str,
) -> tuple[Outcome, Sequence[Values]]:
    probes = np.stack([_template(face) for _, face in fit])
    answers = service.gallery.identify(
        collection_of(job), probes, contract_id=contract, limit=1, threshold=threshold
    )
    source = hashlib.sha256(data).hexdigest()
    findings: list[Values] = []
    unknown: list[Values] = []
    for (number, face), found in zip(fit, answers, strict=True):
        if found:
            named = {"item": item.item, "face": number}
            known = {"known": found[0].person_id, "cosine": round(found[0].cosine, 6)}
            findings.append({"cluster": None, "items": [named], **known})
            continue
        text = base64.b64encode(_template(face).astype("<f4").tobytes()).decode()
        unknown.append({"face": number, "template": text, "quality": face.quality.score, "source": source})
    result = {
        "looked_at": len(fit),
        "known": len(findings),
        "unknown": unknown,
        "contract_id": contract,
    }
    return done(item, result), findings


def _template(face: Face) -> Float32:
    assert face.embedding is not None
    return face.embedding


def unknown_of(record: ItemRecord) -> list[Unknown]:
    """The faces that a photo's item keeps."""
    return [
        Unknown(
            record.item,
            record.key,
            one["face"],
            np.frombuffer(base64.b64decode(one["template"]), "<f4").astype(np.float32),
            one["quality"],
            one["source"],
            record.result["contract_id"],
        )
        for one in record.result.get("unknown", ())
    ]


def gather(service: Service, job: Job, parts: Iterable[ItemRecord], threshold: float) -> Alike:
    """Every face that is kept, in the order the photos came. members: [key of the item, place on the photo]."""
    faces = [face for part in parts for face in unknown_of(part)]
    collection = service.gallery.collection(collection_of(job))
    if any(face.contract_id != collection.contract_id for face in faces):
        raise JobFailure(
            f"collection {collection.id!r} got the contract {collection.contract_id} after some photos were looked at; "
            "make a new job"
        )
    dimension = collection.dimension
    rows = unit_rows([face.template for face in faces], dimension)
    pairs, cosines = alike_pairs(rows, threshold)
    return Alike([[face.key, face.number] for face in faces], rows, pairs, cosines)


def members(service: Service, job: Job, named: Sequence[Sequence[int]]) -> list[Unknown]:
    """The faces of a group, from where they are kept."""
    found: list[Unknown] = []
    for key, number in named:
        (record,) = service.gallery.jobs.items(job.id, after=key - 1, limit=1)
        found.extend(face for face in unknown_of(record) if face.number == number)
    return found


def enroll(writing: Writing, job: Job, prefix: str, faces: Sequence[Unknown]) -> Values:
    """The group as one person, named after the job and the group's first face; a photo that is enrolled is left."""
    first = faces[0]
    person = f"{prefix}{job.id[-8:]}-{first.key}" + (f".{first.number}" if first.number else "")
    known = writing.known_sources(collection_of(job), [(person, face.source) for face in faces])
    new: dict[str, NewFace] = {}
    for face in faces:
        if (person, face.source) not in known:
            detail = {"item": face.item, "face": face.number}
            new.setdefault(face.source, NewFace(face.template, face.quality, detail, source=face.source))
    if new:
        faces_of = [(person, face) for face in new.values()]
        writing.add_faces(collection_of(job), faces_of, contract_id=first.contract_id)
    return {"person": person, "enrolled": len(new)}


def told(group: Sequence[Unknown]) -> Values:
    """Members of a group as findings name them."""
    return {"items": [{"item": face.item, "face": face.number} for face in group]}


def _rejected(item: Item, *reasons: str, message: str = "") -> Outcome:
    return Outcome(item.key, ItemState.REJECTED, reasons, message)
