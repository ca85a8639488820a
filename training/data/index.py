"""Whose records are whose: labels made dense and grouped by identity, for tens of millions of rows.

Works on arrays alone; nothing here knows where a record is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.records import Labels


@dataclass(frozen=True)
class Identities:
    """The records of each class, in compressed rows.

    starts: (C + 1,) int64, ascending from 0 to N. order: (N,) int64, every record once, ascending within a
    class; class c has order[starts[c]:starts[c + 1]].
    """

    starts: NDArray[np.int64]
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, identity: int) -> NDArray[np.int64]:
        """(n,) int64, the records of one class, ascending; a view."""
        if not 0 <= identity < len(self):
            raise IndexError(f"class {identity} is outside 0..{len(self) - 1}")
        return self.order[self.starts[identity] : self.starts[identity + 1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C,) int64, how many records each class has."""
        return np.diff(self.starts)

    @property
    def empty(self) -> NDArray[np.int64]:
        """The classes without a record, ascending."""
        return np.flatnonzero(self.counts == 0)


def identities(labels: Labels, classes: int) -> Identities:
    """Group (N,) int64 labels in 0..classes-1. Takes 16 bytes a record beyond what it returns, at most."""
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(f"labels {labels.min()}..{labels.max()} are not all within 0..{classes - 1}")
    starts = np.zeros(classes + 1, np.int64)
    np.cumsum(np.bincount(labels, minlength=classes), out=starts[1:])
    return Identities(starts, _order(labels, classes))


def dense(numbers: NDArray[np.int64]) -> tuple[Labels, NDArray[np.int64] | None]:
    """Any int64 >= 0, (N,) -> class ids in the order of the numbers, and the number of each class.

    The second is None where the numbers are class ids already, 0..C-1 with none missing; the first is then
    the argument itself.
    """
    most = int(numbers.max(initial=-1))
    if most >= 4 * len(numbers):
        return _ranked(numbers)
    present = np.zeros(most + 1, np.bool_)
    present[numbers] = True
    values = np.flatnonzero(present)
    if len(values) == most + 1:
        return numbers, None
    return (np.cumsum(present, dtype=np.int64) - 1)[numbers], values


def _ranked(numbers: NDArray[np.int64]) -> tuple[Labels, NDArray[np.int64]]:
    order = np.argsort(numbers)
    ordered = numbers[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    values = ordered[first]
    # Looking each number up among the values is a cache miss a step of the search: 20 times slower than this.
    rank = np.cumsum(first, out=ordered)
    rank -= 1
    ids = np.empty(len(numbers), np.int64)
    ids[order] = rank
    return ids, values


def _order(labels: Labels, classes: int) -> NDArray[np.int64]:
    rows = len(labels)
    bits = max(rows - 1, 1).bit_length()
    if bits + classes.bit_length() > 63:
        return np.argsort(labels, kind="stable")
    # Sorting label and row as one number is stable, in place, and about 10 times faster than a stable argsort.
    packed = labels << bits
    packed |= np.arange(rows)
    packed.sort()
    packed &= (1 << bits) - 1
    return packed
