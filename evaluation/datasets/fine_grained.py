"""CUB-200-2011, Cars196 and Stanford Online Products: the half that zero-shot retrieval is tested on; measures nothing.

The division is that of Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding",
CVPR 2016: CUB is trained on its classes 1..100 and tested on 101..200, Cars on 1..98 and 99..196, Products as its lists
say. Every test image is query and gallery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from evaluation.datasets.cars_annotations import ANNOTATIONS, cars_classes
from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.retrieval_set import (
    RetrievalImage,
    RetrievalSet,
    image_files,
    list_lines,
    retrieval_set,
)

CUB_CLASSES, CARS_CLASSES = 200, 196
RANKS, PRODUCT_RANKS = (1, 2, 4, 8), (1, 10, 100, 1000)
CUB_IMAGES, CARS_IMAGES, PRODUCT_IMAGES = 5924, 8131, 60502
PRODUCT_LIST, PRODUCT_HEAD = "Ebay_test.txt", ["image_id", "class_id", "super_class_id", "path"]
_NUMBERED = re.compile(r"(\d+)\.")


def open_cub(folder: Path) -> RetrievalSet:
    """CUB-200-2011 as it is distributed, `images.txt` and `image_class_labels.txt` with names below `images/`; or
    without these lists 200 folders of images, below `images/` where that is there.

    DatasetError names the line that is wrong.
    """
    if not (folder / "images.txt").is_file():
        return _of_folders(folder, "cub-200", "CUB-200-2011", CUB_CLASSES, CUB_IMAGES)
    names = _numbered(folder / "images.txt", "the list of CUB's images, lines of a number and a path")
    labels = _numbered(
        folder / "image_class_labels.txt", "the list of CUB's classes, lines of an image's number and a class"
    )
    if names.keys() != labels.keys():
        odd = min(names.keys() ^ labels.keys())
        raise DatasetError(f"{folder}: image {odd} is in one of images.txt and image_class_labels.txt alone")
    images = []
    for number, (where, label) in labels.items():
        if not label.isdecimal() or not 1 <= int(label) <= CUB_CLASSES:
            raise DatasetError(f"{where}: expected a class 1..{CUB_CLASSES}, found {label!r}")
        if int(label) > CUB_CLASSES // 2:
            place, name = names[number]
            images.append(RetrievalImage(listed_name(name, place), str(int(label))))
    if not images:
        raise DatasetError(f"{folder} lists no image of the classes {CUB_CLASSES // 2 + 1}..{CUB_CLASSES}")
    return _zero_shot("cub-200", "CUB-200-2011", folder / "images", images, CUB_IMAGES)


def open_cars(folder: Path) -> RetrievalSet:
    """Cars196 by `cars_annos.csv`, or `cars_annos.mat` where scipy is installed, with names below `folder`; or without
    either 196 folders of images, at any depth, below `images/` where that is there.

    DatasetError names the line that is wrong.
    """
    if not any((folder / name).is_file() for name in ANNOTATIONS):
        return _of_folders(folder, "cars196", "Cars196", CARS_CLASSES, CARS_IMAGES)
    images = [
        RetrievalImage(name, str(label))
        for name, label in cars_classes(folder, CARS_CLASSES)
        if label > CARS_CLASSES // 2
    ]
    return _zero_shot("cars196", "Cars196", folder, images, CARS_IMAGES)


def open_sop(folder: Path) -> RetrievalSet:
    """Stanford Online Products by `Ebay_test.txt`, in `folder` or in `Info_Files/`; names as in that list, below
    `images/` where that is there.

    DatasetError names the line that is wrong.
    """
    path = folder / PRODUCT_LIST
    if not path.is_file() and (folder / "Info_Files" / PRODUCT_LIST).is_file():
        path = folder / "Info_Files" / PRODUCT_LIST
    lines = list_lines(path, "the test list of Stanford Online Products")
    where, head = next(lines)
    if head != PRODUCT_HEAD:
        raise DatasetError(f"{where}: expected {' '.join(PRODUCT_HEAD)!r}, found {' '.join(head)!r}")
    images = []
    for where, words in lines:
        if len(words) != 4 or not words[1].isdecimal():
            raise DatasetError(f"{where}: expected three numbers and a path, found {' '.join(words)!r}")
        images.append(RetrievalImage(listed_name(words[3], where), str(int(words[1]))))
    if not images:
        raise DatasetError(f"{path} lists no images")
    return retrieval_set(
        "sop",
        "Stanford Online Products",
        _below_images(folder),
        images,
        PRODUCT_RANKS,
        published=(PRODUCT_IMAGES, PRODUCT_IMAGES),
    )


def _of_folders(folder: Path, key: str, title: str, classes: int, published: int) -> RetrievalSet:
    """The second half of so many folders, in the order of the numbers before a dot that all names begin with
    (`101.White_Pelican`), else of the names.
    """
    root = _below_images(folder)
    if not root.is_dir():
        raise DatasetError(f"no {title} at {folder}: there is no such folder")
    class_of = {name: name.rsplit("/", 2)[-2] for name in image_files(root, "**/*") if "/" in name}
    found = set(class_of.values())
    if len(found) != classes:
        raise DatasetError(
            f"{root} has images in {len(found)} folders of different names; without its lists {title} must be "
            f"{classes} folders, one for each class, so that the second half is known"
        )
    numbers = {name: _NUMBERED.match(name) for name in found}
    matches = [match for match in numbers.values() if match is not None]
    if len({int(match[1]) for match in matches}) == classes:
        ordered = sorted(found, key=lambda name: int(name.split(".")[0]))
    else:
        ordered = sorted(found)
    tested = frozenset(ordered[classes // 2 :])
    images = [RetrievalImage(name, label) for name, label in class_of.items() if label in tested]
    return _zero_shot(key, title, root, images, published)


def _zero_shot(
    key: str, title: str, root: Path, images: list[RetrievalImage], published: int
) -> RetrievalSet:
    return retrieval_set(key, title, root, images, RANKS, published=(published, published))


def _below_images(folder: Path) -> Path:
    return folder / "images" if (folder / "images").is_dir() else folder


def _numbered(path: Path, purpose: str) -> Mapping[int, tuple[str, str]]:
    """Lines of a number and a word: number -> (place, word)."""
    read: dict[int, tuple[str, str]] = {}
    for where, words in list_lines(path, purpose):
        if len(words) != 2 or not words[0].isdecimal():
            raise DatasetError(f"{where}: expected a number and a word, found {' '.join(words)!r}")
        if int(words[0]) in read:
            raise DatasetError(f"{where}: image {int(words[0])} is there twice")
        read[int(words[0])] = (where, words[1])
    return read
