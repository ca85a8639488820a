"""The file of a backup: a header, parts with their checksums, an end that says it is whole. Knows no database.

Everything is lines of JSON. A part is a line that says how many bytes of rows follow and what their SHA-256 is, and
then those rows, an array a line. The last line has the SHA-256 of all bytes before it: without it a file is not whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

FORMAT, VERSION = "cocircle-backup", 1
LONGEST_LINE = 1 << 20
"""Bytes of the header, or of the line that begins a part."""
PART_BYTES = 1 << 22
"""Of rows gathered before they are written as a part; one large row makes a larger part."""
LARGEST_PART = 1 << 29


class BadBackup(Exception):
    """The file is damaged, half, of another format or version; the message says which."""


@dataclass(frozen=True)
class TableSpec:
    """What is in the file of one table. highest: the highest row number it ever gave, None where it gives none."""

    columns: tuple[str, ...]
    rows: int
    highest: int | None


@dataclass(frozen=True)
class Header:
    """The first line. schema: the step of the migrations. revision: the newest one. files: small ones that go along.

    tables: in an order in which no row refers to a later table. contracts: of the models that the templates are of.
    """

    schema: str
    made_at: str
    revision: int
    contracts: tuple[str, ...]
    tables: Mapping[str, TableSpec]
    files: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True)
class Part:
    """Some rows of a table, or the one file of a name, as lines without their ends."""

    kind: str
    name: str
    lines: list[bytes]


@dataclass
class Checked:
    """A file whose every checksum is right. files: the lines of the small ones, by name. bytes: of the whole."""

    header: Header
    files: dict[str, bytes] = field(default_factory=dict)
    bytes: int = 0


class Writer:
    """Writes a file from its start to its end; what is never `end`ed is never taken for whole."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._parts = 0
        self.bytes = 0
        """Written so far."""
        self._put(_line({"format": FORMAT, "version": VERSION, **asdict(header)}))

    def part(self, kind: str, name: str, lines: Sequence[bytes]) -> None:
        """Rows of a table (`table`), or a whole small file (`file`)."""
        body = b"".join(lines)
        digest = hashlib.sha256(body).hexdigest()
        begins = {"part": kind, "name": name, "rows": len(lines), "bytes": len(body), "sha256": digest}
        self._put(_line(begins))
        self._put(body)
        self._parts += 1

    def end(self) -> None:
        """The file is whole."""
        self._put(_line({"end": FORMAT, "parts": self._parts, "sha256": self._digest.hexdigest()}))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)


def row_line(values: Sequence[Any]) -> bytes:
    """A row as a line with its end."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def check(file: BinaryIO) -> Checked:
    """Reads a file from its start to its end, in bounded memory. Raises BadBackup, OSError."""
    header = read_header(file)
    checked = Checked(header)
    counted = dict.fromkeys(header.tables, 0)
    for part in read_parts(file, header):
        if part.kind == "table":
            counted[part.name] += len(part.lines)
        else:
            checked.files[part.name] = part.lines[0]
    for name, rows in counted.items():
        if rows != header.tables[name].rows:
            raise BadBackup(f"it has {rows} rows of {name} where {header.tables[name].rows} belong")
    if set(checked.files) != set(header.files):
        raise BadBackup("it lacks small files that its header names")
    checked.bytes = file.tell()
    return checked


def read_header(file: BinaryIO) -> Header:
    """The first line, read from the start of a file. Raises BadBackup."""
    file.seek(0)
    values = _object(file.readline(LONGEST_LINE))
    if values.get("format") != FORMAT:
        raise BadBackup("this is no backup: its first line is no header of one")
    if values.get("version") != VERSION:
        raise BadBackup(f"the backup has version {values.get('version')!r}, this code reads {VERSION}")
    try:
        tables = {
            _text(name): TableSpec(
                tuple(_text(column) for column in spec["columns"]),
                _count(spec["rows"]),
                None if spec["highest"] is None else _count(spec["highest"]),
            )
            for name, spec in values["tables"].items()
        }
        return Header(
            _text(values["schema"]),
            _text(values["made_at"]),
            _count(values["revision"]),
            tuple(_text(one) for one in values["contracts"]),
            tables,
            tuple(_text(one) for one in values["files"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise BadBackup("the header of the backup is damaged") from None


def read_parts(file: BinaryIO, header: Header) -> Iterator[Part]:
    """Every part after the header, each checked, and then that the file is whole. Raises BadBackup."""
    digest = hashlib.sha256()
    end = file.tell()
    file.seek(0)
    digest.update(file.read(end))
    number = 0
    while True:
        line = file.readline(LONGEST_LINE)
        begins = _object(line)
        if "end" in begins:
            break
        number += 1
        digest.update(line)
        part, body = _part(file, header, begins, number)
        digest.update(body)
        yield part
    if begins != {"end": FORMAT, "parts": number, "sha256": digest.hexdigest()}:
        raise BadBackup("the checksum of the whole is wrong: the backup was changed or damaged")
    if file.read(1):
        raise BadBackup("something follows the end of the backup")


def _part(file: BinaryIO, header: Header, begins: Mapping[str, Any], number: int) -> tuple[Part, bytes]:
    try:
        kind, name, rows = _text(begins["part"]), _text(begins["name"]), _count(begins["rows"])
        size, sha256 = _count(begins["bytes"]), _text(begins["sha256"])
    except (KeyError, TypeError, ValueError):
        raise BadBackup(f"the line before part {number} is damaged") from None
    known = header.tables if kind == "table" else header.files if kind == "file" else ()
    if name not in known or size > LARGEST_PART:
        raise BadBackup(f"part {number} is of nothing that the header names, or too large")
    body = file.read(size)
    if len(body) != size:
        raise BadBackup(f"the backup ends inside part {number}: it is not whole")
    if hashlib.sha256(body).hexdigest() != sha256:
        raise BadBackup(f"part {number} ({name}) has a wrong checksum: it was changed or damaged")
    lines = body.splitlines()
    if len(lines) != rows or (kind == "file" and rows != 1):
        raise BadBackup(f"part {number} ({name}) has {len(lines)} rows where {rows} belong")
    return Part(kind, name, lines), body


def _object(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise BadBackup("the file ends in the middle of a line, or is no backup: it is not whole")
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise BadBackup("a line of the file is damaged, or it is no backup")
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value
