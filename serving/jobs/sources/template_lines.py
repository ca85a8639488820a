"""Templates as JSON Lines: a row a line, read by its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.job_records import Values
from serving.jobs.sources.files import opened, read_part, stamp
from serving.jobs.sources.lines import Line, decoded, lines, told
from serving.jobs.sources.source import Listed, SourceError, Trouble, Unfit
from serving.jobs.sources.template_row import Read, TemplateRow

LONGEST_ROW = 256 * 1024
"""4096 components of 20 characters, three times over."""


class Whose(BaseModel):
    """What of a row is needed to list it."""

    model_config = ConfigDict(strict=True)

    person: str = Field(min_length=1)
    name: str = ""


class Row(Whose):
    """A whole row."""

    embedding: list[float] = Field(min_length=1)
    quality: float = Field(default=1.0, ge=0, le=1)


class Header(BaseModel):
    """The first line of a file that names its contract."""

    model_config = ConfigDict(strict=True)

    contract_id: str = Field(min_length=1, max_length=255)
    person: None = None


class LinesForm:
    """How a file of lines is listed and read."""

    def contract_id(self, path: Path) -> str | None:
        """That of the header, if there is one. Raises SourceError."""
        first = _first(path)
        header = None if first is None else _header(first)
        return None if header is None else header.contract_id

    def listing(self, path: Path) -> Iterator[Listed]:
        """See Templates.listing."""
        try:
            with opened(path) as file:
                unchanged = stamp(path.stat())
                for at, line in enumerate(lines(file, LONGEST_ROW)):
                    if at or _header(line) is None:
                        yield _listed(line, unchanged)
        except Trouble as trouble:
            raise SourceError(f"{path}: {trouble}") from trouble

    def read(self, path: Path, wheres: Sequence[Values]) -> list[Read]:
        """See Templates.read."""
        found: list[Read] = []
        for where in wheres:
            try:
                with opened(path, unchanged=where["stamp"]) as file:
                    found.append(_row(read_part(file, where["at"], where["size"])))
            except (Trouble, Unfit) as error:
                found.append(error)
        return found


def begins_as_templates(path: Path) -> bool:
    """Whether the first line is a header or a row. Raises SourceError."""
    first = _first(path)
    if first is None or first.text is None:
        return False
    try:
        _row(first.text)
    except Unfit:
        return _header(first) is not None
    return True


def _first(path: Path) -> Line | None:
    try:
        with opened(path) as file:
            return next(lines(file, LONGEST_ROW), None)
    except Trouble as trouble:
        raise SourceError(f"{path}: {trouble}") from trouble


def _header(line: Line) -> Header | None:
    try:
        return Header.model_validate_json(decoded(line))
    except (ValidationError, Unfit):
        return None


def _listed(line: Line, unchanged: str) -> Listed:
    key = f"line {line.number}"
    try:
        whose = Whose.model_validate_json(decoded(line))
    except ValidationError as error:
        return Listed(key, None, {"line": line.number}, invalid=told(error))
    except Unfit as error:
        return Listed(key, None, {"line": line.number}, invalid=str(error))
    where = {"line": line.number, "at": line.at, "size": line.size, "stamp": unchanged}
    return Listed(key, whose.person, where, whose.name)


def _row(text: bytes) -> TemplateRow:
    try:
        row = Row.model_validate_json(text.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        raise Unfit(told(error)) from error
    return TemplateRow(np.array(row.embedding), row.quality)
