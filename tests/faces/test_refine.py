"""The second look: steadier landmarks, the same faces, and never another face's landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.datasets.att import att_faces
from faces.align import TEMPLATE
from faces.analyzer import Analyzer, EmbedWhat
from faces.detect.candidates import Candidates
from faces.image import decode_image
from faces.pack import load_pack
from faces.refine import FARTHEST, SIDE, central_landmarks

PLACED = (TEMPLATE + (SIDE - 112) / 2).astype(np.float32)


def candidates(*proposals: tuple[float, float, float]) -> Candidates:
    """One proposal each of (shift in x, shift in y, score)."""
    box = np.array([SIDE / 4, SIDE / 4, 3 * SIDE / 4, 3 * SIDE / 4], np.float32)
    shifts = np.array([(x, y) for x, y, _ in proposals], np.float32).reshape(-1, 2)
    return Candidates(
        box + np.concatenate([shifts, shifts], axis=1),
        PLACED + shifts[:, None],
        np.array([score for _, _, score in proposals], np.float32),
    )


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 1.0)), min_size=1, max_size=12))
def test_landmarks_are_the_weighted_mean_of_all_proposals_for_the_face(
    proposals: list[tuple[float, float, float]],
) -> None:
    found = central_landmarks(candidates(*proposals))
    total = np.zeros((5, 2))
    weight = 0.0
    for x, y, score in proposals:
        total += score * (PLACED + np.array([x, y]))
        weight += score
    assert found is not None
    np.testing.assert_allclose(found, total / weight, atol=1e-3)


def test_a_neighbour_in_the_window_is_neither_taken_nor_mixed_in() -> None:
    far = 2.5 * FARTHEST * 112
    alone = central_landmarks(candidates((1, 1, 0.7)))
    beside = central_landmarks(candidates((1, 1, 0.7), (far, 0, 0.99)))
    assert alone is not None
    assert beside is not None
    np.testing.assert_allclose(beside, alone)
    assert central_landmarks(candidates((far, 0, 0.99))) is None
    assert central_landmarks(candidates()) is None


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(load_pack("default"))


def test_a_leaning_face_keeps_its_template(analyzer: Analyzer) -> None:
    kept = []
    for photo in [photo for photo in att_faces() if photo.number == 1 and photo.person % 4 == 0]:
        image = cv2.resize(decode_image(photo.path.read_bytes()), None, fx=3, fy=3)
        image = cv2.copyMakeBorder(image, 150, 150, 200, 200, cv2.BORDER_CONSTANT, value=(90, 90, 90))
        height, width = image.shape[:2]
        lean = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1.0)
        leaning = cv2.warpAffine(image, lean, (width, height), borderValue=(90, 90, 90))
        upright, leant = analyzer.analyze([image, leaning], embed=EmbedWhat.LARGEST)
        first, second = upright.faces[0], leant.faces[0]
        assert first.embedding is not None
        assert second.embedding is not None
        kept.append(float(first.embedding @ second.embedding))
        true = first.detection.landmarks @ lean[:, :2].T + lean[:, 2]
        error = np.abs(second.detection.landmarks - true).mean() / (first.quality.face_size)
        assert error < 0.05
    assert np.mean(kept) > 0.85


def test_a_face_cut_by_the_edge_gets_finite_landmarks(analyzer: Analyzer) -> None:
    for photo in att_faces()[:40:4]:
        image = decode_image(photo.path.read_bytes())
        for analysis in analyzer.analyze([image[:, 20:].copy(), image[15:].copy()]):
            for face in analysis.faces:
                assert np.isfinite(face.detection.landmarks).all()
