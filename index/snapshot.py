"""Snapshots on disk: plain array files and a manifest with their checksums; knows arrays, no engine and no
store.

A file is written beside its final name, synced and renamed, and the folder synced; the manifest comes last
and is replaced in one step. So a crash leaves the old snapshot or the new one. Nothing here runs what it
reads.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
MANIFEST = "manifest.json"
SUFFIX = ".segment"
ALIGNMENT = 4096
"""Arrays start at pages, so that they map."""
READ_BYTES = 1 << 22


class BadSnapshot(Exception):
    """The snapshot is damaged, of another format or of another collection; the message says which."""


@dataclass(frozen=True)
class ArraySpec:
    """Where an array lies in its file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class FileSpec:
    """A file of arrays. crc: zlib.crc32 of all its bytes."""

    file: str
    size: int
    crc: int
    arrays: tuple[ArraySpec, ...]


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds. collection: what must be equal for it to be used. token: of the revision."""

    collection: Mapping[str, Any]
    revision: int
    token: str
    files: tuple[FileSpec, ...]
    format: int = FORMAT


def write_arrays(folder: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> FileSpec:
    """Writes arrays into `folder`/`name`, durable when it returns."""
    specs, offset = [], 0
    for label, array in arrays.items():
        offset = -(-offset // ALIGNMENT) * ALIGNMENT
        specs.append(ArraySpec(label, array.dtype.newbyteorder("<").str, array.shape, offset))
        offset += array.nbytes
    crc, written = 0, 0
    temporary = folder / f".{name}.writing"
    with temporary.open("wb") as file:
        for part in _parts(arrays, specs):
            file.write(part)
            crc = zlib.crc32(part, crc)
            written += len(part)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / name)
    sync_folder(folder)
    return FileSpec(name, written, crc, tuple(specs))


def _parts(arrays: Mapping[str, NDArray[Any]], specs: list[ArraySpec]) -> Iterator[memoryview | bytes]:
    at = 0
    for spec, array in zip(specs, arrays.values(), strict=True):
        yield bytes(spec.offset - at)
        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        data = memoryview(flat.data) if array.size else memoryview(b"")
        for start in range(0, len(data), READ_BYTES):
            yield data[start : start + READ_BYTES]
        at = spec.offset + array.nbytes


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes this the folder's snapshot, then removes the files that belong to none."""
    text = json.dumps(asdict(manifest))
    body = json.dumps({"manifest": text, "crc": zlib.crc32(text.encode())}, indent=1)
    temporary = folder / f".{MANIFEST}.writing"
    with temporary.open("w") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / MANIFEST)
    sync_folder(folder)
    kept = {MANIFEST, *(spec.file for spec in manifest.files)}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, None where there is none. Raises BadSnapshot."""
    try:
        body = json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadSnapshot(f"{folder / MANIFEST} cannot be read: {error}") from error
    try:
        if zlib.crc32(body["manifest"].encode()) != body["crc"]:
            raise BadSnapshot(f"{folder / MANIFEST} has a wrong checksum")
        fields = json.loads(body["manifest"])
        if fields["format"] != FORMAT:
            raise BadSnapshot(f"{folder / MANIFEST} has format {fields['format']}, this code reads {FORMAT}")
        files = tuple(
            FileSpec(
                one["file"],
                one["size"],
                one["crc"],
                tuple(
                    ArraySpec(a["name"], a["dtype"], tuple(a["shape"]), a["offset"]) for a in one["arrays"]
                ),
            )
            for one in fields["files"]
        )
        return Manifest(fields["collection"], fields["revision"], fields["token"], files)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadSnapshot(f"{folder / MANIFEST} is not a manifest: {error!r}") from error


def map_files(folder: Path, manifest: Manifest) -> list[dict[str, NDArray[Any]]]:
    """The arrays of each file, mapped read-only, after every byte was checked. Raises BadSnapshot.

    Checking costs about a second a gigabyte and core and fills the page cache that searches need anyway.
    """
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for problem in pool.map(lambda spec: _problem(folder, spec), manifest.files):
            if problem:
                raise BadSnapshot(problem)
    return [map_file(folder, spec) for spec in manifest.files]


def _problem(folder: Path, spec: FileSpec) -> str | None:
    path, crc, size = folder / spec.file, 0, 0
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(READ_BYTES):
                crc = zlib.crc32(data, crc)
                size += len(data)
    except OSError as error:
        return f"{path} cannot be read: {error}"
    if size != spec.size:
        return f"{path} has {size} bytes where {spec.size} belong"
    return f"{path} has a wrong checksum" if crc != spec.crc else None


def map_file(folder: Path, spec: FileSpec) -> dict[str, NDArray[Any]]:
    """The arrays of one file, mapped read-only and not checked."""
    arrays: dict[str, NDArray[Any]] = {}
    for array in spec.arrays:
        dtype, count = np.dtype(array.dtype), int(np.prod(array.shape))
        if array.offset + count * dtype.itemsize > spec.size:
            raise BadSnapshot(f"array {array.name} reaches beyond the end of {folder / spec.file}")
        if count == 0:
            arrays[array.name] = np.empty(array.shape, dtype)
            continue
        mapped = np.memmap(folder / spec.file, dtype, "r", array.offset, array.shape)
        arrays[array.name] = mapped.view(np.ndarray)
    return arrays


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
