"""One file of a head's pages: written durably as safetensors, and read back by its header; `pages` knows the head.

The layout is the public one: eight bytes with the header's length, little-endian, a JSON header, the tensors. It is
written here, not by safetensors, so that it is hashed on the way out, needs no second copy of the page and gets the
permissions that the process gives its files; it is read by safetensors.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import ConfigDict, Field
from safetensors import SafetensorError, safe_open
from torch import Tensor

from training.atomic import sync_folder

WEIGHT = "weight"
"""The tensor that every page has: the centroids."""
DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
"""What rows may be, by safetensors' names."""
WRITE_BYTES = 1 << 22


class BadPages(ValueError):
    """A folder holds no whole head, or pages that make none; the message names the file and what is wrong in it."""


@dataclass(frozen=True)
class Page:
    """A file with the rows of classes start..stop-1. size: in bytes. sha256: of all of them, in hexadecimal."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    start: int
    stop: int
    file: str
    size: int
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Kind:
    """What is kept of a class: `dimension` numbers of `dtype`, a name in DTYPES, under each name, "weight" first."""

    names: tuple[str, ...]
    dimension: int
    dtype: str

    def __str__(self) -> str:
        return f"{', '.join(self.names)} in {self.dimension} dimensions of {self.dtype}"


def spans(count: int, rows: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of parts of `rows` of 0..count-1, the last as long as what is left. ValueError for rows < 1."""
    if rows < 1:
        raise ValueError(f"a page or block has at least 1 row, not {rows}")
    return ((start, min(start + rows, count)) for start in range(0, count, rows))


def page_name(start: int, stop: int) -> str:
    """The only file name that a page of classes start..stop-1 has."""
    return f"rows-{start:012d}-{stop:012d}.safetensors"


def check_rows(start: int, tensors: Mapping[str, Tensor]) -> None:
    """ValueError unless these can be the rows of classes from `start` on; see `pages.write_page`. n may be 0."""
    if start < 0:
        raise ValueError(f"a page begins at class 0 or above, not at {start}")
    if WEIGHT not in tensors:
        raise ValueError(
            f"a page has a tensor {WEIGHT!r}; this one has {', '.join(tensors) or 'none at all'}"
        )
    weight = tensors[WEIGHT]
    if weight.dim() != 2 or weight.shape[1] < 1 or weight.dtype not in DTYPES.values():
        raise ValueError(
            f"rows are (n, D) of {', '.join(DTYPES)}, D at least 1; they are {tuple(weight.shape)} {weight.dtype}"
        )
    for name, rows in tensors.items():
        if not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"{name!r} is no name for a tensor: letters, digits and _, a letter first")
        if rows.shape != weight.shape or rows.dtype != weight.dtype:
            raise ValueError(
                f"{name} is {tuple(rows.shape)} {rows.dtype} where {WEIGHT} is {tuple(weight.shape)} {weight.dtype}"
            )


def page_bytes(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The tensors as one safetensors file, a few megabytes at a time."""
    codes = {dtype: code for code, dtype in DTYPES.items()}
    header, offset = {}, 0
    for name, rows in tensors.items():
        until = offset + rows.nbytes
        header[name] = {"dtype": codes[rows.dtype], "shape": [*rows.shape], "data_offsets": [offset, until]}
        offset = until
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of 8, so that they can be mapped
    yield len(text).to_bytes(8, "little") + text
    for rows in tensors.values():
        for start, stop in spans(len(rows), max(1, WRITE_BYTES // rows[0].nbytes)):
            part = rows[start:stop].detach().cpu().contiguous()
            yield part.view(torch.uint8).flatten().numpy().data


def write_durably(path: Path, parts: Iterable[bytes | memoryview]) -> tuple[int, str]:
    """Write a file beside its name, sync it and give it its name. Returns its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("xb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
            size += len(part)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)
    return size, digest.hexdigest()


def kind_of(folder: Path, page: Page) -> Kind:
    """What a page's file holds, by its header. BadPages where it is missing, of another size, or no such page."""
    path = folder / page.file
    if not path.is_file():
        raise BadPages(f"{path} is missing")
    if (size := path.stat().st_size) != page.size:
        raise BadPages(f"{path} has {size} bytes where {page.size} belong")
    with _opened(path) as file:
        names = file.keys()
        slices = {name: file.get_slice(name) for name in names}
        found = {name: (tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}
    if WEIGHT not in found:
        raise BadPages(f"{path} has no tensor {WEIGHT!r}; it has {', '.join(found) or 'none at all'}")
    shape, dtype = found[WEIGHT]
    if len(shape) != 2 or shape[0] != page.stop - page.start or shape[1] < 1 or dtype not in DTYPES:
        raise BadPages(
            f"{path} has {WEIGHT} {shape} {dtype} where ({page.stop - page.start}, D) of {', '.join(DTYPES)} belongs"
        )
    for name, one in found.items():
        if one != found[WEIGHT]:
            raise BadPages(f"{path} has {name} {one[0]} {one[1]} where {WEIGHT} is {shape} {dtype}")
    return Kind(in_order(found), shape[1], dtype)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of tensors, "weight" first."""
    return tuple(sorted(names, key=lambda name: (name != WEIGHT, name)))


def check_sum(folder: Path, page: Page) -> None:
    """BadPages unless the file's bytes are those that were written."""
    path = folder / page.file
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != page.sha256:
        raise BadPages(
            f"{path} has SHA-256 {found} where {page.sha256} belongs: it is damaged or of another head"
        )


@contextmanager
def mapped(folder: Path, page: Page, name: str) -> Iterator[Tensor]:
    """One tensor (n, D) of a page, mapped: what is read of it is read from disk. Copy what you keep."""
    with _opened(folder / page.file) as file:
        yield file.get_slice(name)[:]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise BadPages(f"{path} is no whole safetensors file: {error}") from error
