"""Templates as NumPy arrays in an .npz file, mapped where they lie in it: any size, and nothing is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from index.job_records import Values
from serving.jobs.sources.files import stamp
from serving.jobs.sources.source import Listed, SourceError, Trouble, Unfit, unkeepable
from serving.jobs.sources.template_row import Read, TemplateRow

LOCAL_HEADER = 30
"""Bytes of a zip member's own header before its name (APPNOTE.TXT, 4.3.7)."""


class ArraysForm:
    """How a file of arrays is listed and read."""

    def contract_id(self, path: Path) -> str | None:
        """That of the array `contract_id`, if there is one. Raises SourceError."""
        found = _arrays(path).get("contract_id")
        if found is None:
            return None
        if found.dtype.kind != "U" or found.size != 1:
            raise SourceError(
                f"{path}: contract_id must be one text, got {found.dtype} of shape {found.shape}"
            )
        return str(found.reshape(-1)[0])

    def listing(self, path: Path) -> Iterator[Listed]:
        """See Templates.listing."""
        arrays = _arrays(path)
        _check(path, arrays)
        unchanged = stamp(path.stat())
        persons, names = arrays["persons"], arrays.get("names")
        for row in range(len(persons)):
            person = str(persons[row])
            name = "" if names is None else str(names[row])
            where = {"row": row, "stamp": unchanged}
            wrong = "is empty" if not person else unkeepable(person) or unkeepable(name)
            if wrong:
                yield Listed(f"row {row}", None, where, invalid=f"its person or name {wrong}")
            else:
                yield Listed(f"row {row}", person, where, name)

    def read(self, path: Path, wheres: Sequence[Values]) -> list[Read]:
        """See Templates.read."""
        try:
            listed = stamp(path.stat())
            arrays = _arrays(path)
            _check(path, arrays)
        except FileNotFoundError:
            return [Trouble("file_missing", f"{path.name} is not there any more") for _ in wheres]
        except (OSError, SourceError):
            return [Trouble("unreadable", f"{path.name} cannot be read any more") for _ in wheres]
        return [_row(arrays, where, listed) for where in wheres]


def _row(arrays: dict[str, NDArray[Any]], where: Values, listed: str) -> Read:
    if where["stamp"] != listed:
        return Trouble("source_changed", "the file was changed since it was listed; make a new job")
    row = where["row"]
    quality = arrays.get("quality")
    weight = 1.0 if quality is None else float(quality[row])
    if not 0.0 <= weight <= 1.0:
        return Unfit(f"its quality {weight} is outside 0..1")
    return TemplateRow(np.array(arrays["rows"][row]), weight)


def _check(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    wanted = {"rows": (2, "f"), "persons": (1, "U"), "quality": (1, "f"), "names": (1, "U")}
    for name, (dimensions, kind) in wanted.items():
        array = arrays.get(name)
        if array is None:
            if name in ("rows", "persons"):
                raise SourceError(
                    f"{path} has no array {name!r}; it has {', '.join(sorted(arrays)) or 'none'}"
                )
        elif array.ndim != dimensions or array.dtype.kind != kind:
            what = "texts" if kind == "U" else "floats"
            raise SourceError(
                f"{path}: {name} must hold {what} in {dimensions} dimension(s), got {array.dtype} of {array.shape}"
            )
        elif len(array) != len(arrays["rows"]):
            raise SourceError(f"{path}: {name} has {len(array)} entries and rows {len(arrays['rows'])}")


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array, mapped. Raises SourceError and FileNotFoundError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                member.filename.removesuffix(".npy"): _mapped(path, archive, member)
                for member in archive.infolist()
            }
    except (zipfile.BadZipFile, ValueError) as error:
        raise SourceError(f"{path} cannot be read as an .npz file: {error}") from error


def _mapped(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type != zipfile.ZIP_STORED:
        raise SourceError(f"{path} is compressed; write it by numpy.savez, not savez_compressed")
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
        header = file.tell()
    if dtype.hasobject:
        raise SourceError(f"{path}: {member.filename} holds Python objects, which are never read")
    if not shape or 0 in shape:
        with archive.open(member) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))
    start = _data_start(path, member) + header
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def _data_start(path: Path, member: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(LOCAL_HEADER)
    name, extra = int.from_bytes(local[26:28], "little"), int.from_bytes(local[28:30], "little")
    return member.header_offset + LOCAL_HEADER + name + extra
