"""Writes RecordIO files as MXNet and InsightFace do, for the tests of the reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

MAGIC = struct.pack("<I", 0xCED7230A)


def framed(content: bytes) -> bytes:
    """One record; it is cut wherever the magic stands in it at a multiple of four, and the magic left out."""
    cuts = [at for at in range(0, len(content) // 4 * 4, 4) if content[at : at + 4] == MAGIC]
    starts = [0, *(cut + 4 for cut in cuts)]
    ends = [*cuts, len(content)]
    record = b""
    for part, (start, end) in enumerate(zip(starts, ends, strict=True)):
        kind = 0 if not cuts else 1 if part == 0 else 3 if part == len(cuts) else 2
        size = end - start
        record += MAGIC + struct.pack("<I", kind << 29 | size) + content[start:end] + bytes(-size % 4)
    return record


def packed(labels: float | Sequence[float], image: bytes, key: int) -> bytes:
    """An image with its header; several labels follow it."""
    if isinstance(labels, (int, float)):
        return struct.pack("<IfQQ", 0, labels, key, 0) + image
    return struct.pack(f"<IfQQ{len(labels)}f", len(labels), 0.0, key, 0, *labels) + image


def write_rec(
    folder: Path,
    samples: Sequence[tuple[float | Sequence[float], bytes]],
    *,
    classes: int | None = None,
    first: bool = True,
    index: bool = True,
) -> Path:
    """train.rec, and with `index` its .idx, with `classes` its property, with `first` InsightFace's extra records."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [packed(labels, image, key) for key, (labels, image) in enumerate(samples, int(first))]
    if first:
        identities = 2
        head = packed([len(samples) + 1, len(samples) + 1 + identities], b"", 0)
        ranges = [packed([1, 2], b"", len(samples) + 1 + number) for number in range(identities)]
        contents = [head, *contents, *ranges]
    at, lines, records = 0, [], []
    for key, content in enumerate(contents):
        records.append(framed(content))
        lines.append(f"{key}\t{at}\n")
        at += len(records[-1])
    (folder / "train.rec").write_bytes(b"".join(records))
    if index:
        (folder / "train.idx").write_text("".join(lines))
    if classes is not None:
        (folder / "property").write_text(f"{classes},112,112")
    return folder
