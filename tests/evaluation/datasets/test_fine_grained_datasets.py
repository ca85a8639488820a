"""Reading CUB-200-2011, Cars196 and Stanford Online Products: the tested half, and how each mistake is named."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.datasets.fine_grained import open_cars, open_cub, open_sop
from evaluation.datasets.images import DatasetError

SOP_HEAD = "image_id class_id super_class_id path\n"


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"image")
    return folder


def cub(folder: Path, images: str, classes: str) -> Path:
    (folder / "images.txt").write_text(images)
    (folder / "image_class_labels.txt").write_text(classes)
    return folder


def test_cub_is_tested_on_the_classes_101_to_200(tmp_path: Path) -> None:
    cub(
        tmp_path,
        "1 001.Albatross/A_1.jpg\n2 100.Pelican/P_2.jpg\n3 101.White_Pelican/W_3.jpg\n4 200.Yellowthroat/Y_4.jpg\n",
        "1 1\n2 100\n3 101\n4 200\n",
    )
    found = open_cub(tmp_path)
    assert [(image.name, image.identity) for image in found.images] == [
        ("101.White_Pelican/W_3.jpg", "101"),
        ("200.Yellowthroat/Y_4.jpg", "200"),
    ]
    assert found.root == tmp_path / "images"
    assert found.ranks == (1, 2, 4, 8)
    assert found.queries == found.gallery == [0, 1]


@pytest.mark.parametrize(
    ("images", "classes", "message"),
    [
        ("", "1 1\n", r"images\.txt is empty"),
        ("1 a.jpg b\n", "1 101\n", r"images\.txt, line 1: expected a number and a word, found '1 a.jpg b'"),
        ("x a.jpg\n", "1 101\n", r"images\.txt, line 1: expected a number"),
        ("1 a.jpg\n1 b.jpg\n", "1 101\n", r"images\.txt, line 2: image 1 is there twice"),
        ("1 a.jpg\n2 b.jpg\n", "1 101\n", "image 2 is in one of images.txt and image_class_labels.txt alone"),
        ("1 a.jpg\n", "1 201\n", r"image_class_labels\.txt, line 1: expected a class 1\.\.200, found '201'"),
        ("1 a.jpg\n", "1 0\n", r"expected a class 1\.\.200"),
        ("1 a.jpg\n", "1 owl\n", r"expected a class 1\.\.200, found 'owl'"),
        ("1 ../a.jpg\n", "1 101\n", r"images\.txt, line 1: '\.\./a\.jpg' is no path below the folder"),
        ("1 a.jpg\n", "1 100\n", r"lists no image of the classes 101\.\.200"),
        ("1 a.jpg\n2 a.jpg\n", "1 101\n2 102\n", r"a\.jpg is listed twice"),
    ],
)
def test_malformed_cub_lists_are_refused(tmp_path: Path, images: str, classes: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        open_cub(cub(tmp_path, images, classes))


def test_numbered_class_folders_are_divided_by_their_numbers(tmp_path: Path) -> None:
    write(tmp_path / "images", *(f"{number}.Bird/{number}.jpg" for number in range(1, 201)))
    found = open_cub(tmp_path)
    assert {image.identity for image in found.images} == {f"{number}.Bird" for number in range(101, 201)}
    write(tmp_path / "images", "owl/1.jpg")
    with pytest.raises(DatasetError, match=r"images in 201 folders .* CUB-200-2011 must be 200 folders"):
        open_cub(tmp_path)
    with pytest.raises(DatasetError, match=r"no CUB-200-2011 at .*nowhere"):
        open_cub(tmp_path / "nowhere")


def test_cars_in_folders_of_classes_are_divided_by_name_wherever_they_lie(tmp_path: Path) -> None:
    names = [f"Maker {number:03d} Coupe 2012" for number in range(196)]
    write(
        tmp_path, *(f"train/{name}/1.jpg" for name in names), *(f"test/{name}/1.jpg" for name in names[::2])
    )
    found = open_cars(tmp_path)
    assert {image.identity for image in found.images} == set(names[98:])
    assert len(found.images) == 98 + 49
    assert found.images[0].name == "test/Maker 098 Coupe 2012/1.jpg"


@pytest.mark.parametrize("begin", [0, 1])
def test_cars_in_a_csv_are_divided_by_class_whether_counted_from_0_or_1(tmp_path: Path, begin: int) -> None:
    lines = [f"car_ims/{at:06d}.jpg,1,{at % 196 + begin},0" for at in range(392)]
    (tmp_path / "cars_annos.csv").write_text("\n".join(["relative_im_path,bbox_x1,class,test", *lines]))
    found = open_cars(tmp_path)
    assert {image.identity for image in found.images} == {str(label) for label in range(99, 197)}
    assert len(found.images) == 196
    assert found.images[0].name == "car_ims/000098.jpg"
    assert found.images[0].identity == "99"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,class\na.jpg,1\n",
            "line 1: expected the columns relative_im_path and class, found 'path,class'",
        ),
        ("relative_im_path,class\na.jpg,owl\n", "line 2: expected a path and a class, a number; .* 'owl'"),
        ("relative_im_path,class\na.jpg\n", "line 2: expected a path and a class"),
        ("relative_im_path,class\n/a.jpg,1\n", "line 2: '/a.jpg' is no path below the folder"),
        ("relative_im_path,class\na.jpg,7\n", r"has 1 classes, 7\.\.7; expected all of 1\.\.196"),
        ("relative_im_path,class\n", r"has 0 classes"),
        ('relative_im_path,class\n"a.jpg,1\n', "no valid CSV"),
    ],
)
def test_a_malformed_cars_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cars_annos.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_cars(tmp_path)


def test_cars_are_read_from_the_matlab_file_where_scipy_is_there(tmp_path: Path) -> None:
    io: Any = pytest.importorskip("scipy.io")
    annotations = np.zeros(
        (1, 392), dtype=[("relative_im_path", object), ("class", object), ("test", object)]
    )
    for at in range(392):
        annotations[0, at] = (f"car_ims/{at:06d}.jpg", np.uint8(at % 196 + 1), np.uint8(0))
    io.savemat(tmp_path / "cars_annos.mat", {"annotations": annotations})
    found = open_cars(tmp_path)
    assert len(found.images) == 196
    assert (found.images[0].name, found.images[0].identity) == ("car_ims/000098.jpg", "99")
    (tmp_path / "cars_annos.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(400))
    with pytest.raises(DatasetError, match="is no annotation file of Cars196, a struct `annotations`"):
        open_cars(tmp_path)
    io.savemat(tmp_path / "cars_annos.mat", {"other": 1})
    with pytest.raises(DatasetError, match="is no annotation file of Cars196"):
        open_cars(tmp_path)


def test_without_scipy_the_message_says_what_to_do_with_a_matlab_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    (tmp_path / "cars_annos.mat").write_bytes(b"")
    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(DatasetError, match=r"pip install scipy`, or write cars_annos\.csv beside it"):
        open_cars(tmp_path)


@pytest.mark.parametrize("layout", ["as distributed", "Info_Files and images"])
def test_products_are_read_from_their_test_list(tmp_path: Path, layout: str) -> None:
    inner = layout != "as distributed"
    folder = tmp_path / "Info_Files" if inner else tmp_path
    folder.mkdir(exist_ok=True)
    if inner:
        (tmp_path / "images").mkdir()
    (folder / "Ebay_test.txt").write_text(
        SOP_HEAD
        + "59552 11319 1 bicycle_final/251952414262_2.JPG\n59553 11319 1 bicycle_final/251952414262_0.JPG\n"
    )
    found = open_sop(tmp_path)
    assert [(image.name, image.identity) for image in found.images] == [
        ("bicycle_final/251952414262_0.JPG", "11319"),
        ("bicycle_final/251952414262_2.JPG", "11319"),
    ]
    assert found.root == (tmp_path / "images" if inner else tmp_path)
    assert found.ranks == (1, 10, 100, 1000)
    assert found.published == (60502, 60502)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Ebay_test\.txt is empty"),
        (
            "1 11319 1 a.JPG\n",
            "line 1: expected 'image_id class_id super_class_id path', found '1 11319 1 a.JPG'",
        ),
        (SOP_HEAD, "lists no images"),
        (SOP_HEAD + "1 11319 a.JPG\n", "line 2: expected three numbers and a path"),
        (SOP_HEAD + "1 x 1 a.JPG\n", "line 2: expected three numbers and a path"),
        (SOP_HEAD + "1 7 1 ../a.JPG\n", r"line 2: '\.\./a\.JPG' is no path below the folder"),
        (SOP_HEAD + "1 7 1 a.JPG\n2 7 1 a.JPG\n", r"a\.JPG is listed twice"),
    ],
)
def test_a_malformed_products_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "Ebay_test.txt").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_sop(tmp_path)


def test_an_absent_products_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Ebay_test\.txt cannot be read: No such file"):
        open_sop(tmp_path)
