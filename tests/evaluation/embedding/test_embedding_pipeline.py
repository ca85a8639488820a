"""Every photo becomes an embedding: the right face of several, and a part of the photo where no face is
found.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError, open_images
from evaluation.embedding.pipeline import central_crop, embed_aligned, embed_photos
from faces.analyzer import Analyzer, EmbedWhat
from faces.face import Image
from faces.pack import load_pack


@pytest.fixture(scope="module")
def analyzer() -> Analyzer:
    return Analyzer(load_pack("default"), threads=1)


def write(folder: Path, name: str, image: Image) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())


def person(number: int, scale: float) -> Image:
    photo = cv2.imread(str(att_faces()[10 * (number - 1)].path))
    assert photo is not None
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def test_the_face_in_the_middle_is_the_subject_and_the_largest_is_kept_beside_it(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    middle, corner = person(1, 1.0), person(3, 1.6)
    photo = np.full((400, 400, 3), 90, np.uint8)
    photo[144 : 144 + 112, 154 : 154 + 92] = middle
    photo[: corner.shape[0], : corner.shape[1]] = corner
    write(tmp_path, "A/two.png", photo)
    result = embed_photos(analyzer, open_images(tmp_path))
    assert result.names == ("A/two.png",)
    assert result.faces.tolist() == [2]
    alone = [
        analyzer.analyze([face], embed=EmbedWhat.LARGEST)[0].faces[0].embedding for face in (middle, corner)
    ]
    assert result.central[0] @ alone[0] > 0.8 > 0.6 > result.central[0] @ alone[1]
    assert result.largest[0] @ alone[1] > 0.8 > 0.6 > result.largest[0] @ alone[0]


def test_a_photo_without_a_face_is_embedded_from_its_middle_and_not_dropped(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    empty = np.random.default_rng(0).integers(0, 255, (250, 250, 3), dtype=np.uint8)
    write(tmp_path, "A/empty.png", empty)
    write(tmp_path, "B/face.png", person(2, 2.0))
    steps: list[int] = []
    result = embed_photos(analyzer, open_images(tmp_path), batch=1, progress=steps.append)
    assert result.faces.tolist() == [0, 1]
    assert steps == [1, 1]
    assert np.linalg.norm(result.central, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert result.central[0] == pytest.approx(analyzer.embed_crops(central_crop(empty)[None])[0], abs=1e-5)


def test_aligned_crops_are_embedded_as_they_are_and_other_sizes_are_refused(
    analyzer: Analyzer, tmp_path: Path
) -> None:
    crops = np.random.default_rng(1).integers(0, 255, (3, 112, 112, 3), dtype=np.uint8)
    for at, crop in enumerate(crops):
        write(tmp_path, f"A/{at}.png", crop)
    result = embed_aligned(analyzer, open_images(tmp_path), batch=2)
    assert result.central == pytest.approx(analyzer.embed_crops(crops), abs=1e-5)
    write(tmp_path, "A/odd.png", np.zeros((90, 80, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"A/odd\.png is 80x90, not 112x112"):
        embed_aligned(analyzer, open_images(tmp_path))
