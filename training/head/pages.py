"""A head as a folder of safetensors files, for one machine to read part by part; not for going on with a run, which
is what `checkpoint` is for, and without ranks: who writes which classes is the caller's affair.

    rows-000000000000-000000131072.safetensors   a page: (n, D) of classes 0..131071 under each name
    head.json                                    what the head is, and every page with its size and SHA-256

head.json comes last, after a look at every page, and without it the folder is no head: a crash leaves nothing that
reads like one. Nothing is ever overwritten, and nothing that is read is unpickled.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError
from torch import Tensor

from training.atomic import sync_folder
from training.head.page_files import (
    DTYPES,
    WEIGHT,
    BadPages,
    Kind,
    Page,
    check_rows,
    check_sum,
    in_order,
    kind_of,
    mapped,
    page_bytes,
    page_name,
    spans,
    write_durably,
)

FORMAT: Literal[1] = 1
MANIFEST = "head.json"
PAGE_ROWS = 131072
"""Classes a page: 256 MiB of 512 float32 numbers."""
TAKEN_ROWS = 4096
"""Rows at a time that `Pages.take` puts in their places, so that it does not hold its answer twice."""


@dataclass(frozen=True)
class Pages:
    """A head on disk that was found whole; rows are read when asked for, into memory of their own.

    It has a tensor (classes, dimension) of `dtype` under each of `names`, "weight" first. about: whatever JSON was
    written with it. Made by `Pages.open`.
    """

    folder: Path
    names: tuple[str, ...]
    dimension: int
    dtype: torch.dtype
    about: Mapping[str, Any]
    pages: tuple[Page, ...]

    @classmethod
    def open(cls, folder: Path, *, verify: bool = False) -> Pages:
        """The head in a folder. BadPages unless it is whole; with `verify` every byte is held against its SHA-256."""
        manifest = _read_manifest(folder / MANIFEST)
        _check_cover(folder, manifest.pages)
        if manifest.classes != manifest.pages[-1].stop:
            raise BadPages(
                f"{folder / MANIFEST} has {manifest.classes} classes, but its pages end at {manifest.pages[-1].stop}"
            )
        kind = Kind(in_order(manifest.names), manifest.dimension, manifest.dtype)
        _check_files(folder, manifest.pages, kind)
        if verify:
            for page in manifest.pages:
                check_sum(folder, page)
        dtype = DTYPES[kind.dtype]
        return cls(folder, kind.names, kind.dimension, dtype, manifest.about, manifest.pages)

    @property
    def classes(self) -> int:
        """How many classes; their ids are 0..classes-1."""
        return self.pages[-1].stop

    @property
    def size(self) -> int:
        """Bytes of all pages."""
        return sum(page.size for page in self.pages)

    def read(self, start: int, stop: int, name: str = WEIGHT) -> Tensor:
        """Rows (stop-start, D) of classes start..stop-1. ValueError outside 0..classes, or for an unknown name."""
        self._check_name(name)
        if not 0 <= start <= stop <= self.classes:
            raise ValueError(
                f"rows {start}:{stop} are not within the {self.classes} classes of {self.folder}"
            )
        result = torch.empty(stop - start, self.dimension, dtype=self.dtype)
        first = bisect_right(self.pages, start, key=lambda page: page.stop)
        last = bisect_left(self.pages, stop, key=lambda page: page.start)
        for page in self.pages[first:last]:
            begin, end = max(start, page.start), min(stop, page.stop)
            with mapped(self.folder, page, name) as rows:
                result[begin - start : end - start] = rows[begin - page.start : end - page.start]
        return result

    def take(self, ids: Tensor, name: str = WEIGHT) -> Tensor:
        """Rows (n, D) of class ids (n,) int64, in the order of the ids; each page is visited once, front to back.

        ids may repeat. ValueError for one outside 0..classes-1 or an unknown name, TypeError where they are not int64.
        """
        self._check_name(name)
        self.check_ids(ids)
        result = torch.empty(len(ids), self.dimension, dtype=self.dtype)
        ascending, places = ids.sort()
        ends = torch.searchsorted(ascending, torch.tensor([page.stop for page in self.pages])).tolist()
        for page, begin, end in zip(self.pages, [0, *ends], ends, strict=False):
            if begin == end:
                continue
            with mapped(self.folder, page, name) as rows:
                for few in (slice(begin + a, begin + b) for a, b in spans(end - begin, TAKEN_ROWS)):
                    result[places[few]] = rows[ascending[few] - page.start]
        return result

    def blocks(
        self, rows: int = PAGE_ROWS, names: Sequence[str] | None = None
    ) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """(first class, {name: (n, D)}) from front to back, n = rows but in the last. names: None: all of them."""
        for start, stop in spans(self.classes, rows):
            yield start, {name: self.read(start, stop, name) for name in names or self.names}

    def check_ids(self, ids: Tensor) -> None:
        """TypeError unless ids are (n,) int64; ValueError for the first that is outside 0..classes-1."""
        if ids.dtype != torch.int64 or ids.dim() != 1:
            raise TypeError(f"class ids are (n,) torch.int64; these are {tuple(ids.shape)} {ids.dtype}")
        outside = ((ids < 0) | (ids >= self.classes)).nonzero()
        if len(outside):
            at = int(outside[0])
            raise ValueError(
                f"id {int(ids[at])} at place {at} is outside 0..{self.classes - 1} of {self.folder}"
            )

    def _check_name(self, name: str) -> None:
        if name not in self.names:
            raise ValueError(f"{self.folder} has no tensor {name!r}; it has {', '.join(self.names)}")


def new_folder(folder: Path) -> None:
    """Make the folder for a head, once, before any rank writes into it. FileExistsError unless it is new or empty."""
    check_vacant(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(folder.parent)


def check_vacant(folder: Path) -> None:
    """FileExistsError where something is in a folder that a head is to go into."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is not an empty folder: name another, or remove it first")


