"""Faces in the words of AWS: fractions of the image, percents, UUIDs. What was not measured is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from faces.analyzer import Analysis
from faces.face import Face
from faces.quality import DEFAULT_LIMITS
from index.records import FaceRecord, Person
from index.unnamed import is_unnamed
from serving import answers

LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
"""Left and right of the image, in the order of faces.face.Detection."""

Members = dict[str, Any]


def face_id_out(face_id: str) -> str:
    """32 hexadecimal digits as AWS writes an id."""
    return str(UUID(face_id))


def face_id_in(face_id: str) -> str:
    """The gallery's id of a FaceId."""
    return UUID(face_id).hex


def face_detail(face: Face, analysis: Analysis) -> Members:
    """FaceDetail of a face on a photo."""
    return {
        "BoundingBox": bounding_box(face, analysis),
        "Landmarks": [
            {
                "Type": name,
                "X": round(float(x) / analysis.width, 6),
                "Y": round(float(y) / analysis.height, 6),
            }
            for name, (x, y) in zip(LANDMARKS, face.detection.landmarks, strict=True)
        ],
        "Pose": {
            "Roll": round(face.quality.roll, 2),
            "Yaw": round(face.quality.yaw, 2),
            "Pitch": round(face.quality.pitch, 2),
        },
        "Quality": {
            "Brightness": round(face.quality.brightness / 255 * 100, 3),
            "Sharpness": round(sharpness(face.quality.sharpness), 3),
        },
        "Confidence": confidence(face),
    }


def bounding_box(face: Face, analysis: Analysis) -> Members:
    """BoundingBox as fractions of the upright image; it may reach beyond the border."""
    box = answers.face_out(face, analysis).box_fraction
    return {"Width": box.width, "Height": box.height, "Left": box.left, "Top": box.top}


def confidence(face: Face) -> float:
    """Percent of the detector's own score."""
    return round(face.detection.score * 100, 4)


def sharpness(variance: float) -> float:
    """0..100 of the variance of the Laplacian: 50 where the default quality limit lies, nearing 100 beyond."""
    return 100 * variance / (variance + DEFAULT_LIMITS.sharpness)


def stored_face(record: FaceRecord) -> Members:
    """Face of an enrolled sample, with whatever was known when it was enrolled."""
    face: Members = {"FaceId": face_id_out(record.id)}
    detail: Mapping[str, Any] = record.detail
    box, score = detail.get("box_fraction"), detail.get("score")
    if isinstance(box, Mapping):
        face["BoundingBox"] = {side: box.get(side.lower()) for side in ("Width", "Height", "Left", "Top")}
    if isinstance(score, int | float):
        face["Confidence"] = round(score * 100, 4)
    if isinstance(detail.get("image_id"), str):
        face["ImageId"] = detail["image_id"]
    if isinstance(detail.get("external_image_id"), str):
        face["ExternalImageId"] = detail["external_image_id"]
    if not is_unnamed(record.person_id):
        face["UserId"] = record.person_id
    return face


def user_status(faces: int) -> str:
    """UserStatus by the number of faces: every change is searchable when it is answered, so there is no UPDATING."""
    return "ACTIVE" if faces else "CREATED"


def user_out(person: Person) -> Members:
    """User of a listing."""
    return {"UserId": person.id, "UserStatus": user_status(person.faces)}
