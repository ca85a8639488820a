"""Pairs of pictures in rows with a line of text each, as one JPEG; chooses no pairs and knows no cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from faces.face import Image

CELL = 112
GAP = 8
TEXT = 420
HEAD = 28
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK, _GREY = (34, 34, 34), (110, 110, 110)
MOST_ROWS = 500
"""A JPEG holds 65,535 lines of pixels."""


@dataclass(frozen=True)
class SheetRow:
    """Two pictures of any size, (H, W, 3) uint8 blue green red, and lines of text beside them."""

    left: Image
    right: Image
    lines: tuple[str, ...]


@dataclass(frozen=True)
class SheetColumn:
    """Rows below each other under a title."""

    title: str
    rows: tuple[SheetRow, ...]


def contact_sheet(columns: Sequence[SheetColumn], *, quality: int = 90) -> bytes:
    """The columns side by side as a JPEG file. Letters that the drawing font lacks become `?`.

    ValueError without columns, or with more than MOST_ROWS rows in one.
    """
    if not columns:
        raise ValueError("a contact sheet needs at least one column")
    rows = max(len(column.rows) for column in columns)
    if rows > MOST_ROWS:
        raise ValueError(f"a contact sheet holds {MOST_ROWS} rows; {rows} were asked for")
    width = GAP + len(columns) * (2 * (CELL + GAP) + TEXT + GAP)
    sheet = np.full((HEAD + GAP + max(rows, 1) * (CELL + GAP), width, 3), 255, np.uint8)
    for at, column in enumerate(columns):
        left = GAP + at * (2 * (CELL + GAP) + TEXT + GAP)
        _write(sheet, left, HEAD - 8, column.title, 0.55, _DARK)
        if not column.rows:
            _write(sheet, left, HEAD + GAP + 20, "none", 0.5, _GREY)
        for number, row in enumerate(column.rows):
            _draw(sheet, left, HEAD + GAP + number * (CELL + GAP), row)
    ok, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"a sheet of {sheet.shape[1]}x{sheet.shape[0]} cannot be written as JPEG")
    return encoded.tobytes()


def fitted(picture: Image, side: int = CELL) -> Image:
    """(H, W, 3) -> (side, side, 3): the whole picture as large as it goes, light grey beside it."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    cell = np.full((side, side, 3), 235, np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def _draw(sheet: Image, left: int, top: int, row: SheetRow) -> None:
    for at, picture in enumerate((row.left, row.right)):
        x = left + at * (CELL + GAP)
        sheet[top : top + CELL, x : x + CELL] = fitted(picture)
    for at, line in enumerate(row.lines):
        colour = _DARK if at == 0 else _GREY
        _write(sheet, left + 2 * (CELL + GAP), top + 22 + 24 * at, line, 0.5 if at == 0 else 0.42, colour)


def _write(sheet: Image, x: int, y: int, text: str, size: float, colour: tuple[int, int, int]) -> None:
    shown = text.encode("ascii", "replace").decode()
    while len(shown) > 4 and cv2.getTextSize(shown, _FONT, size, 1)[0][0] > TEXT:
        shown = "..." + shown[-(len(shown) - 4) :]
    cv2.putText(sheet, shown, (x, y), _FONT, size, colour, 1, cv2.LINE_AA)
