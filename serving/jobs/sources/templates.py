"""Templates made elsewhere, in a file of this machine: which of two forms it has. Compares no contracts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from index.job_records import Values
from serving.jobs.sources import template_arrays, template_lines
from serving.jobs.sources.source import Listed, LocalPath, Source, SourceError
from serving.jobs.sources.template_row import Read

LINES = (".jsonl", ".ndjson")
ARRAYS = (".npz",)


def holds_templates(path: Path) -> bool:
    """Whether a file of lines begins as one of templates does. Raises SourceError."""
    return template_lines.begins_as_templates(path)


class Templates(Source):
    """Rows of person and embedding, perhaps with quality and name.

    JSON Lines: an object a row; a first object with `contract_id` and without `person` is the header. npz: arrays
    `rows` (N, D), `persons` (N,), perhaps `quality` (N,), `names` (N,) and `contract_id` (), not compressed.
    """

    kind: Literal["templates"] = "templates"
    path: LocalPath

    def visible(self) -> bool:
        """Whether this process can reach it now."""
        return Path(self.path).is_file()

    def contract_id(self) -> str | None:
        """What the file itself says its templates were made by. Raises SourceError."""
        return self._form().contract_id(Path(self.path))

    def listing(self) -> Iterator[Listed]:
        """Every row, in the file's order. Raises SourceError."""
        return self._form().listing(Path(self.path))

    def read(self, wheres: Sequence[Values]) -> list[Read]:
        """The rows at these places, and what is wrong with each that cannot be had."""
        return self._form().read(Path(self.path), wheres)

    def _form(self) -> template_lines.LinesForm | template_arrays.ArraysForm:
        ending = Path(self.path).suffix.lower()
        if ending in LINES:
            return template_lines.LinesForm()
        if ending in ARRAYS:
            return template_arrays.ArraysForm()
        raise SourceError(f"{self.path}: templates end in {', '.join((*LINES, *ARRAYS))}, not {ending!r}")
