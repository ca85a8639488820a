"""SearchFaces and SearchFacesByImage face by face, SearchUsers and SearchUsersByImage user by user. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync
from numpy.typing import NDArray

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face
from index.audit_records import Action, Note
from index.records import Candidate, Collection
from index.samples import SampleHit
from index.template import Float32
from index.unnamed import is_unnamed
from serving.contracts import by_contract
from serving.rekognition.errors import AwsError
from serving.rekognition.filtering import require_fit
from serving.rekognition.operation import Answer, Call, operation
from serving.rekognition.photos import MATCH_THRESHOLD, largest
from serving.rekognition.shapes import (
    Filter,
    Image,
    SearchFaces,
    SearchFacesByImage,
    SearchUsers,
    SearchUsersByImage,
)
from serving.rekognition.similarity import Similarities
from serving.rekognition.wording import (
    Members,
    bounding_box,
    confidence,
    face_detail,
    face_id_in,
    face_id_out,
    stored_face,
)
from serving.scopes import Scope
from serving.service import ServedPack, Service
from serving.waiting import analysed

MOST_FOUND = 100
"""Faces or users where the caller names no number."""


@dataclass(frozen=True)
class Search:
    """How one collection is searched for one caller. without: the face or the user that is not wanted."""

    service: Service
    collection: Collection
    served: ServedPack
    threshold: float | None
    limit: int | None
    without: str | None = None

    @property
    def scale(self) -> Similarities:
        """Of the pack that the collection's templates are of."""
        return Similarities.of(self.served.pack)

    @property
    def cosine(self) -> float:
        """The lowest that is accepted."""
        return self.scale.threshold(MATCH_THRESHOLD if self.threshold is None else self.threshold)

    def similarity(self, cosine: float) -> float:
        """As it is told."""
        return round(self.scale.similarity(cosine), 4)


@operation(SearchFaces, Scope.READ)
async def search_faces(call: Call, asked: SearchFaces) -> Answer:
    """Faces like an enrolled one, which is not among them."""
    face = face_id_in(asked.face_id)

    async def answer(collection: Collection, served: ServedPack) -> Answer:
        threshold, limit = asked.face_match_threshold, asked.max_faces
        search = Search(call.service, collection, served, threshold, limit, without=face)
        hits = await run_sync(lambda: _faces(search, _template(search, face)))
        return {
            "SearchedFaceId": asked.face_id,
            "FaceMatches": _face_matches(search, hits),
            "FaceModelVersion": collection.contract_id,
        }

    return await by_contract(call.service, asked.collection_id, answer)


@operation(SearchFacesByImage, Scope.READ, photos=True)
async def search_faces_by_image(call: Call, asked: SearchFacesByImage) -> Answer:
    """Faces like the largest of a photo."""

    async def answer(collection: Collection, served: ServedPack) -> Answer:
        search = Search(call.service, collection, served, asked.face_match_threshold, asked.max_faces)
        face, probe, analysis = await _largest(call, served, asked.image, asked.quality_filter)
        hits = await run_sync(_faces, search, probe)
        return {
            "SearchedFaceBoundingBox": bounding_box(face, analysis),
            "SearchedFaceConfidence": confidence(face),
            "FaceMatches": _face_matches(search, hits),
            "FaceModelVersion": collection.contract_id,
        }

    return await by_contract(call.service, asked.collection_id, answer)


@operation(SearchUsers, Scope.READ)
async def search_users(call: Call, asked: SearchUsers) -> Answer:
    """Users like an enrolled face, or like a user, who is not among them."""
    if (asked.user_id is None) == (asked.face_id is None):
        raise AwsError("InvalidParameterException", "Send UserId or FaceId, and not both.")

    async def answer(collection: Collection, served: ServedPack) -> Answer:
        threshold, limit = asked.user_match_threshold, asked.max_users
        search = Search(call.service, collection, served, threshold, limit, without=asked.user_id)
        if asked.face_id is not None:
            face = face_id_in(asked.face_id)
            hits = await run_sync(lambda: _users(search, _template(search, face)))
            searched = {"SearchedFace": {"FaceId": asked.face_id}}
        else:
            user = str(asked.user_id)
            hits = await run_sync(lambda: _users(search, _user_template(search, user)))
            searched = {"SearchedUser": {"UserId": user}}
        matches = _user_matches(search, hits)
        return {"UserMatches": matches, "FaceModelVersion": collection.contract_id, **searched}

    return await by_contract(call.service, asked.collection_id, answer)


