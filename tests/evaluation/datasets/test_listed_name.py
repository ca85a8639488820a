"""Names in lists: whatever a list says, no image outside its folder is ever named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import exact_image_name, listed_name

OUTSIDE = [
    "",
    ".",
    "..",
    "/",
    "/a.jpg",
    "//a.jpg",
    "../a.jpg",
    "a/../../b.jpg",
    "a\\b.jpg",
    "a\0.jpg",
    "C:/a.jpg",
    "./C:/a.jpg",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_folder_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(DatasetError, match=r"^list, line 3: .* is no path below the folder of the images"):
        listed_name(name, "list, line 3")
    with pytest.raises(DatasetError, match=r"^list, line 3: .* is no path below the folder of the images"):
        exact_image_name(name, "list, line 3")


@given(st.text(alphabet="ab./\\ \0:", max_size=12))
def test_no_listed_name_leaves_its_folder(text: str) -> None:
    try:
        name = listed_name(text, "here")
    except DatasetError:
        return
    root = Path("/set")
    assert (root / name).resolve().is_relative_to(root)
    assert (root / name).resolve() == (root / text).resolve()
    assert name == listed_name(name, "here") == Path(name).as_posix()


def test_names_are_written_in_one_way() -> None:
    assert listed_name("./a//b.jpg", "x") == "a/b.jpg"
    assert listed_name("a/./b 1.tif", "x") == "a/b 1.tif"


@pytest.mark.parametrize("name", ["a//1.jpg", "./1.jpg", "a/", "1.txt", "a/jpg"])
def test_an_exact_name_is_neither_resolved_nor_of_anything_but_an_image(name: str) -> None:
    with pytest.raises(
        DatasetError, match=r"^list, line 3: .* is no plain path of an image; expected one like"
    ):
        exact_image_name(name, "list, line 3")


@pytest.mark.parametrize("name", ["1.jpg", "a/b.c/1.PNG", "..1.jpg"])
def test_exact_names_are_taken_as_they_are(name: str) -> None:
    assert exact_image_name(name, "") == name
