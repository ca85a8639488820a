"""The protocol on a few made-up embeddings, where every figure can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.datasets.lfw import Pair
from evaluation.embedding.pipeline import CENTRAL_HEIGHT, CENTRAL_SHARE, EmbeddedSet, central_crop
from evaluation.lfw.protocol import lfw_figures


def at_angle(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


NAMES = ("A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg", "B/B_0002.jpg")
PAIRS = (
    Pair(NAMES[0], NAMES[1], True, 0),
    Pair(NAMES[0], NAMES[2], False, 0),
    Pair(NAMES[2], NAMES[3], True, 1),
    Pair(NAMES[1], NAMES[3], False, 1),
)


def test_people_apart_are_told_apart_and_the_choice_of_face_is_counted() -> None:
    central = at_angle(0, 5, 90, 95)
    # In the last photo a stranger who looks like A stands nearer to the camera.
    largest = at_angle(0, 5, 90, 2)
    figures = lfw_figures(PAIRS, EmbeddedSet(NAMES, central, largest, np.array([1, 0, 1, 2], np.int32)))
    assert figures.accuracy.mean == 1.0
    assert figures.accuracy.pairs == 4
    assert figures.equal_error_rate == 0.0
    assert [point.tar for point in figures.operating_points] == [1.0, 1.0, 1.0]
    assert figures.genuine == pytest.approx(np.cos(np.deg2rad([5, 5])), abs=1e-6)
    assert (figures.choice.no_face, figures.choice.several, figures.choice.not_largest) == (1, 1, 1)
    assert figures.choice.pairs == 2
    # Fold 1 errs twice by the threshold of fold 0; fold 0 rejects all by that of fold 1.
    assert figures.choice.accuracy_of_largest == 0.25


def test_the_central_crop_shows_the_middle_of_the_photo() -> None:
    photo = np.zeros((250, 250, 3), np.uint8)
    half, middle = round(CENTRAL_SHARE * 250 / 2), round(CENTRAL_HEIGHT * 250)
    photo[middle - half : middle + half, 125 - half : 125 + half] = 200
    crop = central_crop(photo)
    assert crop.shape == (112, 112, 3)
    assert crop[2:-2, 2:-2].min() == 200
    assert central_crop(np.full((40, 90, 3), 7, np.uint8)).min() == 7
