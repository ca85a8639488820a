"""The text forms that published 1:1 sets write their pairs in, line by line; opens no file and no image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.pairs import FOLDS, Pair, equal_runs, list_folds

SAME, DIFFERENT = ("1",), ("0", "-1")
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class PairList:
    """Pairs in the order of the list, and how their folds came about, as a sentence."""

    pairs: tuple[Pair, ...]
    folds: str


def parse_labelled_lines(text: str, source: str, *, label_first: bool) -> PairList:
    """A pair a line: `left right label`, or with `label_first` `label left right`; 1 is genuine, 0 or -1 impostor.

    The first is how the crops of `.bin` files are unpacked (`agedb_30_pair.txt`), the second how a collection of
    aligned sets is spread (`agedb_30_ann.txt`). DatasetError names the line that is wrong.
    """
    form = "'label left right'" if label_first else "'left right label'"
    names: list[tuple[str, str]] = []
    same: list[bool] = []
    for where, line in _lines(text, source):
        fields = line.split()
        if len(fields) != 3:
            raise DatasetError(f"{where}: expected {form}, found {line!r}")
        label, left, right = fields if label_first else (fields[2], fields[0], fields[1])
        if label not in (*SAME, *DIFFERENT):
            raise DatasetError(f"{where}: the label in {form} must be 1, 0 or -1, found {label!r}")
        names.append((listed_name(left, where), listed_name(right, where)))
        same.append(label in SAME)
    return _with_list_folds(names, same, source)


def parse_two_line_pairs(text: str, source: str) -> PairList:
    """The lists of CALFW and CPLFW: a pair is two lines `image token` with one token.

    The token of an impostor pair is 0. That of a genuine pair is 1 throughout (CPLFW), or its fold from 1 to 10
    (CALFW), whose impostor pairs are then cut into ten equal runs. DatasetError names the line that is wrong.
    """
    lines = list(_lines(text, source))
    if len(lines) % 2:
        raise DatasetError(f"{source} has {len(lines)} lines; two make a pair, so their number must be even")
    names: list[tuple[str, str]] = []
    tokens: list[int] = []
    for (where, first), (_, second) in zip(lines[::2], lines[1::2], strict=True):
        (left, token), (right, again) = _image_and_token(first, where), _image_and_token(second, where)
        if token != again:
            raise DatasetError(f"{where}: a pair has one number, found {token} and {again} in its two lines")
        names.append((listed_name(left, where), listed_name(right, where)))
        tokens.append(token)
    same = [token > 0 for token in tokens]
    if len({token for token in tokens if token}) <= 1:
        return _with_list_folds(names, same, source)
    return _with_own_folds(names, tokens, source)


def parse_index_pairs(text: str, source: str) -> list[tuple[int, int, str]]:
    """A pair a line as two numbers, `12,340`, each with its place for messages: (left, right, where)."""
    pairs = []
    for where, line in _lines(text, source):
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 2 or not all(_NUMBER.fullmatch(field) for field in fields):
            raise DatasetError(f"{where}: expected two numbers 'left,right', found {line!r}")
        pairs.append((int(fields[0]), int(fields[1]), where))
    return pairs


def parse_numbered_images(text: str, source: str) -> dict[int, tuple[str, str]]:
    """An image a line, `number path`: number -> (path as written, where). DatasetError where a number is twice."""
    images: dict[int, tuple[str, str]] = {}
    for where, line in _lines(text, source):
        fields = line.split(maxsplit=1)
        if len(fields) != 2 or not _NUMBER.fullmatch(fields[0]):
            raise DatasetError(f"{where}: expected 'number path', found {line!r}")
        number = int(fields[0])
        if number in images:
            raise DatasetError(f"{where}: image {number} stands there already, as {images[number][0]}")
        images[number] = (fields[1].strip(), where)
    return images


def _with_list_folds(names: list[tuple[str, str]], same: list[bool], source: str) -> PairList:
    folds, how = list_folds(same, source)
    return PairList(_paired(names, same, folds), how)


def _with_own_folds(names: list[tuple[str, str]], tokens: list[int], source: str) -> PairList:
    found = sorted({token for token in tokens if token})
    if found != list(range(1, FOLDS + 1)):
        raise DatasetError(
            f"{source} numbers its genuine pairs {', '.join(map(str, found[:12]))}; expected 1 throughout, or the "
            f"folds 1 to {FOLDS}"
        )
    impostors = sum(token == 0 for token in tokens)
    if impostors < FOLDS:
        raise DatasetError(f"{source} has {impostors} impostor pairs; {FOLDS} folds need {FOLDS} at least")
    run = iter(equal_runs(impostors))
    folds = [token - 1 if token else next(run) for token in tokens]
    how = f"genuine pairs as the list numbers them, impostor pairs cut into {FOLDS} equal runs, in order"
    return PairList(_paired(names, [token > 0 for token in tokens], folds), how)


def _paired(names: list[tuple[str, str]], same: list[bool], folds: list[int]) -> tuple[Pair, ...]:
    return tuple(
        Pair(left, right, is_same, fold)
        for (left, right), is_same, fold in zip(names, same, folds, strict=True)
    )


def _image_and_token(line: str, where: str) -> tuple[str, int]:
    fields = line.split()
    if len(fields) != 2 or not _NUMBER.fullmatch(fields[1]):
        raise DatasetError(f"{where}: expected two lines 'image number' a pair, found {line!r}")
    return fields[0], int(fields[1])


def _lines(text: str, source: str) -> Iterator[tuple[str, str]]:
    """(where, line) of each line; blank ones at the end do not count. DatasetError for an empty list."""
    lines = text.removeprefix("\ufeff").rstrip().splitlines()
    if not lines:
        raise DatasetError(f"{source} is empty")
    for number, line in enumerate(lines, start=1):
        yield f"{source}, line {number}", line.strip()
