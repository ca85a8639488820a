"""Which faces become a user's, and which of a user's become nobody's: decided and written inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.errors import UnknownPerson
from index.records import Person
from index.samples import SampleWriting
from index.template import cosines
from index.unnamed import is_unnamed, unnamed_person
from serving.rekognition.operation import Answer
from serving.rekognition.similarity import Similarities
from serving.rekognition.wording import Members, face_id_out, user_status

PORTION = 1000


def user(writing: SampleWriting, collection: str, id: str) -> Person:
    """Raises UnknownPerson; a face of nobody is no user."""
    if is_unnamed(id):
        raise UnknownPerson(f"there is no user {id!r} in collection {collection!r}")
    return writing.person(collection, id)


def associate(
    writing: SampleWriting,
    collection: str,
    user_id: str,
    ids: Sequence[str],
    scale: Similarities,
    least: float,
) -> Answer:
    """Gives a user those faces of nobody that are like one of the faces they have by then; a first face is taken as is.

    least: similarity, 0..100. A face the user has already counts as associated. Raises UnknownPerson.
    """
    user(writing, collection, user_id)
    known = writing.find(collection, ids)
    held = writing.templates(collection, user_id)  # (n, D) float32
    taken: dict[str, str] = {}
    associated: list[str] = []
    failed: list[Members] = []
    for id in ids:
        refusal: Members | None = None
        owner = known[id].person_id if id in known else None
        template = writing.template(collection, id)
        if owner is None or template is None:
            refusal = {"Reasons": ["FACE_NOT_FOUND"]}
        elif owner != user_id and not is_unnamed(owner):
            refusal = {"UserId": owner, "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]}
        elif owner != user_id:
            cosine = float(cosines(held, template / np.linalg.norm(template)).max()) if len(held) else 1.0
            if cosine < scale.threshold(least):
                similarity = round(scale.similarity(cosine), 4)
                refusal = {"Confidence": similarity, "Reasons": ["LOW_MATCH_CONFIDENCE"]}
            else:
                taken[id] = user_id
                held = np.concatenate([held, template[None]])
        if refusal is None:
            associated.append(id)
        else:
            failed.append({"FaceId": face_id_out(id), **refusal})
    writing.move(collection, taken)
    return {
        "AssociatedFaces": [{"FaceId": face_id_out(id)} for id in associated],
        "UnsuccessfulFaceAssociations": failed,
        "UserStatus": user_status(len(held)),
    }


def disassociate(writing: SampleWriting, collection: str, user_id: str, ids: Sequence[str]) -> Answer:
    """Makes faces of a user nobody's. Raises UnknownPerson."""
    person = user(writing, collection, user_id)
    known = writing.find(collection, ids)
    taken: list[str] = []
    failed: list[Members] = []
    for id in ids:
        owner = known[id].person_id if id in known else None
        if owner == user_id:
            taken.append(id)
        elif owner is None or is_unnamed(owner):
            failed.append({"FaceId": face_id_out(id), "Reasons": ["FACE_NOT_FOUND"]})
        else:
            reasons = ["ASSOCIATED_TO_A_DIFFERENT_USER"]
            failed.append({"FaceId": face_id_out(id), "UserId": owner, "Reasons": reasons})
    writing.move(collection, {id: unnamed_person(id) for id in taken})
    return {
        "DisassociatedFaces": [{"FaceId": face_id_out(id)} for id in taken],
        "UnsuccessfulFaceDisassociations": failed,
        "UserStatus": user_status(person.faces - len(taken)),
    }


def forget(writing: SampleWriting, collection: str, user_id: str) -> None:
    """Removes a user, whose faces are nobody's from then on. Raises UnknownPerson."""
    user(writing, collection, user_id)
    while faces := writing.of_person(collection, user_id, None, PORTION):
        writing.move(collection, {face.id: unnamed_person(face.id) for face in faces})
    writing.remove_person(collection, user_id)
