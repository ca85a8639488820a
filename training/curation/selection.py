"""Records chosen from one or several sets, with identities of their own; copies no image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faces.face import Crop
from training.curation.origin import Origins
from training.data.records import ClassNames, FaceRecords, Labels


@dataclass(frozen=True)
class Source:
    """A set and where it lies."""

    path: Path
    records: FaceRecords


class Selection:
    """FaceRecords over sets. A record keeps the name that its photo had."""

    def __init__(
        self,
        sources: Sequence[Source],
        source: NDArray[np.int32],
        record: NDArray[np.int64],
        labels: Labels,
        names: Sequence[str],
    ) -> None:
        """source, record: (N,), which record of which set. labels: (N,) places in `names`, which may repeat.

        Classes come out in the order of the names by code point; a name without a record is none.
        """
        self.sources = tuple(sources)
        self.source, self.record = source, record
        self._origins = [Origins(one.path, one.records) for one in sources]
        used = np.unique(labels)
        self._names = tuple(sorted({names[label] for label in used.tolist()}))
        place = {name: at for at, name in enumerate(self._names)}
        classes = np.full(len(names), -1, np.int64)
        classes[used] = [place[names[label]] for label in used.tolist()]
        self._labels = classes[labels]

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> Labels:
        """(N,) int64, 0..C-1."""
        return self._labels

    @property
    def classes(self) -> int:
        """C: identities with a record."""
        return len(self._names)

    @property
    def class_names(self) -> ClassNames:
        """C names."""
        return self._names

    def encoded(self, index: int) -> bytes:
        """The image file as the set stores it."""
        return self.sources[int(self.source[index])].records.encoded(int(self.record[index]))

    def image(self, index: int) -> Crop:
        """(112, 112, 3) uint8, blue green red; BadRecord where it cannot be decoded."""
        return self.sources[int(self.source[index])].records.image(int(self.record[index]))

    def name(self, index: int) -> str:
        """The photo's name where it is known, else the set's for the record."""
        return self._origins[int(self.source[index])][int(self.record[index])]

    def kept(self, kept: NDArray[np.bool_], labels: Labels, names: Sequence[str]) -> Selection:
        """Those of `kept`, (N,), by other labels (N,), places in `names`."""
        return Selection(self.sources, self.source[kept], self.record[kept], labels[kept], names)


def everything(source: Source) -> Selection:
    """All records of one set under the names they have."""
    records = source.records
    count = len(records)
    names = [records.class_names[label] for label in range(records.classes)]
    return Selection(
        [source], np.zeros(count, np.int32), np.arange(count), np.asarray(records.labels, np.int64), names
    )
