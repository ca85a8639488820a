"""IndexFaces, ListFaces, DeleteFaces: single faces put into a collection, listed, taken out. Searches nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from anyio.to_thread import run_sync

from faces.analyzer import Analysis, EmbedWhat
from faces.image import encode_crop
from index.records import Collection, FaceRecord, NewFace
from index.samples import SampleWriting
from index.unnamed import is_unnamed
from serving import answers
from serving.contracts import by_contract
from serving.rekognition.collections import PAGE
from serving.rekognition.filtering import failings
from serving.rekognition.operation import Answer, Call, operation
from serving.rekognition.paging import Pages, cut
from serving.rekognition.shapes import DeleteFaces, Filter, IndexFaces, ListFaces
from serving.rekognition.wording import Members, face_detail, face_id_in, face_id_out, stored_face
from serving.scopes import Scope
from serving.service import ServedPack, Service
from serving.waiting import analysed


@dataclass(frozen=True)
class Sorted:
    """Places of a photo's faces, the largest first: those to enrol, and the others with their reasons."""

    taken: Sequence[int]
    left: Sequence[tuple[int, list[str]]]


@operation(IndexFaces, Scope.ENROL, photos=True)
async def index_faces(call: Call, asked: IndexFaces) -> Answer:
    """Enrols each face of a photo as nobody's; the same photo again is the same faces, and nothing is written."""
    encoded = asked.image.encoded()

    async def answer(collection: Collection, served: ServedPack) -> Answer:
        (analysis,) = await analysed(call.request, call.service, [encoded], EmbedWhat.ALL, served)
        places = _sorted(analysis, asked.quality_filter, asked.max_faces)
        image = hashlib.sha256(encoded).digest()
        new = [
            _new_face(collection, analysis, place, image, asked.external_image_id) for place in places.taken
        ]
        records = await run_sync(_written, call.service, collection, new)
        for place, _ in places.left:
            for reason in analysis.faces[place].quality.reasons:
                call.service.metrics.rejections.labels(reason.value).inc()
        return _indexed(collection, analysis, places, records)

    return await by_contract(call.service, asked.collection_id, answer)


def _written(service: Service, collection: Collection, new: Sequence[NewFace]) -> list[FaceRecord]:
    if not new:
        return []
    contract_id = collection.contract_id
    with service.metrics.stage("write"):
        return service.gallery.samples.change(
            lambda writing: writing.add_unnamed(collection.id, new, contract_id=contract_id)
        )


def _indexed(
    collection: Collection, analysis: Analysis, places: Sorted, records: Sequence[FaceRecord]
) -> Answer:
    details = [face_detail(face, analysis) for face in analysis.faces]
    return {
        "FaceRecords": [
            {"Face": stored_face(record), "FaceDetail": details[place]}
            for record, place in zip(records, places.taken, strict=True)
        ],
        "UnindexedFaces": [
            {"Reasons": reasons, "FaceDetail": details[place]} for place, reasons in places.left
        ],
        "FaceModelVersion": collection.contract_id,
    }


def _sorted(analysis: Analysis, quality_filter: Filter, most: int | None) -> Sorted:
    """Faces that fail the filter go first; of the others the largest are taken."""
    judged = [(place, failings(face, quality_filter)) for place, face in enumerate(analysis.faces)]
    fit = [place for place, reasons in judged if not reasons]
    taken = fit if most is None else fit[:most]
    too_many = [(place, ["EXCEEDS_MAX_FACES"]) for place in fit[len(taken) :]]
    return Sorted(taken, [*((place, reasons) for place, reasons in judged if reasons), *too_many])


def _new_face(
    collection: Collection, analysis: Analysis, place: int, image: bytes, external: str | None
) -> NewFace:
    face = analysis.faces[place]
    assert face.embedding is not None
    out = answers.face_out(face, analysis)
    detail = out.model_dump(mode="json", include={"box", "box_fraction", "score", "quality"})
    detail["image_id"] = str(UUID(bytes=image[:16]))
    if external is not None:
        detail["external_image_id"] = external
    crop = encode_crop(face.crop) if collection.keep_crops else None
    face_id = _face_id(collection, image, external, place)
    return NewFace(face.embedding, face.quality.score, detail, crop, id=face_id)


def _face_id(collection: Collection, image: bytes, external: str | None, place: int) -> str:
    """What makes a face the same one: AWS keeps no second copy of a photo under the same ExternalImageId."""
    parts = (collection.id, collection.created_at.isoformat(), image.hex(), external or "", str(place))
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]


@operation(ListFaces, Scope.READ)
async def list_faces(call: Call, asked: ListFaces) -> Answer:
    """Faces by id, a page at a time; or those named that are there, at once."""
    pages = Pages(call.service.cursors, "ListFaces", asked.collection_id, asked.user_id or "")
    after, size = pages.after(asked.next_token), asked.max_results or PAGE

    def read() -> tuple[Collection, list[FaceRecord]]:
        with call.service.gallery.samples.reading() as reading:
            collection = reading.collection(asked.collection_id)
            if asked.face_ids is not None:
                known = reading.find(collection.id, [face_id_in(id) for id in asked.face_ids])
                of = asked.user_id
                return collection, [face for face in known.values() if of in (None, face.person_id)]
            if asked.user_id is not None:
                return collection, reading.of_person(collection.id, asked.user_id, after, size + 1)
            return collection, reading.page(collection.id, after, size + 1)

    collection, found = await run_sync(read)
    page, last = (found, None) if asked.face_ids is not None else cut(found, size)
    answer: Answer = {
        "Faces": [stored_face(face) for face in page],
        "FaceModelVersion": collection.contract_id,
    }
    return answer if last is None else {**answer, "NextToken": pages.token(last.id)}


@operation(DeleteFaces, Scope.ENROL)
async def delete_faces(call: Call, asked: DeleteFaces) -> Answer:
    """Faces that are nobody's; a user's faces are disassociated first, as in AWS."""
    wanted = list(dict.fromkeys(face_id_in(id) for id in asked.face_ids))

    def remove(writing: SampleWriting) -> dict[str, FaceRecord]:
        known = writing.find(asked.collection_id, wanted)
        gone = [id for id, face in known.items() if is_unnamed(face.person_id)]
        writing.remove_unnamed(asked.collection_id, gone)
        return known

    known = await run_sync(call.service.gallery.samples.change, remove)
    deleted: list[str] = []
    failed: list[Members] = []
    for id in wanted:
        if id not in known:
            failed.append({"FaceId": face_id_out(id), "Reasons": ["FACE_NOT_FOUND"]})
        elif not is_unnamed(known[id].person_id):
            user = known[id].person_id
            reasons = ["ASSOCIATED_TO_AN_EXISTING_USER"]
            failed.append({"FaceId": face_id_out(id), "UserId": user, "Reasons": reasons})
        else:
            deleted.append(face_id_out(id))
    return {"DeletedFaces": deleted, "UnsuccessfulFaceDeletions": failed}
