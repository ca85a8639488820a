"""The file of an exported collection as a whole: written so that it is never half there, checked, taken apart."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from index.carried import CarriedPerson
from index.snapshot import sync_folder
from serving.jobs.exported import BadExport, Header, Trailer, line_of, person_line, read_header, read_person

LONGEST_HEADER = 1 << 20
LONGEST_LINE = 256 << 20
"""Bytes of one person with all faces and crops."""


@dataclass(frozen=True)
class Whole:
    """A file whose checksum is right. body: the offset of the first person's line, and of the trailer."""

    header: Header
    trailer: Trailer
    body: tuple[int, int]


@dataclass(frozen=True)
class Written:
    """What was written. sha256: of the whole file, trailer included."""

    bytes: int
    sha256: str
    persons: int
    faces: int


def write_beside(path: Path, header: Header, persons: Iterable[CarriedPerson]) -> tuple[Path, Written]:
    """A whole and durable file beside `path`, readable by its owner only, to be renamed to it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            written = _write(file, header, persons)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside, written


def _write(file: BinaryIO, header: Header, persons: Iterable[CarriedPerson]) -> Written:
    digest, size, count, faces = hashlib.sha256(), 0, 0, 0

    def put(line: bytes) -> None:
        nonlocal size
        file.write(line)
        digest.update(line)
        size += len(line)

    put(line_of(header.model_dump(mode="json")))
    for person in persons:
        put(person_line(person))
        count += 1
        faces += len(person.faces)
    put(line_of(Trailer(persons=count, faces=faces, sha256=digest.hexdigest()).model_dump()))
    return Written(size, digest.hexdigest(), count, faces)


def put_in_place(beside: Path, path: Path) -> None:
    """Renames a file of `write_beside`, for good."""
    os.replace(beside, path)
    sync_folder(path.parent)


def remove_halves(path: Path) -> None:
    """Removes what attempts at `path` left that did not end."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def check(file: BinaryIO) -> Whole:
    """Reads a file from end to end. Raises BadExport, OSError."""
    first = file.readline(LONGEST_HEADER)
    header = read_header(first)
    digest, last, size = hashlib.sha256(), first, 0
    while line := file.readline(LONGEST_LINE):
        digest.update(last)
        size += len(last)
        last = line
        if not line.endswith(b"\n"):
            raise BadExport(
                f"the file ends in the middle of a line, or has one of more than {LONGEST_LINE} bytes: it is not whole"
            )
    if last is first:
        raise BadExport("the file ends after its header: it is not whole")
    try:
        trailer = Trailer.model_validate_json(last)
    except ValidationError:
        raise BadExport("the last line is no checksum: the file is not whole") from None
    if trailer.sha256 != digest.hexdigest():
        raise BadExport("the checksum is wrong: the file was changed or damaged since it was exported")
    return Whole(header, trailer, (len(first), size))


def ranges(file: BinaryIO, whole: Whole, size: int, persons: int) -> Iterator[tuple[int, int, int]]:
    """(offset, bytes, persons) of lines that follow each other: at most `persons` of them, and not much over `size`
    bytes. The file is read again for it.
    """
    start, end = whole.body
    file.seek(start)
    at, count = start, 0
    while at < end:
        at += len(file.readline(LONGEST_LINE))
        count += 1
        if count == persons or at - start >= size or at >= end:
            yield start, at - start, count
            start, count = at, 0


def split(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A file as smaller ones that are each whole, of not much more than `size` bytes, to be sent one by one.

    Raises BadExport.
    """
    whole = check(file)
    header = line_of(whole.header.model_dump(mode="json"))
    for start, length, _ in list(ranges(file, whole, size, 1 << 30)):
        file.seek(start)
        body = file.read(length)
        lines = body.splitlines()
        faces = sum(len(read_person(line).faces) for line in lines)
        digest = hashlib.sha256(header + body).hexdigest()
        yield header + body + line_of(Trailer(persons=len(lines), faces=faces, sha256=digest).model_dump())
