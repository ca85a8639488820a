"""Heads on disk put together, cut down and looked at, on one machine in the memory of two or three pages; it trains
nothing, and changes no folder that is there already.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.head.page_files import WEIGHT, in_order, spans
from training.head.pages import (
    PAGE_ROWS,
    Pages,
    check_vacant,
    json_of,
    new_folder,
    write_manifest,
    write_page,
)

LOOK_ROWS = 4096


@dataclass(frozen=True)
class Summary:
    """What a head on disk is. size: bytes of its pages, `pages` of them.

    shortest, median, longest: of the lengths of the centroids whose numbers are all finite, in float64; NaN where
    there is none. zero: centroids with no number but 0, which have no direction. broken: those with a number that is
    not finite. Neither can come of sound training.
    """

    folder: Path
    classes: int
    dimension: int
    dtype: torch.dtype
    names: tuple[str, ...]
    about: Mapping[str, Any]
    pages: int
    size: int
    shortest: float
    median: float
    longest: float
    zero: int
    broken: int

    def explain(self) -> str:
        """Plain sentences for whoever was handed the folder."""
        return "\n".join(
            [
                f"{self.folder}: {self.classes:,} classes in {self.dimension} dimensions, {', '.join(self.names)} in "
                f"{str(self.dtype).removeprefix('torch.')}, {self.size:,} bytes in {self.pages:,} files.",
                f"Lengths of the centroids: {self.shortest:.4g} to {self.longest:.4g}, median {self.median:.4g}; "
                f"{self.zero:,} are zero, {self.broken:,} not finite.",
                *(f"{key}: {value}" for key, value in self.about.items()),
            ]
        )


def merge(
    folders: Sequence[Path],
    out: Path,
    *,
    common_names: bool = False,
    about: Mapping[str, Any] | None = None,
    page_rows: int = PAGE_ROWS,
) -> tuple[int, ...]:
    """One head of several: the second's classes follow the first's, and so on. Returns the first new id of each.

    common_names: keep the tensors that all of them have; otherwise it is a ValueError that one has others, as it is
    where they differ in dimension or dtype. about: None: the sources' names, sizes and what they said. Every source's
    checksums are compared first, since rows get new ones here. FileExistsError unless `out` is new or empty.
    """
    _check_target(out, about, page_rows)
    if not folders:
        raise ValueError("there are no heads to merge")
    heads = [Pages.open(folder, verify=True) for folder in folders]
    names = _shared_names(heads, common_names)
    edges = [0, *itertools.accumulate(head.classes for head in heads)]

    def rows_of(start: int, stop: int, name: str) -> Tensor:
        parts = [
            head.read(max(start - first, 0), min(stop - first, head.classes), name)
            for head, first in zip(heads, edges, strict=False)
            if start < first + head.classes and stop > first
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    told = {"merged": [_origin(head) for head in heads]} if about is None else about
    _write_head(out, edges[-1], names, rows_of, told, page_rows)
    return tuple(edges[:-1])


def cut(
    folder: Path,
    out: Path,
    ids: Tensor,
    *,
    about: Mapping[str, Any] | None = None,
    page_rows: int = PAGE_ROWS,
) -> None:
    """A head of the classes `ids` (n,) int64 alone, n at least 1; its class i is the source's ids[i].

    ValueError for an id outside 0..classes-1 or given twice, TypeError where they are not int64. about, checksums and
    `out` as in `merge`.
    """
    _check_target(out, about, page_rows)
    head = Pages.open(folder, verify=True)
    head.check_ids(ids)
    if not len(ids):
        raise ValueError(f"no id of {folder} was given; a head has at least one class")
    ascending = ids.sort().values
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if len(twice):
        raise ValueError(f"id {int(twice[0])} was given more than once; {len(twice)} of the ids are repeats")
    del ascending
    told = {"cut": _origin(head)} if about is None else about
    _write_head(
        out, len(ids), head.names, lambda start, stop, name: head.take(ids[start:stop], name), told, page_rows
    )


def summary(folder: Path, *, verify: bool = False) -> Summary:
    """What a folder's head is, by one pass over its centroids with 8 bytes a class kept. verify: see `Pages.open`."""
    head = Pages.open(folder, verify=verify)
    lengths = np.empty(head.classes)
    zero = broken = kept = 0
    for _, block in head.blocks(LOOK_ROWS, [WEIGHT]):
        rows = block[WEIGHT]
        finite = rows.isfinite().all(1)
        broken += int((~finite).sum())
        zero += int((rows == 0).all(1).sum())
        found = torch.linalg.vector_norm(rows[finite], dim=1, dtype=torch.float64).numpy()
        lengths[kept : kept + len(found)] = found
        kept += len(found)
    lengths = lengths[:kept] if kept else np.array([np.nan])
    return Summary(
        folder=folder,
        classes=head.classes,
        dimension=head.dimension,
        dtype=head.dtype,
        names=head.names,
        about=head.about,
        pages=len(head.pages),
        size=head.size,
        shortest=float(lengths.min()),
        median=float(np.median(lengths, overwrite_input=True)),
        longest=float(lengths.max()),
        zero=zero,
        broken=broken,
    )


def _shared_names(heads: Sequence[Pages], common_names: bool) -> tuple[str, ...]:
    """The names a merged head has. ValueError where the heads do not go together."""
    first = heads[0]
    shared = set(first.names)
    for head in heads[1:]:
        for what in ("dimension", "dtype"):
            if getattr(head, what) != getattr(first, what):
                raise ValueError(
                    f"{head.folder} has {what} {getattr(head, what)}, {first.folder} {getattr(first, what)}"
                )
        if head.names != first.names and not common_names:
            other = in_order({*head.names} ^ {*first.names})
            raise ValueError(
                f"{', '.join(other)} is not in both {first.folder} and {head.folder}; "
                "with common_names only what every head has is kept"
            )
        shared &= set(head.names)
    return in_order(shared)


def _check_target(out: Path, about: Mapping[str, Any] | None, page_rows: int) -> None:
    """Before hours of reading and writing."""
    check_vacant(out)
    json_of(about or {})
    spans(1, page_rows)


def _origin(head: Pages) -> dict[str, Any]:
    return {"folder": head.folder.name, "classes": head.classes, "about": dict(head.about)}


def _write_head(
    out: Path,
    classes: int,
    names: Sequence[str],
    rows_of: Callable[[int, int, str], Tensor],
    about: Mapping[str, Any],
    page_rows: int,
) -> None:
    """Page by page; rows_of(start, stop, name) gives (stop-start, D)."""
    new_folder(out)
    pages = [
        write_page(out, start, {name: rows_of(start, stop, name) for name in names})
        for start, stop in spans(classes, page_rows)
    ]
    write_manifest(out, pages, about)
