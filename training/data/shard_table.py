"""Scanned shards -> one table of a set, its labels dense over all of them; reads no file.

Holds each column once at a time, so that tens of millions of rows need little more memory than the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.data.index import dense
from training.data.names import LineNames, NumberNames
from training.data.records import BadData, Labels
from training.data.shard_scan import ScannedShard
from training.data.table import Damage, RecordTable

_Kind = TypeVar("_Kind", bound=np.generic)


@dataclass
class _Columns:
    offset: list[NDArray[np.int64]] = field(default_factory=list)
    size: list[NDArray[np.int32]] = field(default_factory=list)
    label: list[NDArray[np.int64]] = field(default_factory=list)
    identities: list[NDArray[np.bytes_]] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)


def joined(scanned: Iterable[ScannedShard], shards: Sequence[str]) -> RecordTable:
    """The table of all records; `shards` are the names of the scanned, in order.

    Classes are the identities by name, or the distinct labels in ascending order. BadData where one shard has
    labels and another has folders.
    """
    columns = _Columns()
    labelled, placed = "", ""
    for shard, part in zip(shards, scanned, strict=True):
        columns.offset.append(part.offset)
        columns.size.append(part.size)
        columns.label.append(part.label)
        if part.damage is not None:
            columns.damage.append(part.damage)
        if part.identities is None:
            labelled = labelled or shard
        elif len(part.label):
            placed = placed or shard
        columns.identities.append(part.identities if part.identities is not None else np.array([], np.bytes_))
        if labelled and placed:
            raise BadData(
                f"the images of {labelled} have labels beside them and those of {placed} lie in folders of "
                "identities: one set has one layout"
            )
    counts = [len(part) for part in columns.label]
    file = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    names, values = None, None
    if placed:
        names, label = _by_name(columns)
        classes = len(names)
    else:
        label, values = dense(_whole(columns.label, np.int64))
        classes = len(values) if values is not None else int(label.max(initial=-1)) + 1
    return RecordTable(
        file,
        _whole(columns.offset, np.int64),
        _whole(columns.size, np.int32),
        label,
        classes,
        names if names is not None else NumberNames(classes, values),
        values,
        tuple(columns.damage),
    )


def _whole(parts: list[NDArray[_Kind]], kind: type[_Kind]) -> NDArray[_Kind]:
    whole = np.concatenate(parts) if parts else np.array([], kind)
    parts.clear()
    return whole


def _by_name(columns: _Columns) -> tuple[LineNames, Labels]:
    names = np.unique(np.concatenate(columns.identities))
    for at, (codes, identities) in enumerate(zip(columns.label, columns.identities, strict=True)):
        if len(codes):
            columns.label[at] = np.searchsorted(names, identities)[codes]
    columns.identities.clear()
    return LineNames(b"".join(name + b"\n" for name in names.tolist())), _whole(columns.label, np.int64)
