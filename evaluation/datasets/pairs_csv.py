"""Pairs of a user's own: a CSV file of `left,right,same` and perhaps `fold`, and its images; measures nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from evaluation.datasets.csv_file import Row, csv_rows, read_utf8
from evaluation.datasets.images import DatasetError, open_images
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.pairs import Pair, PairSet, check_kinds, known_people, names_of

COLUMNS = ("left", "right", "same")
FOLD = "fold"
_SAME = {"1": True, "true": True, "0": False, "false": False}


def open_pairs_csv(path: Path, *, aligned: bool, images: Path | None = None) -> PairSet:
    """Reads the pairs and finds their images below `images`, a folder or a tar, or beside the file.

    people are known where images lie in a folder a person, and this says for every pair what `same` says.
    DatasetError where the file is missing or malformed, holds a pair twice, compares an image with itself, lacks a
    kind, or names an image that is not there.
    """
    text, raw = read_utf8(path)
    pairs, folded = parse_pairs_csv(text, str(path))
    check_kinds(pairs, str(path), folded=folded)
    people, _ = known_people(pairs, _folder_of)
    return PairSet(
        protocol=f"pairs-{path.stem}",
        title=path.name,
        pairs=pairs,
        folds="as the file gives them" if folded else "",
        images=open_images(images or path.parent, nested=True, only=names_of(pairs)),
        aligned=aligned,
        lists=path.name,
        lists_digest=hashlib.sha256(raw).hexdigest(),
        people=people,
    )


def parse_pairs_csv(text: str, source: str) -> tuple[tuple[Pair, ...], bool]:
    """The pairs and whether there are folds (else every `fold` is 0). DatasetError names the line that is wrong.

    same: 1, 0, true or false. fold: whole numbers, from any one upwards; folds are numbered from 0 in their order.
    """
    rows = csv_rows(text, source)
    head = next(rows, None)
    if head is None:
        raise DatasetError(f"{source} is empty; its first line must be {','.join(COLUMNS)} or with ,{FOLD}")
    columns = [name.lower() for name in head.cells]
    if sorted(columns) not in (sorted(COLUMNS), sorted((*COLUMNS, FOLD))):
        raise DatasetError(
            f"{head.where}: the columns must be {', '.join(COLUMNS)} and perhaps {FOLD}; found {', '.join(columns)}"
        )
    folded = FOLD in columns
    pairs: list[Pair] = []
    place_of: dict[frozenset[str], str] = {}
    for row in rows:
        pair = _pair(row, columns)
        key = frozenset((pair.left, pair.right))
        if key in place_of:
            raise DatasetError(
                f"{row.where}: {pair.left} and {pair.right} are compared already in {place_of[key]}"
            )
        place_of[key] = row.where.rsplit(", ", 1)[1]
        pairs.append(pair)
    if not pairs:
        raise DatasetError(f"{source} holds no pairs below its first line")
    number = {fold: at for at, fold in enumerate(sorted({pair.fold for pair in pairs}))}
    return tuple(Pair(pair.left, pair.right, pair.same, number[pair.fold]) for pair in pairs), folded


def _pair(row: Row, columns: list[str]) -> Pair:
    if len(row.cells) != len(columns):
        raise DatasetError(
            f"{row.where}: expected {len(columns)} fields ({','.join(columns)}), found {len(row.cells)}"
        )
    field = dict(zip(columns, row.cells, strict=True))
    left, right = listed_name(field["left"], row.where), listed_name(field["right"], row.where)
    if left == right:
        raise DatasetError(f"{row.where}: {left} is compared with itself")
    same = _SAME.get(field["same"].lower())
    if same is None:
        raise DatasetError(f"{row.where}: `same` must be 1, 0, true or false, found {field['same']!r}")
    fold = field.get(FOLD, "0")
    if not (fold.isascii() and fold.isdecimal() and len(fold) < 10):
        raise DatasetError(f"{row.where}: `fold` must be a whole number, found {fold!r}")
    return Pair(left, right, same, int(fold))


def _folder_of(name: str) -> str | None:
    folder, slash, _ = name.rpartition("/")
    return folder if slash else None
