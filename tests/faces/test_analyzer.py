"""Analyzer on real faces: every photo, the right face, its own pixels, in any batch and any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from conftest import att

from faces.align import TEMPLATE, align, similarity
from faces.analyzer import Analysis, Analyzer, EmbedWhat
from faces.face import Image
from faces.pack import ModelPack
from faces.session import Session


def _same(one: Analysis, two: Analysis, pixels: float = 0.5, cosine: float = 0.999) -> bool:
    return len(one.faces) == len(two.faces) and all(
        np.allclose(a.detection.landmarks, b.detection.landmarks, atol=pixels)
        and (a.embedding is None) == (b.embedding is None)
        and (a.embedding is None or float(a.embedding @ b.embedding) > cosine)
        for a, b in zip(one.faces, two.faces, strict=True)
    )


def test_tightly_cropped_small_photos_are_an_ordinary_case(analyzer: Analyzer) -> None:
    people, photos = range(1, 9), range(1, 4)
    images = [att(person, photo) for person in people for photo in photos]
    found = analyzer.analyze(images)
    assert [len(analysis.faces) for analysis in found] == [1] * len(images)
    assert not [face.quality.reasons for analysis in found for face in analysis.faces if face.quality.reasons]
    rows = np.stack([analysis.faces[0].embedding for analysis in found]).reshape(8, 3, -1)
    cosines = np.einsum("pid,qjd->pqij", rows, rows)
    same = cosines[range(8), range(8)]
    strangers = cosines[~np.eye(8, dtype=bool)]
    assert same.min() > 0.45 > strangers.max()


@pytest.mark.slow
def test_all_400_photos_have_one_face_and_every_mate_is_closer_than_any_stranger(analyzer: Analyzer) -> None:
    images = [att(person, photo) for person in range(1, 41) for photo in range(1, 11)]
    found = analyzer.analyze(images)
    assert [len(analysis.faces) for analysis in found] == [1] * 400
    rows = np.stack([analysis.faces[0].embedding for analysis in found]).reshape(40, 10, -1)
    gallery = rows[:30, :5].sum(axis=1)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    mates = rows[:30, 5:] @ gallery.T  # (30, 5, 30)
    assert (mates.argmax(axis=2) == np.arange(30)[:, None]).all()
    assert mates[range(30), :, range(30)].min() > 0.6
    assert (rows[30:] @ gallery.T).max() < 0.45


def test_a_face_cut_by_every_edge_of_the_frame_is_found(analyzer: Analyzer) -> None:
    photo = cv2.resize(att(1, 1), None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    tight = np.ascontiguousarray(photo[200:800, 100:640])
    (whole, cut) = analyzer.analyze([photo, tight])
    assert len(whole.faces) == len(cut.faces) == 1
    moved = cut.faces[0].detection.landmarks + np.array([100, 200])
    width = whole.faces[0].detection.box[2] - whole.faces[0].detection.box[0]
    assert np.abs(moved - whole.faces[0].detection.landmarks).max() < 0.15 * width
    assert whole.faces[0].embedding @ cut.faces[0].embedding > 0.6


def test_boxes_and_landmarks_are_in_the_images_own_pixels(analyzer: Analyzer, group: Image) -> None:
    (found,) = analyzer.analyze([group], embed=EmbedWhat.NONE)
    assert len(found.faces) == 6
    assert (found.width, found.height) == (640, 448)
    large = cv2.resize(group, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    (tripled,) = analyzer.analyze([large], embed=EmbedWhat.NONE)
    assert len(tripled.faces) == 6
    places = sorted(tuple(face.detection.landmarks.mean(axis=0)) for face in found.faces)
    for place in (face.detection.landmarks.mean(axis=0) / 3 for face in tripled.faces):
        assert min(np.abs(np.subtract(place, other)).max() for other in places) < 4


def test_faces_come_largest_first_and_no_more_than_asked(analyzer: Analyzer, group: Image) -> None:
    (found,) = analyzer.analyze([group], embed=EmbedWhat.NONE)
    areas = [np.prod(face.detection.box[2:] - face.detection.box[:2]) for face in found.faces]
    assert areas == sorted(areas, reverse=True)
    (two,) = analyzer.analyze([group], embed=EmbedWhat.NONE, max_faces=2)
    assert _same(Analysis(found.faces[:2], 640, 448), two)


def test_only_the_faces_asked_for_are_embedded(
    pack: ModelPack, group: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzer = Analyzer(pack, threads=1)
    rows: list[int] = []
    run = Session.run
    monkeypatch.setattr(
        Session,
        "run",
        lambda self, batch: (rows.append(len(batch)) if batch.shape[2] == 112 else None, run(self, batch))[1],
    )
    for what, count in ((EmbedWhat.NONE, 0), (EmbedWhat.LARGEST, 2), (EmbedWhat.ALL, 12)):
        rows.clear()
        found = analyzer.analyze([group, group], embed=what)
        assert sum(rows) == count
        assert len(rows) <= 1
        embedded = [[face.embedding is not None for face in analysis.faces] for analysis in found]
        assert embedded == [[count == 12 or (count == 2 and rank == 0) for rank in range(6)]] * 2


def test_a_batch_gives_what_single_images_give(analyzer: Analyzer, group: Image) -> None:
    odd = [group, att(7, 1), np.zeros((5, 900, 3), np.uint8), att(8, 2)[:90], group[:300, :333], att(9, 3)]
    together = analyzer.analyze(odd, embed=EmbedWhat.ALL)
    for image, analysis in zip(odd, together, strict=True):
        (alone,) = analyzer.analyze([image], embed=EmbedWhat.ALL)
        assert _same(alone, analysis)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (2000, 3), (64, 64), (300, 300)])
def test_an_image_without_a_face_has_none(analyzer: Analyzer, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for image in (np.zeros((*shape, 3), np.uint8), noise):
        (found,) = analyzer.analyze([image])
        assert found.faces == ()
        assert (found.height, found.width) == shape


def test_no_images_give_no_answers(analyzer: Analyzer) -> None:
    assert analyzer.analyze([]) == []
    assert analyzer.embed_crops(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 128)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 50), np.uint8),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((0, 50, 3), np.uint8),
        np.zeros((9, 9, 3)),
    ],
)
def test_what_is_no_image_is_refused_with_its_place(analyzer: Analyzer, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image 1 should be"):
        analyzer.analyze([att(1, 1), image])


def test_embedding_a_kept_crop_gives_the_very_same_template(analyzer: Analyzer) -> None:
    found = analyzer.analyze([att(person, 1) for person in (1, 2, 3)])
    crops = np.stack([analysis.faces[0].crop for analysis in found])
    rows = np.stack([analysis.faces[0].embedding for analysis in found])
    assert np.allclose(analyzer.embed_crops(crops), rows, atol=1e-5)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    with pytest.raises(ValueError, match="112"):
        analyzer.embed_crops(crops[:, :100])


def test_more_crops_than_one_run_holds_are_embedded_in_order(analyzer: Analyzer) -> None:
    crops = np.stack([align(att(1, 1), (TEMPLATE + shift / 9).astype(np.float32)) for shift in range(35)])
    rows = analyzer.embed_crops(crops)
    assert rows.shape == (35, 128)
    assert np.allclose(analyzer.embed_crops(crops[33:]), rows[33:], atol=1e-4)


def test_threads_do_not_disturb_each_other(analyzer: Analyzer, group: Image) -> None:
    images = [att(person, 1) for person in range(1, 9)] + [group] * 2
    alone = [analyzer.analyze([image])[0] for image in images]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            for expected, (found,) in zip(
                alone, pool.map(lambda image: analyzer.analyze([image]), images), strict=True
            ):
                assert _same(expected, found)


def test_a_face_is_aligned_to_the_template_wherever_it_stands(analyzer: Analyzer) -> None:
    """The same head moved and leaning gives nearly the same template."""
    head = cv2.resize(att(4, 1), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    rows = []
    for turn, scale, x, y in ((0, 1.0, 200, 150), (15, 1.2, 320, 220), (-15, 0.9, 120, 260)):
        matrix = cv2.getRotationMatrix2D((69, 84), turn, scale) + np.array([[0, 0, x], [0, 0, y]])
        scene = cv2.warpAffine(head, matrix, (640, 480), borderValue=(120, 120, 120))
        (found,) = analyzer.analyze([scene])
        face = found.faces[0]
        assert face.quality.roll == pytest.approx(-turn, abs=8)
        fitted = similarity(face.detection.landmarks, TEMPLATE)
        assert np.degrees(np.arctan2(fitted[1, 0], fitted[0, 0])) == pytest.approx(turn, abs=8)
        rows.append(face.embedding)
    assert min(rows[0] @ rows[1], rows[0] @ rows[2]) > 0.85


def test_settings_that_make_no_sense_are_refused(pack: ModelPack) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        Analyzer(pack, longest=100)
    with pytest.raises(ValueError, match="threads"):
        Analyzer(pack, threads=-1)
    with pytest.raises(ValueError, match="provider"):
        Analyzer(pack, provider="tpu")  # type: ignore[arg-type]


def test_warming_leaves_the_analyzer_ready(pack: ModelPack) -> None:
    analyzer = Analyzer(pack, threads=1)
    analyzer.warm()
    assert analyzer.analyze([att(1, 1)])[0].faces
    assert (analyzer.dimension, analyzer.contract_id) == (128, pack.contract_id)
