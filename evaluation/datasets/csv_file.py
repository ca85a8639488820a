"""A user's CSV file as rows of cells with their places for messages; knows no columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluation.datasets.images import DatasetError


@dataclass(frozen=True)
class Row:
    """cells: without blanks around them. where: file and line, to begin a message with."""

    where: str
    cells: list[str]


def read_utf8(path: Path) -> tuple[str, bytes]:
    """A UTF-8 file, with or without a byte order mark, as text and as its bytes. DatasetError where it is no such
    file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig"), content
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def csv_rows(text: str, source: str) -> Iterator[Row]:
    """The rows of a CSV text (RFC 4180) that are not blank. DatasetError where it is none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for line in reader:
            cells = [cell.strip() for cell in line]
            if any(cells):
                yield Row(f"{source}, line {reader.line_num}", cells)
    except csv.Error as error:
        raise DatasetError(f"{source}, line {reader.line_num}: no CSV: {error}") from error
