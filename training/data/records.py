"""What a set of aligned face crops looks like to whoever trains on it, wherever it is stored; reads nothing itself.

Class ids are dense, 0..C-1, and depend on the names alone. Named identities stand in the order of their names by
code point ("10" before "9"); identities that are numbers in the source, in the order of the numbers.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faces.face import Crop
from faces.image import decode_crop
from faces.image_header import ImageError

Labels = NDArray[np.int64]
"""(N,) int64, class ids 0..C-1; may be a read-only map of a file."""


class BadRecord(ValueError):
    """One record that cannot be used. source: file or folder; record: its name there; reason: what is wrong."""

    def __init__(self, source: str, record: str, reason: str) -> None:
        super().__init__(source, record, reason)
        self.source, self.record, self.reason = source, record, reason

    def __str__(self) -> str:
        return f"{self.record} in {self.source}: {self.reason}"


class BadData(ValueError):
    """A set of records is missing, empty or damaged; the message says what, where, and what to do."""


class ClassNames(Protocol):
    """The names of classes 0..C-1 as the source calls them; a name may be made only when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> str: ...


class FaceRecords(Protocol):
    """N aligned face crops of C identities. Reading is safe from several threads at once."""

    def __len__(self) -> int: ...

    @property
    def labels(self) -> Labels:
        """(N,) int64, the class id of every record."""
        ...

    @property
    def classes(self) -> int:
        """C: how many identities, with those that have no record where the source declares them."""
        ...

    @property
    def class_names(self) -> ClassNames:
        """C names."""
        ...

    def image(self, index: int) -> Crop:
        """(112, 112, 3) uint8, blue green red. BadRecord where it cannot be decoded or has another size."""
        ...

    def encoded(self, index: int) -> bytes:
        """The image file as stored. BadRecord where it is not all there."""
        ...

    def name(self, index: int) -> str:
        """What an error calls the record; never reads its image."""
        ...


def decoded(data: bytes, source: str, record: str) -> Crop:
    """An image file -> (112, 112, 3) uint8, blue green red; BadRecord where it is damaged or of another size."""
    try:
        return decode_crop(data)
    except ImageError as error:
        raise BadRecord(source, record, str(error)) from error
