"""A user's own retrieval set: a folder for each identity, or a list of images as CSV; measures nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.retrieval_set import (
    RetrievalImage,
    RetrievalSet,
    Role,
    image_files,
    read_text,
    retrieval_set,
)

NEEDED, OPTIONAL = ("image", "identity"), ("camera", "role")
RANKS = (1, 5, 10)


def open_retrieval(source: Path) -> RetrievalSet:
    """A folder of `identity/file.jpg`, all against all, or a CSV file with the columns image, identity and where wanted
    camera and role, whose images lie below the folder that it lies in.

    DatasetError names the line that is wrong.
    """
    if source.is_dir():
        images = [RetrievalImage(name, name.split("/")[0]) for name in image_files(source, "*/*")]
        if not images:
            raise DatasetError(f"{source} holds no images laid out as identity/file.jpg")
        return retrieval_set("retrieval", f"Retrieval, {source.name}", source, images, RANKS)
    images = parse_list(read_text(source, "a list with the columns image and identity"), str(source))
    return retrieval_set("retrieval", f"Retrieval, {source.stem}", source.parent, images, RANKS)


def parse_list(text: str, source: str) -> list[RetrievalImage]:
    """The images of a CSV text (RFC 4180). Without a column `role` every image is query and gallery."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = next(rows, [])
        _check_head(head, source)
        images = [_image(head, cells, f"{source}, line {rows.line_num}") for cells in rows if cells]
    except csv.Error as error:
        raise DatasetError(f"{source}, line {rows.line_num}: no valid CSV: {error}") from error
    if not images:
        raise DatasetError(f"{source} lists no images")
    return images


def _check_head(head: list[str], source: str) -> None:
    known = set(NEEDED + OPTIONAL)
    if not set(NEEDED) <= set(head) <= known or len(set(head)) != len(head):
        raise DatasetError(
            f"{source}, line 1: expected the columns image,identity and where wanted camera and role; "
            f"found {','.join(head)!r}"
        )


def _image(head: list[str], cells: list[str], where: str) -> RetrievalImage:
    if len(cells) != len(head):
        raise DatasetError(f"{where}: expected {len(head)} cells, found {len(cells)}")
    row: Mapping[str, str] = dict(zip(head, (cell.strip() for cell in cells), strict=True))
    empty = next((column for column in head if not row[column]), None)
    if empty is not None:
        raise DatasetError(f"{where}: the {empty} is empty")
    role = row.get("role", Role.BOTH.value)
    if role not in list(Role):
        raise DatasetError(f"{where}: the role is query, gallery or both, not {role!r}")
    return RetrievalImage(listed_name(row["image"], where), row["identity"], row.get("camera"), Role(role))
