"""Photos named by a list of this machine: a CSV or JSON Lines file with the columns person, file and perhaps name."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from index.job_records import Values
from serving.jobs.sources.files import opened, read_file
from serving.jobs.sources.lines import Line, decoded, lines, told
from serving.jobs.sources.source import Listed, LocalPath, Source, SourceError, Trouble, Unfit, unkeepable

LONGEST_ROW = 16 * 1024
JSON_ENDINGS = (".jsonl", ".ndjson")
ENDINGS = (".csv", *JSON_ENDINGS)
WANTED = ("person", "file")
COLUMNS = (*WANTED, "name")


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must lie in the list's own folder or below, and be named from there")
    if unkeepable(file):
        raise ValueError(f"its name {unkeepable(file)}")
    return file


class Row(BaseModel):
    """One photo. file: relative to the folder of the list. name: of the person, where they are new."""

    model_config = ConfigDict(strict=True, frozen=True)

    person: str = Field(min_length=1)
    file: Annotated[str, Field(min_length=1), AfterValidator(_inside)]
    name: str = ""


class Manifest(Source):
    """A row a line; other columns are not looked at. A bad row is an item of its own and spoils no other.

    CSV has a header line and commas between fields; a field in quotes does not reach beyond its line.
    """

    kind: Literal["manifest"] = "manifest"
    path: LocalPath

    def visible(self) -> bool:
        """See PhotoSource.visible."""
        return Path(self.path).is_file()

    def listing(self) -> Iterator[Listed]:
        """See PhotoSource.listing. Keys say the line, since a file may be named by two."""
        ending = Path(self.path).suffix.lower()
        if ending not in ENDINGS:
            raise SourceError(f"{self.path}: a list of photos ends in {', '.join(ENDINGS)}, not {ending!r}")
        try:
            with opened(Path(self.path)) as file:
                yield from _rows(file, _json if ending in JSON_ENDINGS else None)
        except (Trouble, Unfit) as error:
            raise SourceError(f"{self.path}: {error}") from error

    def read(self, where: Values, most: int) -> bytes:
        """See PhotoSource.read."""
        folder = os.path.realpath(Path(self.path).parent)
        file = os.path.realpath(Path(folder, where["file"]))
        if not Path(file).is_relative_to(folder):
            raise Unfit(f"{where['file']} is a link that leads out of the list's folder")
        return read_file(Path(file), most)


def _rows(file: BinaryIO, parse: Callable[[str], Row] | None) -> Iterator[Listed]:
    for line in lines(file, LONGEST_ROW):
        if parse is None:
            parse = _csv(decoded(line))
        else:
            yield _listed(line, parse)


def _listed(line: Line, parse: Callable[[str], Row]) -> Listed:
    number = {"line": line.number}
    try:
        row = parse(decoded(line))
    except ValidationError as error:
        return Listed(f"line {line.number}", None, number, invalid=told(error))
    except (Unfit, csv.Error) as error:
        return Listed(f"line {line.number}", None, number, invalid=str(error))
    key = f"line {line.number}: {row.file}"[:1024]
    return Listed(key, row.person, {**number, "file": row.file}, row.name)


def _json(text: str) -> Row:
    return Row.model_validate_json(text)


def _csv(header: str) -> Callable[[str], Row]:
    """Reads rows under this header. Raises Unfit."""
    columns = [column.strip().lower() for column in _fields(header)]
    missing = [name for name in WANTED if name not in columns]
    if missing or len(set(columns)) < len(columns):
        raise Unfit(f"its first line must name each column once, among them {' and '.join(WANTED)}")

    def parse(text: str) -> Row:
        fields = _fields(text)
        if len(fields) != len(columns):
            raise Unfit(f"it has {len(fields)} fields, the first line names {len(columns)}")
        return Row(**{name: value for name, value in zip(columns, fields, strict=True) if name in COLUMNS})

    return parse


def _fields(text: str) -> list[str]:
    return next(csv.reader([text], strict=True), [])
