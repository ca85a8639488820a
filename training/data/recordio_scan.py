"""InsightFace's train.rec, train.idx and property -> where the images lie and whose they are; decodes nothing.

The framing is MXNet's (dmlc-core, recordio.h): a record is parts of `magic, lrecord, content, zeros to 4 bytes`,
numbers little endian, lrecord = kind << 29 | bytes. Kind 0 is a whole record; 1, 2 and 3 are the first, middle
and last part of one that was cut where the magic stood in it, which is left out there. The content of an image's
record is `flag u32, label f32, id u64, id2 u64`, then `flag` more f32 labels in place of the first, then the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.index import dense
from training.data.names import NumberNames
from training.data.records import BadData
from training.data.table import REASONS, Damage, RecordTable

MAGIC = 0xCED7230A
EXACT = 1 << 24
"""float32 holds every whole number below this one, and from here on only every second or fewer."""

_FRAME = 8
_HEADER = struct.Struct("<IfQQ")
_SIZE = (1 << 29) - 1
_WHOLE = 0
_ENDS = (0, 3)
_ROWS = 1 << 17


@dataclass(frozen=True)
class _Heads:
    """What n records say of themselves.

    size: (n,) int64, bytes from the first magic to the end of the content; 0 where the record is not all there.
    image: (n,) bool, whether it should hold one: InsightFace's records about identities have several labels and
    nothing else. label: (n,) float32, the first of its labels.
    """

    size: NDArray[np.int64]
    image: NDArray[np.bool_]
    label: NDArray[np.float32]


def scan_recordio(path: Path) -> RecordTable:
    """One row an image, in the file's order, labels dense over the numbers that occur.

    Where the file has a .idx beside it, that says where records begin, else the file is walked. BadData for
    what is no RecordIO file and for labels of 2^24 and more. A file cut short, and labels that are no class,
    are damage.
    """
    length = path.stat().st_size
    if length < _FRAME:
        raise BadData(f"{path} has {length} bytes: it holds no record")
    index = path.with_suffix(".idx")
    starts = _indexed(index) if index.exists() else np.fromiter(_walked(path), np.int64)
    heads = _heads(path, starts)
    images = np.flatnonzero(heads.image)
    broken = np.flatnonzero(heads.size == 0)
    faults, lost = _faults(path, starts[broken], length), len(broken)
    expected = _expected(path, starts, heads)
    if expected is not None:
        lost = max(expected - len(images), 0)
        # The first record counts in float32 too, so that from 2^24 on it says about how many there are.
        if not faults and np.float32(expected + 1) != np.float32(len(images) + 1):
            faults = [f"its first record says {expected} images, and {len(images)} are there"]
    rows, unfit = _judged(path, heads.label, images, starts)
    label, values = dense(heads.label[rows].astype(np.int64))
    classes = len(values) if values is not None else int(label.max(initial=-1)) + 1
    faults, lost = faults + unfit, lost + len(images) - len(rows)
    damage = (Damage(path.name, len(rows), lost, tuple(faults[:REASONS])),) if faults else ()
    return RecordTable(
        file=np.zeros(len(rows), np.int32),
        offset=starts[rows],
        size=heads.size[rows].astype(np.int32),
        label=label,
        classes=classes,
        names=NumberNames(classes, values),
        values=values,
        damage=damage,
    )


def content(record: bytes) -> bytes:
    """The content of one framed record, its parts joined by the magic left out there; ValueError if malformed."""
    parts = []
    at = 0
    while True:
        if at + _FRAME > len(record):
            raise ValueError("its last part is missing")
        magic, word = struct.unpack_from("<II", record, at)
        size = word & _SIZE
        if magic != MAGIC or at + _FRAME + size > len(record):
            raise ValueError("its framing is damaged")
        parts.append(record[at + _FRAME : at + _FRAME + size])
        if word >> 29 in _ENDS:
            return struct.pack("<I", MAGIC).join(parts)
        at += _FRAME + size + -size % 4


def unpacked(data: bytes) -> tuple[NDArray[np.float32], bytes]:
    """The labels, (n,) float32, n >= 1, and the image file in the content of a record; ValueError if too short."""
    if len(data) < _HEADER.size:
        raise ValueError(f"it has {len(data)} bytes, fewer than its header")
    flag, label, _, _ = _HEADER.unpack_from(data)
    if flag == 0:
        return np.array([label], np.float32), data[_HEADER.size :]
    end = _HEADER.size + 4 * flag
    if len(data) < end:
        raise ValueError(f"it has {len(data)} bytes and says it has {flag} labels")
    return np.frombuffer(data, "<f4", flag, _HEADER.size), data[end:]


def _indexed(path: Path) -> NDArray[np.int64]:
    """Where records begin, ascending, by the lines `key TAB byte` of a .idx."""
    text = path.read_bytes()
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    try:
        numbers = np.fromstring(text, np.int64, sep=" ")
    except ValueError:
        numbers = np.array([], np.int64)
    if len(numbers) != 2 * lines:
        raise BadData(f"{path} is not {lines} lines of a key and a byte; fetch it again, or remove it")
    return np.unique(numbers[1::2])


def _walked(path: Path) -> Iterator[int]:
    """Where records begin, by their lengths; ends with the first place at which none does."""
    with path.open("rb", buffering=1 << 20) as file:
        at, inside = 0, False
        while head := file.read(_FRAME):
            if not inside:
                yield at
            magic, word = struct.unpack("<II", head.ljust(_FRAME, b"\0"))
            if magic != MAGIC:
                return
            inside = word >> 29 not in _ENDS
            size = word & _SIZE
            at += _FRAME + size + -size % 4
            file.seek(at)


def _heads(path: Path, starts: NDArray[np.int64]) -> _Heads:
    count, length = len(starts), path.stat().st_size
    heads = _Heads(np.zeros(count, np.int64), np.zeros(count, np.bool_), np.zeros(count, np.float32))
    words = np.memmap(path, "<u4", "r", shape=(length // 4,))
    for begin in range(0, count, _ROWS):
        rows = slice(begin, begin + _ROWS)
        for row in begin + _fill(words, starts[rows], length, heads, rows):
            _fill_parts(path, int(starts[row]), heads, row)
    return heads


def _fill(
    words: NDArray[np.uint32], starts: NDArray[np.int64], length: int, heads: _Heads, rows: slice
) -> NDArray[np.int64]:
    """Fills the rows of records that are one part; which of them (from 0) are several is returned."""
    first = starts // 4

    def word(number: int) -> NDArray[np.int64]:
        return words[np.clip(first + number, 0, len(words) - 1)].astype(np.int64)

    begins = (word(0) == MAGIC) & (starts % 4 == 0) & (starts >= 0) & (starts + _FRAME <= length)
    kind, size, flag = word(1) >> 29, word(1) & _SIZE, word(2)
    payload = size - _HEADER.size - 4 * flag
    whole = begins & (kind == _WHOLE) & (payload >= 0) & (starts + _FRAME + size <= length)
    bits = np.where(flag > 0, word(8), word(3)).astype(np.uint32)
    heads.size[rows] = np.where(whole, _FRAME + size, 0)
    heads.image[rows] = whole & ((payload > 0) | (flag == 0))
    heads.label[rows] = bits.view(np.float32)
    return np.flatnonzero(begins & (kind != _WHOLE))


def _fill_parts(path: Path, start: int, heads: _Heads, row: int) -> None:
    """Fills one row of a record in several parts; leaves it at size 0 where they are not all there."""
    record = _record(path, start)
    try:
        labels, image = unpacked(content(record))
    except ValueError:
        return
    heads.size[row], heads.image[row], heads.label[row] = len(record), len(image) > 0, labels[0]


def _record(path: Path, start: int) -> bytes:
    """The bytes of a record from its first magic to the end of its last part, or as far as there are parts."""
    with path.open("rb") as file:
        file.seek(start)
        record = b""
        while head := file.read(_FRAME):
            magic, word = struct.unpack("<II", head.ljust(_FRAME, b"\0"))
            if magic != MAGIC and len(head) == _FRAME:
                break
            size = word & _SIZE
            record += head + file.read(size)
            if word >> 29 in _ENDS:
                break
            record += file.read(-size % 4)
        return record


def _faults(path: Path, starts: NDArray[np.int64], length: int) -> list[str]:
    """What is wrong where records should be and are not whole, in words: the first few."""
    faults: list[str] = []
    for start in starts[:REASONS].tolist():
        record = _record(path, start) if 0 <= start < length else b""
        if start >= length or (record and start + len(record) >= length):
            return [
                *faults,
                f"it ends at byte {length}, before or in the record at byte {start} (cut short?)",
            ]
        faults.append(
            f"the record at byte {start} is damaged" if record else f"no record begins at byte {start}"
        )
    return faults


def _expected(path: Path, starts: NDArray[np.int64], heads: _Heads) -> int | None:
    """How many images InsightFace's first record says there are; None where the first record is an image."""
    if not len(starts) or heads.size[0] == 0 or heads.image[0]:
        return None
    labels, _ = unpacked(content(_record(path, int(starts[0]))))
    return int(labels[0]) - 1 if len(labels) >= 2 and 1 <= labels[0] < 1 << 48 else None


def _judged(
    path: Path, label: NDArray[np.float32], images: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[str]]:
    """The images whose label is a class, and what the first others have in place of one."""
    said = label[images]
    collide = images[said >= EXACT]
    if len(collide):
        raise BadData(
            f"{path}: the record at byte {starts[collide[0]]} has label {label[collide[0]]:.0f}. RecordIO keeps "
            f"labels as float32, which from {EXACT:,} on has no place for every whole number, so that different "
            "people get one label. Take this data set as tar shards, whose labels have 64 bits"
        )
    fits = np.isfinite(said) & (said >= 0) & (said == np.floor(said))
    unfit = images[~fits]
    return images[fits], [
        f"label {label[row]} of the record at byte {starts[row]} is no class" for row in unfit[:REASONS]
    ]
