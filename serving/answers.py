"""Puts what the rooms below return into the words of the wire. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faces.analyzer import Analysis
from faces.face import Face
from index.records import Candidate, Collection, FaceRecord, Person, Role, Sibling
from serving import schemas
from serving.scoring import Scale
from serving.service import ServedPack


def model_ref(served: ServedPack) -> schemas.ModelRef:
    """The pack that answers."""
    return schemas.ModelRef(name=served.pack.name, contract_id=served.pack.contract_id)


def image_size(analysis: Analysis) -> schemas.ImageSize:
    """Size of the upright image."""
    return schemas.ImageSize(width=analysis.width, height=analysis.height)


def face_out(face: Face, analysis: Analysis) -> schemas.FaceOut:
    """One face with its box in pixels and as fractions."""
    return schemas.FaceOut(**_face(face, analysis))


def embedded_face(face: Face, analysis: Analysis) -> schemas.EmbeddedFace:
    """One face with its template."""
    assert face.embedding is not None
    return schemas.EmbeddedFace(**_face(face, analysis), embedding=[float(value) for value in face.embedding])


def _face(face: Face, analysis: Analysis) -> dict[str, Any]:
    left, top, right, bottom = (float(value) for value in face.detection.box)
    quality = face.quality
    return {
        "box": _box(left, top, right, bottom, 1.0, 1.0),
        "box_fraction": _box(left, top, right, bottom, analysis.width, analysis.height),
        "score": round(face.detection.score, 4),
        "landmarks": [(round(float(x), 2), round(float(y), 2)) for x, y in face.detection.landmarks],
        "quality": schemas.QualityOut(
            score=round(quality.score, 4),
            face_size=round(quality.face_size, 1),
            sharpness=round(quality.sharpness, 1),
            brightness=round(quality.brightness, 1),
            yaw=round(quality.yaw, 1),
            pitch=round(quality.pitch, 1),
            roll=round(quality.roll, 1),
        ),
        "reasons": [reason.value for reason in quality.reasons],
    }


def _box(left: float, top: float, right: float, bottom: float, width: float, height: float) -> schemas.Box:
    digits = 2 if width == 1.0 else 5
    return schemas.Box(
        left=round(left / width, digits),
        top=round(top / height, digits),
        width=round((right - left) / width, digits),
        height=round((bottom - top) / height, digits),
    )


def collection_out(
    collection: Collection, siblings: Sequence[Sibling] | None = None
) -> schemas.CollectionOut:
    """A collection; with its forms, where the others than the live one are given."""
    return schemas.CollectionOut(
        id=collection.id,
        contract_id=collection.contract_id,
        dimension=collection.dimension,
        fusion=collection.fusion,
        search=collection.search,
        precision=collection.precision,
        keep_crops=collection.keep_crops,
        metadata=dict(collection.metadata),
        persons=collection.persons,
        faces=collection.faces,
        revision=collection.revision,
        created_at=collection.created_at,
        forms=None if siblings is None else [_live(collection), *map(_form, siblings)],
    )


def _live(collection: Collection) -> schemas.FormOut:
    return schemas.FormOut(
        role=Role.LIVE,
        contract_id=collection.contract_id,
        persons=collection.persons,
        faces=collection.faces,
    )


def _form(sibling: Sibling) -> schemas.FormOut:
    return schemas.FormOut(
        role=sibling.role, contract_id=sibling.contract_id, persons=sibling.persons, faces=sibling.faces
    )


def person_out(person: Person) -> schemas.PersonOut:
    """A person."""
    return schemas.PersonOut(
        id=person.id,
        name=person.name,
        metadata=dict(person.metadata),
        faces=person.faces,
        created_at=person.created_at,
        updated_at=person.updated_at,
    )


def face_record_out(face: FaceRecord) -> schemas.FaceRecordOut:
    """An enrolled sample."""
    return schemas.FaceRecordOut(
        id=face.id,
        person_id=face.person_id,
        quality=round(face.quality, 4),
        detail=dict(face.detail),
        created_at=face.created_at,
    )


def candidate_out(candidate: Candidate, scale: Scale) -> schemas.CandidateOut:
    """A person found, with the rate of a search of this size."""
    return schemas.CandidateOut(
        person_id=candidate.person_id,
        name=candidate.name,
        cosine=round(candidate.cosine, 6),
        match_level=_rounded(scale.level(candidate.cosine)),
        false_match_rate=scale.rate(candidate.cosine),
        extrapolated=scale.extrapolated(candidate.cosine),
        face_id=candidate.face_id,
    )


def decision(cosine: float, threshold: float, scale: Scale) -> dict[str, Any]:
    """The fields of schemas.Decision for one comparison."""
    return {
        "match": cosine >= threshold,
        "cosine": round(cosine, 6),
        "threshold": round(threshold, 6),
        "match_level": _rounded(scale.level(cosine)),
        "false_match_rate": scale.rate(cosine),
        "extrapolated": scale.extrapolated(cosine),
    }


def _rounded(level: float | None) -> float | None:
    return None if level is None else round(level, 3)
