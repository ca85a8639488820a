"""The sheet of wrongly judged pairs: the right pictures at the right places, and words that can be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from evaluation.datasets.images import DatasetError
from evaluation.datasets.pairs import Pair, PairSet
from evaluation.embedding.pipeline import central_crop
from evaluation.report.contact_sheet import (
    CELL,
    GAP,
    HEAD,
    TEXT,
    SheetColumn,
    SheetRow,
    contact_sheet,
    fitted,
)
from evaluation.verification.run import PairScores
from evaluation.verification.worst_pairs import WorstAt, subject_crop, worst_sheet
from faces.analyzer import Analysis, EmbedWhat
from faces.face import Crop, Detection, Face, Image, Quality

COLOURS = {"red": (0, 0, 250), "green": (0, 250, 0), "blue": (250, 0, 0), "white": (250, 250, 250)}
COLUMN = 2 * (CELL + GAP) + TEXT + GAP


def plain(colour: str, height: int = 40, width: int = 40) -> Image:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


def decoded(sheet: bytes) -> Image:
    pixels = cv2.imdecode(np.frombuffer(sheet, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return pixels.astype(np.uint8)


def colour_at(sheet: Image, column: int, row: int, side: int) -> str:
    """The colour in the middle of a cell."""
    x = GAP + column * COLUMN + side * (CELL + GAP) + CELL // 2
    y = HEAD + GAP + row * (CELL + GAP) + CELL // 2
    return min(COLOURS, key=lambda name: float(np.abs(sheet[y, x].astype(int) - COLOURS[name]).sum()))


def has_ink(area: Image) -> bool:
    return bool((area < 160).any())


def test_pictures_stand_left_and_right_in_rows_below_a_title_with_words_beside_them() -> None:
    rows = (
        SheetRow(plain("red"), plain("green"), ("cosine 0.1", "a")),
        SheetRow(plain("blue"), plain("red"), ("cosine 0.2",)),
    )
    sheet = decoded(contact_sheet([SheetColumn("first", rows), SheetColumn("second", rows[1:])]))
    assert sheet.shape == (HEAD + GAP + 2 * (CELL + GAP), GAP + 2 * COLUMN, 3)
    found = [colour_at(sheet, *place) for place in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0))]
    assert found == ["red", "green", "blue", "red", "blue"]
    beside = GAP + 2 * (CELL + GAP)
    assert has_ink(sheet[:HEAD, :COLUMN])
    assert has_ink(sheet[HEAD + GAP : HEAD + GAP + CELL, beside:COLUMN])
    empty = sheet[HEAD + 2 * GAP + CELL :, GAP + COLUMN :]
    assert not has_ink(empty)


def test_a_picture_of_any_shape_is_shown_whole() -> None:
    wide = fitted(np.concatenate([plain("red", 10, 100), plain("blue", 10, 100)], axis=1))
    assert wide.shape == (CELL, CELL, 3)
    middle = wide[CELL // 2]
    assert middle[2].tolist() == list(COLOURS["red"])
    assert middle[-3].tolist() == list(COLOURS["blue"])
    assert wide[0, 0].tolist() == [235, 235, 235]
    assert fitted(plain("green", 500, 1)).shape == (CELL, CELL, 3)


def test_long_and_foreign_words_stay_on_the_sheet() -> None:
    row = SheetRow(plain("red"), plain("red"), ("x" * 500, "Zoë/Ωμέγα_0001.jpg"))
    sheet = decoded(contact_sheet([SheetColumn("t", (row,))]))
    assert not has_ink(sheet[HEAD + GAP :, -GAP:])


def test_a_column_without_rows_says_so_and_no_column_is_refused() -> None:
    assert has_ink(decoded(contact_sheet([SheetColumn("t", ())]))[HEAD + GAP :])
    with pytest.raises(ValueError, match="at least one column"):
        contact_sheet([])
    with pytest.raises(ValueError, match="holds 500 rows; 501 were asked for"):
        contact_sheet([SheetColumn("t", (SheetRow(plain("red"), plain("red"), ()),) * 501)])


class Four:
    """Four plain images, named by their colours."""

    source = Path("four")
    names = tuple(sorted(COLOURS))
    digest = "0"

    def read(self) -> Iterator[tuple[str, bytes]]:
        for name in COLOURS:
            yield name, cv2.imencode(".png", plain(name))[1].tobytes()


DATA = PairSet(
    protocol="pairs-x",
    title="x",
    pairs=(
        Pair("red", "green", True, 0),
        Pair("red", "blue", True, 0),
        Pair("green", "blue", False, 0),
        Pair("blue", "white", False, 0),
    ),
    folds="",
    images=Four(),
    aligned=True,
    lists="x.csv",
    lists_digest="0",
)
SCORES = PairScores(np.array([0.1, 0.9, 0.8, 0.2]), 0, 0)


def test_the_sheet_shows_the_missed_pair_and_the_false_match() -> None:
    sheet = decoded(worst_sheet(DATA, SCORES, "p", at=WorstAt.EER, count=5, show=lambda image: image))
    assert [colour_at(sheet, 0, 0, side) for side in (0, 1)] == ["red", "green"]
    assert [colour_at(sheet, 1, 0, side) for side in (0, 1)] == ["green", "blue"]
    assert sheet.shape[0] == HEAD + GAP + CELL + GAP


def test_only_what_is_shown_is_asked_for() -> None:
    seen: list[tuple[int, ...]] = []

    def show(image: Image) -> Image:
        seen.append(tuple(image[0, 0].tolist()))
        return image

    worst_sheet(DATA, SCORES, "p", at=WorstAt.EER, count=5, show=show)
    assert sorted(seen) == sorted(COLOURS[name] for name in ("red", "green", "blue"))


def test_a_rate_that_the_pairs_cannot_tell_is_no_threshold() -> None:
    with pytest.raises(DatasetError, match=r"x\.csv has 2 impostor pairs, too few for a FAR of 1e-3"):
        worst_sheet(DATA, SCORES, "p", at=WorstAt.FAR_1E_3, count=5, show=lambda image: image)


def test_a_far_of_one_in_a_thousand_lets_one_of_a_thousand_impostors_pass() -> None:
    pairs = (Pair("red", "green", True, 0), *(Pair("green", "blue", False, 0) for _ in range(1000)))
    scores = PairScores(np.concatenate([[0.9995], np.arange(1000) / 1000]), 0, 0)
    data = PairSet("x", "x", pairs, "", Four(), True, "x.csv", "0")
    sheet = decoded(worst_sheet(data, scores, "p", at=WorstAt.FAR_1E_3, count=5, show=lambda image: image))
    assert sheet.shape[0] == HEAD + GAP + CELL + GAP
    assert colour_at(sheet, 1, 0, 0) == "green"


class TwoFaces:
    """Finds a face at the left edge and one in the middle, or none in a black photo."""

    dimension = 4

    def analyze(self, images: list[Image], *, embed: EmbedWhat) -> list[Analysis]:
        assert embed is EmbedWhat.NONE
        (photo,) = images
        if not photo.any():
            return [Analysis((), 100, 100)]
        return [Analysis((self._face(0, "red"), self._face(45, "green")), 100, 100)]

    def embed_crops(self, crops: Crop) -> np.ndarray:
        raise AssertionError("nothing is embedded for a sheet")

    def _face(self, left: float, colour: str) -> Face:
        box = np.array([left, 45, left + 10, 55], np.float32)
        quality = Quality(1, 10, 1, 100, 0, 0, 0, ())
        return Face(Detection(box, np.zeros((5, 2), np.float32), 0.9), quality, plain(colour, 112, 112))


def test_of_a_photo_the_crop_that_was_compared_is_shown() -> None:
    photo = plain("white", 100, 100)
    assert (subject_crop(TwoFaces(), photo) == plain("green", 112, 112)).all()
    black = np.zeros((100, 100, 3), np.uint8)
    assert (subject_crop(TwoFaces(), black) == central_crop(black)).all()
