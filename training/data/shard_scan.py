"""One tar shard -> where its images lie and what they are labelled, in one walk over its headers; decodes nothing.

Two layouts: an image with a label beside it (`key.jpg` with `key.cls` or `key.json`, one after the other, as in
webdataset), or images in folders named after identities (`identity/file.jpg`).
"""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from training.data.table import REASONS, Damage
from training.data.tar import DamagedTar, members

IMAGES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "pgm"})

_LABELS = frozenset({"cls", "json"})
_LONGEST_LABEL = 1 << 20
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class ScannedShard:
    """Columns as in RecordTable, n rows, but the labels are still the shard's own.

    label: (n,) int64: numbers of the source, 0 <= label < 2^63; or, where `identities` is given, places in it.
    identities: (i,) bytes, UTF-8 names in the order of their first record; None in the layout with labels.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int32]
    label: NDArray[np.int64]
    identities: NDArray[np.bytes_] | None
    damage: Damage | None


def scan_shard(path: Path) -> ScannedShard:
    """Every record that can be used, in the shard's order, and what is wrong with the others."""
    with path.open("rb", buffering=1 << 20) as file:
        return _Scan(path.name).run(file)


@dataclass
class _Rows:
    offset: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("i"))
    label: array[int] = field(default_factory=lambda: array("q"))

    def add(self, image: tuple[int, int], label: int) -> None:
        self.offset.append(image[0])
        self.size.append(image[1])
        self.label.append(label)


class _Scan:
    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._labelled, self._placed = _Rows(), _Rows()
        self._identities: dict[str, int] = {}
        self._lost = 0
        self._reasons: list[str] = []
        self._next("")

    def run(self, file: BinaryIO) -> ScannedShard:
        try:
            for name, offset, size in members(file):
                stem, _, suffix = name.rpartition(".")
                suffix = suffix.lower()
                if suffix not in IMAGES and suffix not in _LABELS:
                    continue
                if stem != self._key:
                    self._finish()
                    self._next(stem)
                if suffix in IMAGES:
                    self._take_image(offset, size)
                else:
                    self._take_label(file, suffix, offset, size)
            self._finish()
        except DamagedTar as error:
            if self._whole():
                self._finish()
            self._lose(str(error))
        return self._result()

    def _next(self, key: str) -> None:
        self._key = key
        self._image: tuple[int, int] | None = None
        self._label: int | None = None
        self._fault = ""

    def _take_image(self, offset: int, size: int) -> None:
        if self._image is not None:
            self._fault = "two images have this name"
        if size >= 2**31:
            self._fault = f"an image of {size} bytes is too large"
        self._image = (offset, size)

    def _take_label(self, file: BinaryIO, suffix: str, offset: int, size: int) -> None:
        if size > _LONGEST_LABEL:
            self._fault = f"its .{suffix} has {size} bytes"
            return
        file.seek(offset)
        data = file.read(size)
        try:
            label = _plain(data) if suffix == "cls" else _labelled(data)
        except ValueError as error:
            self._fault = f"its .{suffix} {error}"
            return
        if label is not None and self._label not in (None, label):
            self._fault = f"its .cls and .json say {self._label} and {label}"
        self._label = label if label is not None else self._label

    def _whole(self) -> bool:
        """Whether what came before a cut is a record, whatever might have followed."""
        placed = "/" in self._key and not self._labelled.label
        return self._image is not None and (self._label is not None or placed)

    def _finish(self) -> None:
        if not self._key:
            return
        if self._image is None and not self._fault:
            self._fault = "it has a label but no image"
        if self._fault:
            self._lose(f"{self._key}: {self._fault}")
        elif self._image is None:
            return
        elif self._label is not None:
            self._labelled.add(self._image, self._label)
        elif "/" in self._key:
            identity = self._key.split("/")[-2]
            self._placed.add(self._image, self._identities.setdefault(identity, len(self._identities)))
        else:
            self._lose(f"{self._key}: it has no .cls or .json with a label and is in no identity's folder")

    def _lose(self, reason: str) -> None:
        self._lost += 1
        if len(self._reasons) < REASONS:
            self._reasons.append(reason)

    def _result(self) -> ScannedShard:
        rows, identities = self._labelled, None
        if not self._labelled.label:
            rows = self._placed
            identities = np.array([identity.encode() for identity in self._identities], np.bytes_)
        elif self._placed.label:
            self._lost += len(self._placed.label) - 1
            self._lose(f"{len(self._placed.label)} images have no label beside them, unlike the others")
        damage = (
            Damage(self._shard, len(rows.label), self._lost, tuple(self._reasons)) if self._lost else None
        )
        return ScannedShard(
            np.array(rows.offset, np.int64),
            np.array(rows.size, np.int32),
            np.array(rows.label, np.int64),
            identities,
            damage,
        )


def _plain(data: bytes) -> int:
    text = data.strip()
    if not text.removeprefix(b"-").isdigit() or len(text) > 40:
        raise ValueError(f"holds {data[:40]!r}, which is no whole number")
    return _within(int(text))


def _labelled(data: bytes) -> int | None:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON ({error})") from error
    if not isinstance(said, dict):
        raise ValueError(f"is no JSON object: {data[:40]!r}")
    if "label" not in said:
        return None
    label = said["label"]
    if type(label) is not int:
        raise ValueError(f"gives the label {label!r}, which is no whole number")
    return _within(label)


def _within(label: int) -> int:
    if not 0 <= label <= _LARGEST:
        raise ValueError(f"gives the label {label}, which is outside 0..2^63-1")
    return label
