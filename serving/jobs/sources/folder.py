"""Photos in a folder of this machine: PERSON/PHOTO.jpg, however deep, or PERSON.jpg."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from index.job_records import Values
from serving.jobs.sources.files import read_file
from serving.jobs.sources.source import Listed, LocalPath, Source, SourceError, is_photo, photo


class Folder(Source):
    """Each sub-folder is a person, and each photo beside them is one, by its name. Other files are not looked at.

    Links to files are followed, and so are those to the folders of persons. Memory: names of one folder at a time.
    """

    kind: Literal["folder"] = "folder"
    path: LocalPath

    def visible(self) -> bool:
        """See PhotoSource.visible."""
        return Path(self.path).is_dir()

    def listing(self) -> Iterator[Listed]:
        """See PhotoSource.listing."""
        if not self.visible():
            raise SourceError(f"there is no folder {self.path}")
        return (photo(name, {"file": name}) for name in self._names("", links=True))

    def read(self, where: Values, most: int) -> bytes:
        """See PhotoSource.read."""
        return read_file(Path(self.path, where["file"]), most)

    def _names(self, below: str, *, links: bool) -> Iterator[str]:
        """Paths of photos relative to the root, sorted by their parts. links: whether linked folders are entered."""
        folders: set[str] = set()
        names: list[str] = []
        try:
            with os.scandir(Path(self.path, below)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=links):
                        folders.add(entry.name)
                        names.append(entry.name)
                    elif is_photo(entry.name) and entry.is_file():
                        names.append(entry.name)
        except FileNotFoundError:
            return  # it went while the others were listed
        except OSError as error:
            raise SourceError(f"{Path(self.path, below)} cannot be listed: {error.strerror}") from error
        for name in sorted(names):
            if name in folders:
                yield from self._names(f"{below}{name}/", links=False)
            else:
                yield below + name