def write_page(folder: Path, start: int, tensors: Mapping[str, Tensor]) -> Page:
    """Write the rows of classes start..start+n-1, durable when it returns; ranks do so side by side.

    tensors: (n, D) each, n at least 1, all of one dtype of DTYPES, on any device; "weight" is among them, the other
    names are identifiers. ValueError for anything else, FileExistsError where the page or a head is there already.
    """
    check_rows(start, tensors)
    stop = start + len(tensors[WEIGHT])
    if start == stop:
        raise ValueError("a page has at least one row; an empty share has no page")
    path = folder / page_name(start, stop)
    for taken in (path, folder / MANIFEST):
        _refuse_existing(taken)
    size, sha256 = write_durably(path, page_bytes(tensors))
    return Page(start, stop, path.name, size, sha256)


def write_pages(folder: Path, start: int, tensors: Mapping[str, Tensor], rows: int = PAGE_ROWS) -> list[Page]:
    """`write_page` for a whole share of the classes, `rows` at a time; none for an empty share (0, D)."""
    check_rows(start, tensors)
    return [
        write_page(folder, start + a, {name: tensor[a:b] for name, tensor in tensors.items()})
        for a, b in spans(len(tensors[WEIGHT]), rows)
    ]


def write_manifest(folder: Path, pages: Iterable[Page], about: Mapping[str, Any]) -> None:
    """Make the folder a head once every page is written. pages: what `write_page` returned, all ranks', in any order.

    about: JSON, such as seed, loss and steps; ValueError for anything else. BadPages where the pages do not cover
    0..C-1 once each, differ in dtype, dimension or names, or a file is not there; FileExistsError where a head is
    there already.
    """
    told = json_of(about)
    ordered = tuple(sorted(pages, key=lambda page: page.start))
    _check_cover(folder, ordered)
    _refuse_existing(folder / MANIFEST)
    kind = kind_of(folder, ordered[0])
    _check_files(folder, ordered, kind)
    manifest = _Manifest(FORMAT, ordered[-1].stop, kind.dimension, kind.dtype, kind.names, told, ordered)
    write_durably(folder / MANIFEST, [json.dumps(asdict(manifest), indent=1).encode()])


def json_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """What will be read back of what is said about a head. ValueError where that is not JSON."""
    try:
        return _ABOUT_READER.validate_json(json.dumps(dict(about), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"what is said about the head is not JSON: {error}") from error


@dataclass(frozen=True)
class _Manifest:
    """head.json."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    classes: int
    dimension: int
    dtype: str
    names: tuple[str, ...]
    about: dict[str, JsonValue]
    pages: tuple[Page, ...]


_MANIFEST_READER = TypeAdapter(_Manifest)
_ABOUT_READER = TypeAdapter(dict[str, JsonValue])


def _read_manifest(path: Path) -> _Manifest:
    try:
        return _MANIFEST_READER.validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BadPages(f"{path} is missing: this is no head, or writing it never came to an end") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        found = "" if first["type"] == "missing" else f", not {first['input']!r:.80}"
        raise BadPages(f"{path} is no head of format {FORMAT}: {where}: {first['msg']}{found}") from error


def _check_cover(folder: Path, pages: Sequence[Page]) -> None:
    """Before any file is looked at: a page's file may have the one name that its classes give it."""
    if not pages:
        raise BadPages(f"{folder} has no pages; a head has at least one class")
    expected = 0
    for page in pages:
        if page.stop <= page.start:
            raise BadPages(f"{folder}: a page holds classes {page.start}..{page.stop - 1}, which is none")
        if page.file != page_name(page.start, page.stop):
            raise BadPages(
                f"{folder}: a page has the file name {page.file!r} where {page_name(page.start, page.stop)} belongs"
            )
        if page.start > expected:
            raise BadPages(
                f"{folder}: classes {expected}..{page.start - 1} are in no page before {page.file}"
            )
        if page.start < expected:
            raise BadPages(f"{folder}: class {page.start} of {page.file} is in the page before it too")
        expected = page.stop


def _check_files(folder: Path, pages: Sequence[Page], kind: Kind) -> None:
    for page in pages:
        if (found := kind_of(folder, page)) != kind:
            raise BadPages(f"{folder / page.file} has {found}; the head has {kind}")


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} is there already, and nothing is overwritten: name a new folder")
