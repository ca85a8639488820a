"""Removes exported files that still hold somebody who was deleted since; makes none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from index.errors import UnknownCollection
from index.store import clock
from serving.jobs.exported import BadExport, Header, read_header, read_person
from serving.jobs.exported_file import LONGEST_HEADER, LONGEST_LINE
from serving.jobs.results import whole_files
from serving.service import Service

AT_ONCE = 500


class ForgottenExports:
    """The files of one data folder. A file is read again only when faces of its collection were deleted since."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._looked: dict[Path, int] = {}
        """Of each file: the deletion up to which it is known to hold nobody who is gone."""

    def remove(self) -> None:
        """Removes each file that holds a person whom its collection does not hold any more."""
        files = whole_files(self._service.settings)
        self._looked = {path: at for path, at in self._looked.items() if path in files}
        for path in files:
            try:
                self._look(path)
            except (BadExport, FileNotFoundError):
                continue  # no file of ours, or its job was deleted meanwhile

    def _look(self, path: Path) -> None:
        with path.open("rb") as file:
            header = read_header(file.readline(LONGEST_HEADER))
        loss = self._last_loss(header)
        if loss is not None and loss <= self._looked.get(path, clock.microseconds(header.made_at) - 1):
            return
        if loss is None or self._holds_somebody_gone(path, header):
            path.unlink(missing_ok=True)
        else:
            self._looked[path] = loss

    def _last_loss(self, header: Header) -> int | None:
        """When faces of its collection were last deleted, 0 for never; None where the collection is gone."""
        with self._service.gallery.reading() as reading:
            try:
                return reading.last_loss(header.collection.id) or 0
            except UnknownCollection:
                return None

    def _holds_somebody_gone(self, path: Path, header: Header) -> bool:
        people = _people(path)
        while part := list(islice(people, AT_ONCE)):
            with self._service.gallery.reading() as reading:
                if len(reading.keys(header.collection.id, part)) < len(part):
                    return True
        return False


def _people(path: Path) -> Iterator[str]:
    """Ids of the persons in a file."""
    with path.open("rb") as file:
        file.readline(LONGEST_HEADER)
        line = file.readline(LONGEST_LINE)
        while following := file.readline(LONGEST_LINE):  # the last line is the checksum
            yield read_person(line).id
            line = following
