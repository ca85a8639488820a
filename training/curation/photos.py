"""A folder of identities' folders -> its photos, one after the other in an order that never changes; reads none.

Order is that of code points, folder by folder. Nothing is held but the names of the identities and those in the
folder that is being walked, however many photos there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.curation.errors import CurationError


@dataclass(frozen=True)
class Photo:
    """A file in an identity's folder. file: its path from there, with slashes."""

    identity: str
    file: str

    @property
    def name(self) -> str:
        """`identity/file`, its path from the folder of the photos."""
        return f"{self.identity}/{self.file}"


@dataclass(frozen=True)
class NotFollowed:
    """A symbolic link that leads out of the photos, to nothing, or within an identity to a folder. file: empty where
    the link stands for an identity's folder.
    """

    identity: str
    file: str


@dataclass(frozen=True)
class Entered:
    """What follows belongs to this identity, which may have nothing."""

    identity: str


Found = Entered | Photo | NotFollowed


class Photos:
    """The photos of a folder. Every file counts as one, whatever its name, but those that begin with a dot."""

    def __init__(self, root: Path) -> None:
        """CurationError where `root` is no folder, holds no folders, or one whose name cannot be a class's."""
        if not root.is_dir():
            raise CurationError(f"no folder of photos at {root}")
        self.root = root.resolve()
        with os.scandir(root) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
        folders = sorted(entry.name for entry in shown if entry.is_dir())
        self.identities = [name for name in folders if self._inside(str(self.root / name))]
        self.outside = [name for name in folders if not self._inside(str(self.root / name))]
        """Links among them that lead out of the photos; not followed."""
        self.loose = len(shown) - len(folders)
        """Files beside the identities' folders, which belong to nobody."""
        if not self.identities:
            loose = f"; the {self.loose} files in it belong to no identity" if self.loose else ""
            raise CurationError(f"{root} holds no folders: photos lie in a folder an identity{loose}")
        for identity in self.identities:
            if "\n" in identity or not _is_text(identity):
                raise CurationError(
                    f"the folder {identity!r} in {root} cannot name a class: a name is UTF-8 without a line break; "
                    "rename it"
                )

    def walk(self, after: Photo | None = None) -> Iterator[Found]:
        """Everything, or what follows a photo, beginning with that photo's identity again."""
        if after is None:
            yield from (NotFollowed(identity, "") for identity in self.outside)
        for identity in self.identities:
            if after is not None and identity < after.identity:
                continue
            yield Entered(identity)
            last = tuple(after.file.split("/")) if after is not None and identity == after.identity else ()
            yield from self._in_folder(identity, (), last)

    def count(self) -> int:
        """How many photos there are."""
        return sum(isinstance(found, Photo) for found in self.walk())

    def read(self, photo: Photo, most: int) -> bytes:
        """The file, or its first `most` + 1 bytes where it is larger. OSError where it cannot be read."""
        # The real path, so that no link is followed that was not there when the folder was walked.
        path = os.path.realpath(self.root / photo.name)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most + 1)

    def _in_folder(self, identity: str, above: tuple[str, ...], last: tuple[str, ...]) -> Iterator[Found]:
        with os.scandir(self.root.joinpath(identity, *above)) as entries:
            shown = sorted(
                (entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
        for entry in shown:
            parts = (*above, entry.name)
            if last and parts < last[: len(parts)]:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._in_folder(identity, parts, last)
            elif last and parts <= last:
                continue
            elif entry.is_symlink() and not (entry.is_file() and self._inside(entry.path)):
                yield NotFollowed(identity, "/".join(parts))
            elif entry.is_file():
                yield Photo(identity, "/".join(parts))

    def _inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(f"{str(self.root).rstrip('/')}/")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
