"""The class of each image of Cars196, from a CSV or the MATLAB file that it is distributed with; opens no image.

Krause, Stark, Deng, Fei-Fei, "3D Object Representations for Fine-Grained Categorization", 3dRR 2013.
"""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.retrieval_set import read_text

CSV_FILE, MAT_FILE = "cars_annos.csv", "cars_annos.mat"
ANNOTATIONS = (CSV_FILE, MAT_FILE)
PATH, CLASS = "relative_im_path", "class"


def cars_classes(folder: Path, classes: int) -> list[tuple[str, int]]:
    """(name, class 1..classes) of every image in the CSV of `folder`, or where there is none in the MATLAB file.

    A CSV whose classes begin at 0, as some tools write it, is brought to 1. DatasetError where a class is beyond the
    last, or one is absent, so that the two cannot be told apart.
    """
    path = folder / CSV_FILE
    rows = list(_csv_rows(path)) if path.is_file() else list(_mat_rows(folder / MAT_FILE))
    source = path if path.is_file() else folder / MAT_FILE
    found = {label for _, label in rows}
    if found != set(range(1, classes + 1)) and found != set(range(classes)):
        raise DatasetError(
            f"{source} has {len(found)} classes, {min(found, default=0)}..{max(found, default=0)}; expected all of "
            f"1..{classes}"
        )
    return [(name, label + 1 - min(found)) for name, label in rows]


def _csv_rows(path: Path) -> Iterator[tuple[str, int]]:
    rows = csv.DictReader(io.StringIO(read_text(path, "Cars196's annotations"), newline=""), strict=True)
    try:
        head = rows.fieldnames or []
        if PATH not in head or CLASS not in head:
            raise DatasetError(
                f"{path}, line 1: expected the columns {PATH} and {CLASS}, found {','.join(head)!r}"
            )
        for row in rows:
            yield _row(row[PATH], row[CLASS], f"{path}, line {rows.line_num}")
    except csv.Error as error:
        raise DatasetError(f"{path}, line {rows.line_num}: no valid CSV: {error}") from error


def _mat_rows(path: Path) -> Iterator[tuple[str, int]]:
    try:
        # No dependency: a MATLAB file is read where scipy happens to be there.
        read: Any = importlib.import_module("scipy.io").loadmat
    except ImportError as error:
        raise DatasetError(
            f"{path} is a MATLAB file, which scipy reads: run `pip install scipy`, or write {CSV_FILE} beside it "
            f"with the columns {PATH},{CLASS}"
        ) from error
    try:
        annotations = read(path, squeeze_me=True, variable_names=["annotations"])["annotations"]
        fields = list(zip(annotations[PATH], annotations[CLASS], strict=True))
    # scipy answers a damaged file with whatever its reader trips over.
    except Exception as error:
        raise DatasetError(
            f"{path} is no annotation file of Cars196, a struct `annotations` with {PATH} and {CLASS}: {error}"
        ) from error
    for at, (name, label) in enumerate(fields, 1):
        yield _row(str(name), str(label), f"{path}, annotation {at}")


def _row(name: str | None, label: str | None, where: str) -> tuple[str, int]:
    if name is None or label is None or not label.isdecimal():
        raise DatasetError(f"{where}: expected a path and a class, a number; found {name!r} and {label!r}")
    return listed_name(name, where), int(label)
