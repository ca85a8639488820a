"""A named set of encoded images, in a tar or in a folder, with a digest of its content; decodes nothing."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".bmp", ".webp")


class DatasetError(ValueError):
    """A dataset is missing, incomplete or malformed; the message says what was looked for, where, and what to
    do.
    """


@dataclass(frozen=True)
class ImageSet:
    """Images by name, `Person/file.jpg`, sorted. source: the tar or folder they are read from.

    digest: SHA-256 over names and contents, so that a tar and a folder of the same files have the same
    digest.
    """

    source: Path
    names: tuple[str, ...]
    digest: str

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every image as (name, encoded bytes), each once, in the order they lie in the source."""
        wanted = frozenset(self.names)
        for name, data in _contents(self.source):
            if name in wanted:
                yield name, data


def open_images(source: Path) -> ImageSet:
    """The images of a tar or a folder of `Person/file` files; DatasetError where there are none or a name is
    twice.
    """
    digests: dict[str, bytes] = {}
    for name, data in _contents(source):
        if name in digests:
            raise DatasetError(f"{source} holds {name} twice")
        digests[name] = hashlib.sha256(data).digest()
    if not digests:
        raise DatasetError(f"{source} holds no images laid out as Person/file.jpg")
    names = tuple(sorted(digests))
    return ImageSet(source, names, combined_digest([name.encode() + b"\0" + digests[name] for name in names]))


def combined_digest(parts: Sequence[bytes]) -> str:
    """SHA-256 (hexadecimal) of several byte strings; their lengths are hashed too, so that borders matter."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def _contents(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.glob("*/*")):
            if path.suffix.lower() in SUFFIXES:
                yield f"{path.parent.name}/{path.name}", path.read_bytes()
        return
    if not source.is_file():
        raise DatasetError(f"no images at {source}: neither a tar nor a folder is there")
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                if not member.isfile() or not member.name.lower().endswith(SUFFIXES):
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    yield "/".join(Path(member.name).parts[-2:]), stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{source} cannot be read as a tar: {error}") from error
