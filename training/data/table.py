"""Where every record of a set lies and which class it has: plain columns. Knows no file format, reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.names import NumberNames
from training.data.records import BadData, ClassNames, Labels

COLUMNS = ("file", "offset", "size", "label")
REASONS = 5
"""How many faults of one file are told in words; the others are counted."""

Damaged = Literal["raise", "skip"]
"""What to do about files cut short and records without a usable label: refuse the set, or leave them out."""


@dataclass(frozen=True)
class Damage:
    """What one file lacks. complete: its records that can be read; lost: those known to be there and unreadable.

    reasons: the first few, each naming its record. Where a file is cut short nobody knows what came after the
    cut, so that counts as one.
    """

    file: str
    complete: int
    lost: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        more = f" (and {self.lost - len(self.reasons)} more)" if self.lost > len(self.reasons) else ""
        return f"{self.file} has {self.complete} complete records: {'; '.join(self.reasons)}{more}"


@dataclass(frozen=True)
class RecordTable:
    """One row a record.

    file: (N,) int32, which of the set's files. offset: (N,) int64, bytes. size: (N,) int32, bytes. label: (N,)
    int64, class ids 0..classes-1. values: (C,) int64, the number of each class in the source, or None where it
    is the class id or the classes are named. names: of the classes.
    """

    file: NDArray[np.int32]
    offset: NDArray[np.int64]
    size: NDArray[np.int32]
    label: Labels
    classes: int
    names: ClassNames
    values: NDArray[np.int64] | None = None
    damage: tuple[Damage, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.label)


def limited(table: RecordTable, classes: int | None, files: Sequence[str]) -> RecordTable:
    """The same with the source's labels as class ids of `classes` classes; those outside become damage.

    None: as it is. BadData where the classes of the table have names and are not as many.
    """
    if classes is None:
        return table
    if isinstance(table.names, NumberNames):
        return _renumbered(table, classes, files)
    if table.classes != classes:
        raise BadData(
            f"{classes} classes were asked for; {', '.join(files[:3])} hold {table.classes} identities"
        )
    return table


def complaint(source: Path, damage: Sequence[Damage]) -> str:
    """What to tell about a set that is refused for its damage."""
    lines = [f"  {entry}" for entry in damage[:20]]
    rest = [f"  and {len(damage) - 20} more"] if len(damage) > 20 else []
    head = f"{source} is damaged in {len(damage)} {'file' if len(damage) == 1 else 'files'}:"
    advice = 'Fetch or write them again, or leave out what cannot be read with damaged="skip".'
    return "\n".join([head, *lines, *rest, advice])


def _renumbered(table: RecordTable, classes: int, files: Sequence[str]) -> RecordTable:
    label = table.label if table.values is None else table.values[table.label]
    names = NumberNames(classes)
    fits = label < classes
    if fits.all():
        return replace(table, label=label, classes=classes, names=names, values=None)
    damage = {entry.file: entry for entry in table.damage}
    for number in np.unique(table.file[~fits]).tolist():
        here = table.file == number
        reasons = [
            f"label {label[row]} of the image at byte {table.offset[row]} is outside 0..{classes - 1}"
            for row in np.flatnonzero(here & ~fits)[:REASONS]
        ]
        known = damage.get(files[number], Damage(files[number], 0, 0, ()))
        lost = known.lost + int(np.count_nonzero(here & ~fits))
        told = (*known.reasons, *reasons)[:REASONS]
        damage[files[number]] = Damage(files[number], int(np.count_nonzero(here & fits)), lost, told)
    return RecordTable(
        file=table.file[fits],
        offset=table.offset[fits],
        size=table.size[fits],
        label=label[fits],
        classes=classes,
        names=names,
        damage=tuple(damage[file] for file in sorted(damage)),
    )