@operation(SearchUsersByImage, Scope.READ, photos=True)
async def search_users_by_image(call: Call, asked: SearchUsersByImage) -> Answer:
    """Users like the largest face of a photo; the other faces are told, and not searched for."""

    async def answer(collection: Collection, served: ServedPack) -> Answer:
        search = Search(call.service, collection, served, asked.user_match_threshold, asked.max_users)
        face, probe, analysis = await _largest(call, served, asked.image, asked.quality_filter)
        hits = await run_sync(_users, search, probe)
        others = [face_detail(other, analysis) for other in analysis.faces[1:]]
        return {
            "UserMatches": _user_matches(search, hits),
            "FaceModelVersion": collection.contract_id,
            "SearchedFace": {"FaceDetail": face_detail(face, analysis)},
            "UnsearchedFaces": [{"FaceDetails": other, "Reasons": ["FACE_NOT_LARGEST"]} for other in others],
        }

    return await by_contract(call.service, asked.collection_id, answer)


async def _largest(
    call: Call, served: ServedPack, image: Image, quality_filter: Filter
) -> tuple[Face, Float32, Analysis]:
    """The face, its template, and the photo it is the largest of."""
    encoded = [image.encoded()]
    (analysis,) = await analysed(call.request, call.service, encoded, EmbedWhat.LARGEST, served)
    face = largest(call.service, analysis, "Image")
    require_fit(face, quality_filter, "Image")
    assert face.embedding is not None
    return face, face.embedding, analysis


def _template(search: Search, face: str) -> Float32:
    with search.service.gallery.samples.reading() as reading:
        template = reading.template(search.collection.id, face)
    if template is None:
        message = f"faceId {face_id_out(face)} was not found in the collection {search.collection.id!r}."
        raise AwsError("InvalidParameterException", message)
    return template


def _user_template(search: Search, user: str) -> Float32:
    with search.service.gallery.samples.reading() as reading:
        template = reading.person_template(search.collection.id, user)
    if template is None:
        message = (
            f"User {user!r} has no faces to search with in {search.collection.id!r}; associate some first."
        )
        raise AwsError("InvalidParameterException", message)
    return template


def _faces(search: Search, probe: NDArray[Any]) -> list[SampleHit]:
    """Every sample at or above the threshold counts by itself, whosever it is."""
    with search.service.metrics.stage("search"):
        hits = search.service.gallery.samples.search(
            search.collection.id,
            probe,
            contract_id=search.collection.contract_id,
            limit=search.limit or MOST_FOUND,
            threshold=search.cosine,
            without=search.without,
        )
    _count(search, [hit.cosine for hit in hits])
    return hits


def _users(search: Search, probe: NDArray[Any]) -> list[Candidate]:
    """Users by their best face. Faces of nobody are found with them, so more is asked for until there are enough."""
    most = search.limit or MOST_FOUND
    asked = most + 1
    while True:
        with search.service.metrics.stage("search"):
            (found,) = search.service.gallery.identify(
                search.collection.id,
                probe[None],
                contract_id=search.collection.contract_id,
                limit=asked,
                threshold=search.cosine,
            )
        users = [one for one in found if one.person_id != search.without and not is_unnamed(one.person_id)]
        if len(users) >= most or len(found) < asked:
            _count(search, [one.cosine for one in users])
            return users[:most]
        asked *= 8


def _count(search: Search, cosines: list[float]) -> None:
    service, outcome = search.service, "hit" if cosines else "unknown"
    service.recorder.searched(Note(Action.IDENTIFY, search.collection.id, outcome=outcome, faces=1))
    service.metrics.searches.labels(outcome).inc()
    if cosines:
        service.metrics.best_cosine.observe(cosines[0])


def _face_matches(search: Search, hits: list[SampleHit]) -> list[Members]:
    return [{"Similarity": search.similarity(hit.cosine), "Face": stored_face(hit.face)} for hit in hits]


def _user_matches(search: Search, hits: list[Candidate]) -> list[Members]:
    return [
        {
            "Similarity": search.similarity(hit.cosine),
            "User": {"UserId": hit.person_id, "UserStatus": "ACTIVE"},
        }
        for hit in hits
    ]
