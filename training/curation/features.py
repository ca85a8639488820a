"""The embeddings and marks of a set's records, in files of plain rows, one pair of files a part; computes none.

They are biometric data: whoever has them can search for the people in them. Deleting the files costs time only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from training.atomic import replaced
from training.curation.errors import CurationError
from training.curation.marks import MARK, Marks

_EMBEDDINGS, _MARKS = ".f32", ".marks"


class PartWriter:
    """Takes the rows of one part in order."""

    def __init__(self, embeddings: BinaryIO, marks: BinaryIO) -> None:
        self._embeddings, self._marks = embeddings, marks

    def add(self, embeddings: NDArray[np.float32], marks: Marks) -> None:
        """(n, D) or (D,) float32 and as many MARK."""
        self._embeddings.write(embeddings.astype("<f4", copy=False).tobytes())
        self._marks.write(marks.tobytes())


@contextmanager
def new_part(folder: Path, number: int) -> Iterator[PartWriter]:
    """A part that is there, whole, when the block ends without an error."""
    with ExitStack() as files:
        place = folder / f"part-{number:06d}"
        embeddings, marks = (
            files.enter_context(replaced(place.with_suffix(suffix))) for suffix in (_EMBEDDINGS, _MARKS)
        )
        yield PartWriter(embeddings, marks)


def part_rows(folder: Path, number: int, dimension: int) -> int:
    """How many rows a part has, 0 where it is not there or its two files do not go together."""
    place = folder / f"part-{number:06d}"
    try:
        rows, rest = divmod(place.with_suffix(_EMBEDDINGS).stat().st_size, 4 * dimension)
        marks = place.with_suffix(_MARKS).stat().st_size
    except FileNotFoundError:
        return 0
    return rows if not rest and marks == rows * MARK.itemsize else 0


def delete_features(folder: Path, beyond: int = -1) -> None:
    """Remove the parts whose number is greater than `beyond`."""
    for suffix in (_EMBEDDINGS, _MARKS):
        for path in folder.glob(f"part-*{suffix}"):
            if int(path.stem.removeprefix("part-")) > beyond:
                path.unlink()


class Features:
    """All rows of all parts, mapped into memory: only what is asked for is read. Row i belongs to record i."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.dimension = dimension
        self._embeddings: list[NDArray[np.float32]] = []
        self._marks: list[Marks] = []
        starts = [0]
        for path in sorted(folder.glob(f"part-*{_EMBEDDINGS}")):
            rows = part_rows(folder, int(path.stem.removeprefix("part-")), dimension)
            if rows:
                self._embeddings.append(np.memmap(path, "<f4", "r", shape=(rows, dimension)))
                self._marks.append(np.memmap(path.with_suffix(_MARKS), MARK, "r", shape=(rows,)))
                starts.append(starts[-1] + rows)
        self._starts = np.array(starts, np.int64)

    @classmethod
    def joined(cls, several: Sequence[Features]) -> Features:
        """The rows of all of them, one after the other; they have one dimension."""
        whole = cls.__new__(cls)
        whole.dimension = several[0].dimension
        whole._embeddings = [part for one in several for part in one._embeddings]
        whole._marks = [part for one in several for part in one._marks]
        whole._starts = np.cumsum([0, *(len(part) for part in whole._embeddings)], dtype=np.int64)
        return whole

    def __len__(self) -> int:
        return int(self._starts[-1])

    def rows(self, records: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) record numbers -> (n, D) float32; a row of zeros is of a record that could not be decoded."""
        found = np.empty((len(records), self.dimension), np.float32)
        self._gather(self._embeddings, records, found)
        return found

    def marks(self, records: NDArray[np.int64]) -> Marks:
        """(n,) record numbers -> (n,) MARK."""
        found = np.empty(len(records), MARK)
        self._gather(self._marks, records, found)
        return found

    def parts(self) -> Iterator[tuple[int, NDArray[np.float32], Marks]]:
        """The number of its first record, (n, D) float32 and (n,) MARK of each part; views of the files."""
        yield from zip(self._starts[:-1].tolist(), self._embeddings, self._marks, strict=True)

    def _gather(
        self,
        parts: list[NDArray[np.float32]] | list[Marks],
        records: NDArray[np.int64],
        into: NDArray[np.float32] | Marks,
    ) -> None:
        if len(records) and not 0 <= records.min() <= records.max() < len(self):
            raise CurationError(
                f"records {records.min()}..{records.max()} are not all within 0..{len(self) - 1}"
            )
        part = np.searchsorted(self._starts, records, side="right") - 1
        for number in np.unique(part).tolist():
            here = part == number
            into[here] = parts[number][records[here] - self._starts[number]]


class Chosen:
    """The embeddings of some records, in their order, read when a slice of them is asked for."""

    def __init__(self, features: Features, records: NDArray[np.int64]) -> None:
        self._features, self._records = features, records

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self._records), self._features.dimension

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, part: slice, /) -> NDArray[np.float32]:
        return self._features.rows(self._records[part])
