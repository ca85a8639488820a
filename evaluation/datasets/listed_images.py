"""Images of a folder that a list names, opened one by one and in parts, for sets too large to search through; decodes
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import SUFFIXES, DatasetError, combined_digest


@dataclass(frozen=True, eq=False)
class ListedImages:
    """Those files below the folder `source` that `names` name; an evaluation.datasets.images.Images.

    names: sorted, each once, relative to the folder. landmarks: (N, 5, 2) float32, of the face in each image in the
    order of the names, pixels, x y, in the order of faces.face.Detection; None where the list gives none. No file is
    opened before `digest` or `read` needs it. ValueError where the names are not in order or the landmarks do not fit.
    """

    source: Path
    names: tuple[str, ...]
    landmarks: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if any(one >= other for one, other in zip(self.names, self.names[1:], strict=False)):
            raise ValueError("names of listed images must be sorted, each once")
        if self.landmarks is not None and self.landmarks.shape != (len(self.names), 5, 2):
            raise ValueError(
                f"{len(self.names)} images need landmarks of shape ({len(self.names)}, 5, 2), "
                f"not {self.landmarks.shape}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over names, contents and landmarks; reads every file once."""
        parts = [name.encode() + b"\0" + hashlib.sha256(data).digest() for name, data in self.read()]
        if self.landmarks is not None:
            parts.append(np.ascontiguousarray(self.landmarks, "<f4").tobytes())
        return combined_digest(parts)

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every image as (name, encoded bytes) in the order of the names.

        DatasetError names one that is not there and, before any is opened, one whose ending is no image's.
        """
        odd = next((name for name in self.names if not name.lower().endswith(SUFFIXES)), None)
        if odd is not None:
            raise DatasetError(
                f"{self.source}: {odd} is of no type that is read; those are {', '.join(SUFFIXES)}"
            )
        for name in self.names:
            try:
                data = (self.source / name).read_bytes()
            except OSError as error:
                raise DatasetError(f"{self.source}: {name} cannot be read: {error.strerror}") from error
            yield name, data

    def parts(self, size: int) -> Iterator[ListedImages]:
        """The same images in their order, `size` at a time."""
        for start in range(0, len(self.names), size):
            chosen = slice(start, start + size)
            landmarks = None if self.landmarks is None else self.landmarks[chosen]
            yield ListedImages(self.source, self.names[chosen], landmarks)

    def require_files(self) -> None:
        """DatasetError with the first name and the number of files that are not there."""
        missing = [name for name in self.names if not (self.source / name).is_file()]
        if missing:
            raise DatasetError(
                f"{self.source} lacks {len(missing)} of {len(self.names)} images that are named, "
                f"the first is {missing[0]}"
            )
