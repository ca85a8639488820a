"""Pairs of a user's own: what is accepted, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.datasets.images import DatasetError
from evaluation.datasets.pairs import Pair
from evaluation.datasets.pairs_csv import open_pairs_csv, parse_pairs_csv

TEXT = "left,right,same\na/1.jpg,a/2.jpg,1\na/1.jpg,b/1.jpg,0\n"


def write_images(folder: Path) -> None:
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_pairs_without_folds_say_so() -> None:
    assert parse_pairs_csv(TEXT, "x.csv") == (
        (Pair("a/1.jpg", "a/2.jpg", True, 0), Pair("a/1.jpg", "b/1.jpg", False, 0)),
        False,
    )


def test_columns_may_stand_in_any_order_and_folds_are_numbered_from_nought() -> None:
    text = 'fold,SAME,right, left\n7,True,"a,2.jpg",a1.jpg\n\n3,false,./b1.jpg,a1.jpg\n'
    assert parse_pairs_csv(text, "x.csv") == (
        (Pair("a1.jpg", "a,2.jpg", True, 1), Pair("a1.jpg", "b1.jpg", False, 0)),
        True,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv is empty; its first line must be left,right,same"),
        ("left,right\n", "line 1: the columns must be left, right, same and perhaps fold; found left, right"),
        ("left,right,same,score\n", "found left, right, same, score"),
        ("left,left,right,same\n", "the columns must be"),
        ("left,right,same\n", "holds no pairs below its first line"),
        (TEXT + "a/1.jpg,b/2.jpg\n", r"line 4: expected 3 fields \(left,right,same\), found 2"),
        (TEXT + "a/1.jpg,b/2.jpg,maybe\n", "line 4: `same` must be 1, 0, true or false, found 'maybe'"),
        (TEXT + "a/1.jpg,../b.jpg,0\n", r"line 4: '\.\./b\.jpg' is no path below"),
        (TEXT + "a/1.jpg,a\\2.jpg,0\n", "line 4: .* is no path below .* with / between its parts"),
        (TEXT + "a/1.jpg,,0\n", "line 4: '' is no path below"),
        (TEXT + "a/2.jpg,a/1.jpg,0\n", r"line 4: a/2\.jpg and a/1\.jpg are compared already in line 2"),
        (TEXT + "c.jpg,./c.jpg,1\n", r"line 4: c\.jpg is compared with itself"),
        ('left,right,same\n"a,b,1\n', "x.csv, line 2: "),
        ("left,right,same,fold\na,b,1,first\n", "line 2: `fold` must be a whole number, found 'first'"),
        ("left,right,same,fold\na,b,1,\n", "line 2: `fold` must be a whole number, found ''"),
    ],
)
def test_a_malformed_file_is_refused_naming_the_line(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_pairs_csv(text, "x.csv")


def test_people_are_known_where_folders_say_what_the_pairs_say(tmp_path: Path) -> None:
    write_images(tmp_path)
    path = tmp_path / "mine.csv"
    path.write_text(TEXT)
    data = open_pairs_csv(path, aligned=True)
    assert (data.protocol, data.title, data.folds) == ("pairs-mine", "mine.csv", "")
    assert data.people == {"a/1.jpg": "a", "a/2.jpg": "a", "b/1.jpg": "b"}
    path.write_text(TEXT + "a/2.jpg,b/1.jpg,1\n")
    assert open_pairs_csv(path, aligned=True).people is None


def test_images_lie_beside_the_file_or_where_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("\ufeff" + TEXT)
    with pytest.raises(DatasetError, match="lacks 3 images"):
        open_pairs_csv(tmp_path / "mine.csv", aligned=False)
    write_images(tmp_path / "faces")
    data = open_pairs_csv(tmp_path / "mine.csv", aligned=False, images=tmp_path / "faces")
    assert data.images.names == ("a/1.jpg", "a/2.jpg", "b/1.jpg")


def test_a_file_that_is_missing_no_text_or_of_one_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        open_pairs_csv(path, aligned=False)
    path.write_bytes(b"left,right,same\n\xff\n")
    with pytest.raises(DatasetError, match=r"is not UTF-8 text: .* at byte 16"):
        open_pairs_csv(path, aligned=False)
    path.write_text("left,right,same\na/1.jpg,a/2.jpg,1\n")
    with pytest.raises(DatasetError, match="has no impostor pair among its 1"):
        open_pairs_csv(path, aligned=False)
    path.write_text("left,right,same,fold\na/1.jpg,a/2.jpg,1,4\na/1.jpg,b/1.jpg,0,4\n")
    with pytest.raises(DatasetError, match="names one fold alone"):
        open_pairs_csv(path, aligned=False)
