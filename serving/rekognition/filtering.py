"""QualityFilter: which faces of a photo are not taken, and the reasons in the words of AWS."""

from __future__ import annotations

from faces.face import Face, Reason
from serving.rekognition.errors import AwsError
from serving.rekognition.shapes import Filter

REASONS = {
    Reason.SMALL_FACE: "SMALL_BOUNDING_BOX",
    Reason.BLURRED: "LOW_SHARPNESS",
    Reason.DARK: "LOW_BRIGHTNESS",
    Reason.EXTREME_POSE: "EXTREME_POSE",
    Reason.LOW_CONFIDENCE: "LOW_CONFIDENCE",
}

BARS: dict[Filter, float] = {"AUTO": 0.0, "LOW": 0.0, "MEDIUM": 0.25, "HIGH": 0.5}
"""Quality scores (0..1) that a face must reach besides having no reason against it."""


def failings(face: Face, quality_filter: Filter) -> list[str]:
    """Why a face does not pass; [] where it does, as every face does with NONE."""
    if quality_filter == "NONE":
        return []
    reasons = [REASONS[reason] for reason in face.quality.reasons]
    if not reasons and face.quality.score < BARS[quality_filter]:
        return ["LOW_FACE_QUALITY"]
    return reasons


def require_fit(face: Face, quality_filter: Filter, field: str) -> None:
    """Raises AwsError where the face that is to be searched or compared does not pass."""
    reasons = failings(face, quality_filter)
    if reasons:
        message = (
            f"The largest face of {field} does not pass the quality filter {quality_filter} ({', '.join(reasons)}); "
            "send another photo, or QualityFilter NONE."
        )
        raise AwsError("InvalidParameterException", message)
