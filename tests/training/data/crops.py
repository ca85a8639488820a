"""Small sets of crops for the tests: pictures that differ from one another, as files, folders and in memory."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from faces.face import Crop
from training.data.names import NumberNames
from training.data.records import BadRecord, ClassNames, Labels, decoded


def picture(number: int) -> Crop:
    """(112, 112, 3) uint8, another for every number, not symmetric."""
    across, down = np.meshgrid(np.arange(112), np.arange(112))
    planes = [across * 2, down * 2, np.full_like(across, number * 37 % 256)]
    return np.stack(planes, axis=2).astype(np.uint8)


def png(number: int) -> bytes:
    return bytes(cv2.imencode(".png", picture(number))[1])


def jpeg(number: int) -> bytes:
    return bytes(cv2.imencode(".jpg", picture(number))[1])


def tar(path: Path, members: Mapping[str, bytes], **options: object) -> Path:
    """A tar by Python's own tarfile."""
    with tarfile.open(path, "w", **options) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


class Drawn:
    """Records in memory; `bad` cannot be decoded."""

    def __init__(self, labels: Sequence[int], *, bad: Sequence[int] = (), classes: int | None = None) -> None:
        self._labels = np.array(labels, np.int64)
        self._bad = frozenset(bad)
        self.classes = classes if classes is not None else int(self._labels.max()) + 1
        self._encoded = {index: png(index) for index in range(len(labels))}

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> Labels:
        return self._labels

    @property
    def class_names(self) -> ClassNames:
        return NumberNames(self.classes)

    def encoded(self, index: int) -> bytes:
        return self._encoded[index]

    def image(self, index: int) -> Crop:
        if index in self._bad:
            raise BadRecord("memory", self.name(index), "it is bad")
        return decoded(self.encoded(index), "memory", self.name(index))

    def name(self, index: int) -> str:
        return f"drawn-{index}"
