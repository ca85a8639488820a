"""The lists of IJB-B and IJB-C as arrays, each line of half a million or of fifteen million checked; opens no images.

The forms are those of the archive in common use: `name template medium`, `name x y x y x y x y x y score`,
`template template 0|1`, and NIST's own CSV files of galleries and probes with one line an image.
"""

from __future__ import annotations

import csv
import warnings
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import exact_image_name

TEMPLATE, SUBJECT = "TEMPLATE_ID", "SUBJECT_ID"


def read_media(path: Path) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """`..._face_tid_mid.txt`: the images' names, their templates' ids (N,) and their media's ids (N,).

    DatasetError names the line that is wrong, or a name that stands twice.
    """
    names: list[str] = []
    templates, media = array("q"), array("q")
    for where, fields in _lines(path, 3, "'name template medium'"):
        names.append(exact_image_name(fields[0], where))
        templates.append(_number(fields[1], "a template", where))
        media.append(_number(fields[2], "a medium", where))
    if len(set(names)) != len(names):
        again = next(one for one, other in pairwise(sorted(names)) if one == other)
        raise DatasetError(f"{path} holds {again} twice; an image belongs to one template")
    return names, np.frombuffer(templates, np.int64), np.frombuffer(media, np.int64)


def read_landmarks(path: Path, names: list[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`..._name_5pts_score.txt`: landmarks (N, 5, 2), pixels, and the detector's scores (N,), 0..1, both float32.

    names: of the list of media, which this one follows line by line. DatasetError names the line that is wrong.
    """
    values = array("d")
    count = 0
    for where, fields in _lines(path, 12, "'name', five points as ten numbers, and 'score'"):
        expected = names[count] if count < len(names) else "the end of the list"
        if fields[0] != expected:
            raise DatasetError(
                f"{where}: expected {expected}, as in the list of media, and found {fields[0]!r}"
            )
        try:
            values.extend(map(float, fields[1:]))
        except ValueError:
            raise DatasetError(
                f"{where}: expected eleven numbers after the name, found {fields[1:]}"
            ) from None
        count += 1
    if count != len(names):
        raise DatasetError(f"{path} has {count} lines; the list of media has {len(names)}")
    table = np.frombuffer(values, np.float64).reshape(-1, 11)
    wrong = np.flatnonzero(~np.isfinite(table).all(axis=1) | (table[:, 10] < 0) | (table[:, 10] > 1))
    if wrong.size:
        at = int(wrong[0])
        raise DatasetError(
            f"{path}, line {at + 1}: expected finite points and a score in 0..1, found {table[at].tolist()}"
        )
    return table[:, :10].reshape(-1, 5, 2).astype(np.float32), table[:, 10].astype(np.float32)


def read_pairs(
    path: Path, templates: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """`..._template_pair_label.txt`: left and right (P,), places in the rising ids `templates`, and same (P,) bool.

    Fifteen million lines take seconds and some 25 bytes each. DatasetError names the line that is wrong, and says
    where a kind of pair is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an empty file is a warning
            table = np.loadtxt(path, np.int32, comments=None, ndmin=2)
    except (ValueError, UserWarning) as error:
        raise _wrong_pair(path, templates, str(error)) from None
    if table.shape[1] != 3:
        raise _wrong_pair(path, templates, f"{table.shape[1]} columns")
    label = table[:, 2]
    if not ((label == 0) | (label == 1)).all():
        raise _wrong_pair(path, templates, "a label")
    same = label == 1
    left, right = places(table[:, 0], templates), places(table[:, 1], templates)
    if left is None or right is None:
        raise _wrong_pair(path, templates, "a template")
    if same.all() or not same.any():
        raise DatasetError(
            f"{path} holds no {'impostor' if same.all() else 'genuine'} pair; both are needed, label 1 and 0"
        )
    return left, right, same


def read_subjects(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A gallery or probe list: the ids of its templates (T,), rising, and of their subjects (T,).

    The file has a head with TEMPLATE_ID and SUBJECT_ID and a line for each image. DatasetError names the line that is
    wrong or gives a template another subject than an earlier line did.
    """
    subject_of: dict[int, int] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        head = [field.strip().upper() for field in next(rows, [])]
        if TEMPLATE not in head or SUBJECT not in head:
            raise DatasetError(f"{path}, line 1: expected a head with {TEMPLATE} and {SUBJECT}, found {head}")
        template_at, subject_at = head.index(TEMPLATE), head.index(SUBJECT)
        for fields in rows:
            where = f"{path}, line {rows.line_num}"
            if len(fields) != len(head):
                raise DatasetError(
                    f"{where}: expected {len(head)} fields as in the head, found {len(fields)}"
                )
            template = _number(fields[template_at], "a template", where)
            subject = _number(fields[subject_at], "a subject", where)
            if subject_of.setdefault(template, subject) != subject:
                raise DatasetError(
                    f"{where}: template {template} is of subject {subject}, and of {subject_of[template]} above"
                )
    if not subject_of:
        raise DatasetError(f"{path} names no template")
    ids = np.array(sorted(subject_of), np.int64)
    return ids, np.array([subject_of[template] for template in ids.tolist()], np.int64)


def places(wanted: NDArray[np.integer], known: NDArray[np.int64]) -> NDArray[np.int32] | None:
    """Where each wanted id stands among the known ones, which rise; None where one is not known."""
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1).astype(np.int32)
    return found if np.array_equal(known[found], wanted) else None


def _lines(path: Path, fields: int, form: str) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        count = 0
        for count, line in enumerate(file, start=1):
            parts = line.split()
            where = f"{path}, line {count}"
            if len(parts) != fields:
                raise DatasetError(f"{where}: expected {form}, found {line.strip()!r}")
            yield where, parts
    if count == 0:
        raise DatasetError(f"{path} is empty")


def _number(field: str, what: str, where: str) -> int:
    if not (field.isascii() and field.isdecimal() and int(field) < 2**31):
        raise DatasetError(f"{where}: expected the number of {what}, 0..2^31 - 1, found {field!r}")
    return int(field)


def _wrong_pair(path: Path, templates: NDArray[np.int64], why: str) -> DatasetError:
    """The first wrong line of a list that is wrong somewhere, found slowly."""
    known = frozenset(templates.tolist())
    try:
        for where, (left, right, label) in _lines(path, 3, "'template template 0|1'"):
            for field in (left, right):
                if _number(field, "a template", where) not in known:
                    return DatasetError(f"{where}: template {field} has no image in the list of media")
            if label not in ("0", "1"):
                return DatasetError(f"{where}: expected the label 0 or 1, found {label!r}")
    except DatasetError as error:
        return error
    return DatasetError(f"{path} cannot be read as a list of pairs: {why}")
