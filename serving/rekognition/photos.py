"""Operations on photos alone: DetectFaces, CompareFaces. Nothing is stored."""

from __future__ import annotations

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face, Reason
from index.audit_records import Action, Note
from serving.rekognition.errors import AwsError
from serving.rekognition.filtering import failings, require_fit
from serving.rekognition.operation import Answer, Call, operation
from serving.rekognition.shapes import CompareFaces, DetectFaces
from serving.rekognition.similarity import Similarities
from serving.rekognition.wording import bounding_box, confidence, face_detail
from serving.scopes import Scope
from serving.service import Service
from serving.waiting import analysed, ended

MATCH_THRESHOLD = 80.0
"""Where the caller names no threshold."""


@operation(DetectFaces, Scope.READ, photos=True)
async def detect_faces(call: Call, asked: DetectFaces) -> Answer:
    """Every face of a photo; attributes that are not computed are left out whatever is asked for."""
    (analysis,) = await analysed(call.request, call.service, [asked.image.encoded()], EmbedWhat.NONE)
    return {"FaceDetails": [face_detail(face, analysis) for face in analysis.faces]}


@operation(CompareFaces, Scope.READ, photos=True)
async def compare_faces(call: Call, asked: CompareFaces) -> Answer:
    """The largest face of the source with every face of the target that passes the filter."""
    scale = Similarities.of(call.service.pack)
    threshold = scale.threshold(_given(asked.similarity_threshold))
    source, target = await _both(call, asked.source_image.encoded(), asked.target_image.encoded())
    face = largest(call.service, source, "SourceImage")
    require_fit(face, asked.quality_filter, "SourceImage")
    matches, others = [], []
    for other in target.faces:
        if failings(other, asked.quality_filter):
            continue
        cosine = cosine_of(face, other)
        if cosine >= threshold:
            similarity = round(scale.similarity(cosine), 4)
            matches.append({"Similarity": similarity, "Face": face_detail(other, target)})
        else:
            others.append(face_detail(other, target))
    outcome = "match" if matches else "no_match"
    call.service.recorder.searched(Note(Action.VERIFY, outcome=outcome, faces=1 + len(target.faces)))
    return {
        "SourceImageFace": {"BoundingBox": bounding_box(face, source), "Confidence": confidence(face)},
        "FaceMatches": sorted(matches, key=lambda match: -match["Similarity"]),
        "UnmatchedFaces": others,
    }


async def _both(call: Call, source: bytes, target: bytes) -> tuple[Analysis, Analysis]:
    """Of the source only the largest face is embedded."""
    photos = call.service.submit([source], EmbedWhat.LARGEST)
    try:
        photos += call.service.submit([target], EmbedWhat.ALL)
    except BaseException:
        photos[0].cancel()
        raise
    await ended(call.request, photos)
    first, second = (photo.result() for photo in photos)
    return first, second


def largest(service: Service, analysis: Analysis, field: str) -> Face:
    """The largest face. Raises AwsError where there is none."""
    if not analysis.faces:
        service.metrics.rejections.labels(Reason.NO_FACE.value).inc()
        message = f"There are no faces in {field}, an image of {analysis.width}x{analysis.height} pixels."
        raise AwsError("InvalidParameterException", message)
    return analysis.faces[0]


def cosine_of(one: Face, other: Face) -> float:
    """Of two embedded faces, -1..1."""
    assert one.embedding is not None
    assert other.embedding is not None
    return min(1.0, max(-1.0, float(one.embedding @ other.embedding)))


def _given(threshold: float | None) -> float:
    return MATCH_THRESHOLD if threshold is None else threshold
