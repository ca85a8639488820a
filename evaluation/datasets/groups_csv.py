"""Which group a person belongs to, as the user wrote it down in a CSV file; nothing is ever guessed from a face."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from evaluation.datasets.csv_file import csv_rows, read_utf8
from evaluation.datasets.images import DatasetError, combined_digest

PERSON = "person"


@dataclass(frozen=True)
class Groups:
    """columns: column of the file -> person -> group; a person whose cell is empty is not in that column.

    digest: SHA-256 of the file. unused: people of the file of whom there are no photos.
    """

    columns: Mapping[str, Mapping[str, str]]
    digest: str
    unused: int


def read_groups(path: Path, people: Collection[str]) -> Groups:
    """The groups of `people` from a CSV file (UTF-8, commas): a head `person,<column>,...`, then a line a person.

    An empty cell says that the person belongs to no group of that column. DatasetError names the file, the line and
    what was found there; people of whom there are photos must all have a line.
    """
    text, content = read_utf8(path)
    columns, group_of = _lines(text, path)
    missing = sorted(set(people) - group_of.keys())
    if missing:
        raise DatasetError(
            f"{path} has no line for {len(missing)} of the {len(people)} people of whom there are photos, the first "
            f"is {missing[0]!r}; a person without a group needs a line with an empty cell"
        )
    wanted = set(people)
    found = {
        column: {person: cells[at] for person, cells in group_of.items() if cells[at] and person in wanted}
        for at, column in enumerate(columns)
    }
    for column, of in found.items():
        if not of:
            raise DatasetError(f"{path}: column {column!r} gives none of the {len(people)} people a group")
    return Groups(
        columns=found,
        digest=combined_digest([content]),
        unused=len(group_of.keys() - wanted),
    )


def _lines(text: str, path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """The columns' names, and the cells of each person."""
    columns: list[str] | None = None
    group_of: dict[str, list[str]] = {}
    for row in csv_rows(text, str(path)):
        if columns is None:
            columns = _head(row.cells, row.where)
            continue
        person, *groups = row.cells
        if len(groups) != len(columns):
            raise DatasetError(
                f"{row.where}: expected {len(columns) + 1} cells, found {len(row.cells)}: {row.cells}"
            )
        if not person:
            raise DatasetError(f"{row.where}: the person's name is empty")
        if person in group_of:
            raise DatasetError(f"{row.where}: {person!r} has a line already")
        group_of[person] = groups
    if columns is None:
        raise DatasetError(f"{path} is empty; its first line must be `{PERSON},<column>,...`")
    return columns, group_of


def _head(cells: list[str], where: str) -> list[str]:
    if cells[0] != PERSON or len(cells) < 2:
        raise DatasetError(
            f"{where}: expected `{PERSON}` and at least one column of groups, found {','.join(cells)!r}"
        )
    columns = cells[1:]
    if "" in columns or len(set(columns)) != len(columns):
        raise DatasetError(f"{where}: every column needs a name of its own, found {','.join(cells)!r}")
    return columns
