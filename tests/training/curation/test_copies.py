"""Copies of a photo and photos that are only alike, by faces of people who were photographed ten times."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from faces.analyzer import EmbedWhat
from faces.face import Crop, Image
from tests.training.curation.planted import att
from training.curation.copies import CORRELATION, DETAIL, correlations, exact_copies
from training.curation.features import Features, new_part
from training.curation.marks import MARK, differing_bits, looks, mark
from training.curation.session import Models


def compressed(image: Image, quality: int) -> Image:
    decoded = cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
    )
    return np.asarray(decoded, np.uint8)


def crop_of(models: Models, image: Image) -> Crop:
    (analysis,) = models.analyzer.analyze([image], embed=EmbedWhat.NONE)
    return analysis.faces[0].crop


def same(one: Crop, other: Crop) -> bool:
    brightness, detail = correlations(one, other)
    return brightness >= CORRELATION and detail >= DETAIL


@pytest.mark.parametrize("person", [1, 12, 33])
def test_a_smaller_a_compressed_and_a_brighter_photo_are_copies(models: Models, person: int) -> None:
    photo = att(person, 1)
    crop = crop_of(models, photo)
    brighter = np.clip(photo.astype(np.int16) + 20, 0, 255).astype(np.uint8)
    doubled = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    for copy in (compressed(photo, 60), doubled, brighter):
        assert same(crop, crop_of(models, copy))


def test_photos_of_one_sitting_and_the_mirrored_photo_are_none(models: Models) -> None:
    crops = [crop_of(models, att(9, number)) for number in range(1, 6)]
    assert not any(same(one, other) for at, one in enumerate(crops) for other in crops[:at])
    assert not same(crops[0], np.ascontiguousarray(crops[0][:, ::-1]))


def test_pictures_with_nothing_in_common_are_no_copies() -> None:
    black = np.zeros((112, 112, 3), np.uint8)
    assert not same(black, black + np.uint8(200))


def test_looks_survive_light_and_contrast() -> None:
    crop = np.random.default_rng(0).integers(0, 120, (7, 7, 3), np.uint8)
    crop = cv2.resize(crop, (112, 112), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    assert int(differing_bits(looks(crop), looks(crop * np.uint8(2)))) < 12
    assert int(differing_bits(looks(crop), looks(np.ascontiguousarray(crop[::-1])))) > 60


def test_equal_bytes_are_found_wherever_they_lie(tmp_path: Path) -> None:
    crop = np.zeros((112, 112, 3), np.uint8)
    for number, texts in enumerate((b"axb", b"xca", b"x")):
        with new_part(tmp_path, number) as part:
            for text in texts:
                part.add(np.ones(4, np.float32), mark(bytes([text]), crop))
    features = Features(tmp_path, 4)
    assert sorted(exact_copies(features)) == [(0, 5), (1, 3), (1, 6)]
    assert len(features) == 7
    assert MARK.itemsize == 48
