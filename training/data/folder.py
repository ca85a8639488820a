"""Face crops as image files in a folder an identity, `identity/file.jpg`; opens no image before it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from faces.face import Crop
from training.data.records import BadData, BadRecord, ClassNames, Labels, decoded
from training.data.shard_scan import IMAGES


class ImageFolder:
    """The images of a folder, sorted by identity and file name, both by code point (FaceRecords).

    empty: names of the identities without an image, sorted; they have no class. Names that begin with a dot and
    files of other types are passed over.
    """

    def __init__(self, source: Path) -> None:
        """source: the folder of the identities' folders; BadData where it holds no image."""
        if not source.is_dir():
            raise BadData(f"no folder at {source}")
        self.source = source
        identities: list[str] = []
        empty: list[str] = []
        self._files: list[str] = []
        counts: list[int] = []
        for identity in _folders(source):
            files = _images(source / identity)
            (identities if files else empty).append(identity)
            if files:
                self._files += files
                counts.append(len(files))
        if not identities:
            raise BadData(
                f"{source} holds no images laid out as identity/file.jpg ({len(empty)} empty folders)"
            )
        self.empty = tuple(empty)
        self._identities = tuple(identities)
        self._labels = np.repeat(np.arange(len(counts), dtype=np.int64), counts)

    def __len__(self) -> int:
        return len(self._files)

    @property
    def labels(self) -> Labels:
        """(N,) int64, 0..C-1."""
        return self._labels

    @property
    def classes(self) -> int:
        """C: identities with an image."""
        return len(self._identities)

    @property
    def class_names(self) -> ClassNames:
        """The identities' folders."""
        return self._identities

    def encoded(self, index: int) -> bytes:
        """The image file; BadRecord where it can no longer be read."""
        name = self.name(index)
        try:
            return (self.source / name).read_bytes()
        except OSError as error:
            raise BadRecord(str(self.source), name, f"it cannot be read: {error.strerror}") from error

    def image(self, index: int) -> Crop:
        """(112, 112, 3) uint8, blue green red; BadRecord where it cannot be decoded."""
        return decoded(self.encoded(index), str(self.source), self.name(index))

    def name(self, index: int) -> str:
        """`identity/file.jpg`."""
        return f"{self._identities[self._labels[index]]}/{self._files[index]}"


def _folders(source: Path) -> list[str]:
    with os.scandir(source) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _images(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_image(entry))


def _is_image(entry: os.DirEntry[str]) -> bool:
    suffix = entry.name.rpartition(".")[2].lower()
    return suffix in IMAGES and not entry.name.startswith(".") and entry.is_file()
