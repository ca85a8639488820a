"""Operations on users: made, deleted, listed, given faces. Which faces they are given is decided in association.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync

from index.errors import ReplayedReceipt
from index.records import NewPerson, Person, Receipt
from index.samples import SampleWriting
from index.unnamed import is_unnamed
from serving.rekognition.association import associate, disassociate, forget
from serving.rekognition.errors import AwsError
from serving.rekognition.operation import Answer, Call, operation
from serving.rekognition.paging import Pages, cut
from serving.rekognition.shapes import (
    AssociateFaces,
    CreateUser,
    DeleteUser,
    DisassociateFaces,
    ListUsers,
    OfUser,
)
from serving.rekognition.similarity import Similarities
from serving.rekognition.wording import face_id_in, user_out
from serving.scopes import Scope

ASSOCIATION_THRESHOLD = 75.0
"""UserMatchThreshold of AssociateFaces where the caller names none."""

USERS_PAGE = 500


@operation(CreateUser, Scope.ENROL)
async def create_user(call: Call, asked: CreateUser) -> Answer:
    """A user without faces."""
    if is_unnamed(asked.user_id):
        message = (
            f"UserId {asked.user_id!r} is how this service calls a face that is nobody's; choose another."
        )
        raise AwsError("InvalidParameterException", message)

    def create(writing: SampleWriting) -> Answer:
        writing.create_person(asked.collection_id, NewPerson(asked.user_id))
        return {}

    return await _once(call, asked, create)


@operation(DeleteUser, Scope.ENROL)
async def delete_user(call: Call, asked: DeleteUser) -> Answer:
    """The user; the faces stay in the collection as nobody's."""

    def delete(writing: SampleWriting) -> Answer:
        forget(writing, asked.collection_id, asked.user_id)
        return {}

    return await _once(call, asked, delete)


@operation(AssociateFaces, Scope.ENROL)
async def associate_faces(call: Call, asked: AssociateFaces) -> Answer:
    """Gives faces to a user."""
    given = asked.user_match_threshold
    least = ASSOCIATION_THRESHOLD if given is None else given

    def write(writing: SampleWriting) -> Answer:
        scale = Similarities.of(call.service.of(writing.collection(asked.collection_id)).pack)
        ids = _face_ids(asked.face_ids)
        return associate(writing, asked.collection_id, asked.user_id, ids, scale, least)

    return await _once(call, asked, write)


@operation(DisassociateFaces, Scope.ENROL)
async def disassociate_faces(call: Call, asked: DisassociateFaces) -> Answer:
    """Takes faces from a user."""

    def write(writing: SampleWriting) -> Answer:
        return disassociate(writing, asked.collection_id, asked.user_id, _face_ids(asked.face_ids))

    return await _once(call, asked, write)


@operation(ListUsers, Scope.READ)
async def list_users(call: Call, asked: ListUsers) -> Answer:
    """Users by id, a page at a time."""
    pages = Pages(call.service.cursors, "ListUsers", asked.collection_id)
    after, size = pages.after(asked.next_token), asked.max_results or USERS_PAGE

    def read() -> list[Person]:
        with call.service.gallery.samples.reading() as reading:
            return reading.named(asked.collection_id, after, size + 1)

    page, last = cut(await run_sync(read), size)
    answer: Answer = {"Users": [user_out(person) for person in page]}
    return answer if last is None else {**answer, "NextToken": pages.token(last.id)}


def _face_ids(given: list[str]) -> list[str]:
    return list(dict.fromkeys(face_id_in(id) for id in given))


async def _once(call: Call, asked: OfUser, work: Callable[[SampleWriting], Answer]) -> Answer:
    """One transaction; with a ClientRequestToken used before, the answer that was given then.

    Raises IdempotencyConflict where that token came with another request.
    """

    def write() -> Answer:
        try:
            with call.service.metrics.stage("write"):
                return call.service.gallery.samples.change(work, _receipt(call, asked))
        except ReplayedReceipt as replay:
            answer: Answer = json.loads(replay.answer)
            return answer

    return await run_sync(write)


def _receipt(call: Call, asked: OfUser) -> Receipt | None:
    if asked.client_request_token is None:
        return None
    name = type(asked).__name__
    digest = hashlib.sha256(asked.model_dump_json(exclude={"client_request_token"}).encode()).hexdigest()
    return Receipt(call.who.id, f"{name}/{asked.client_request_token}", digest, _encoded)


def _encoded(answer: Any) -> bytes:
    return json.dumps(answer).encode()
