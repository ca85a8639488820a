"""A named set of encoded images, in a tar or in a folder, with a digest of its content; decodes nothing."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".bmp", ".webp")


class DatasetError(ValueError):
    """A dataset is missing, incomplete or malformed; the message says what was looked for, where, and what to
    do.
    """


class Images(Protocol):
    """What can be embedded: encoded images under names. source: where they lie, for messages.

    names: sorted, each once. digest: SHA-256 (hexadecimal) over names and contents.
    """

    @property
    def source(self) -> Path: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def digest(self) -> str: ...

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every image as (name, encoded bytes), each once, in any order."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """Images in a tar or folder, the `source`. names: `Person/file.jpg`, or with `nested` whole paths below it.

    A tar and a folder of the same files have the same digest.
    """

    source: Path
    names: tuple[str, ...]
    digest: str
    nested: bool = False

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every image as (name, encoded bytes), each once, in the order they lie in the source."""
        wanted = frozenset(self.names)
        for name, data in _contents(self.source, self.nested):
            if name in wanted:
                yield name, data


def open_images(source: Path, *, nested: bool = False, only: Collection[str] | None = None) -> ImageSet:
    """The images of a tar or a folder: `Person/file` files, or with `nested` those at any depth, by their path.

    only: names that count; others are not read. DatasetError where there are none, a name is twice, or one of
    `only` is missing.
    """
    wanted = None if only is None else frozenset(only)
    digests: dict[str, bytes] = {}
    for name, data in _contents(source, nested, wanted):
        if name in digests:
            raise DatasetError(f"{source} holds {name} twice")
        digests[name] = hashlib.sha256(data).digest()
    if wanted is not None and (missing := sorted(wanted - digests.keys())):
        raise DatasetError(f"{source} lacks {len(missing)} images that are named, the first is {missing[0]}")
    if not digests:
        raise DatasetError(f"{source} holds no images{'' if nested else ' laid out as Person/file.jpg'}")
    names = tuple(sorted(digests))
    digest = combined_digest([name.encode() + b"\0" + digests[name] for name in names])
    return ImageSet(source, names, digest, nested)


def combined_digest(parts: Sequence[bytes]) -> str:
    """SHA-256 (hexadecimal) of several byte strings; their lengths are hashed too, so that borders matter."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def _contents(
    source: Path, nested: bool = False, only: frozenset[str] | None = None
) -> Iterator[tuple[str, bytes]]:
    def counts(name: str) -> bool:
        return name.lower().endswith(SUFFIXES) and (only is None or name in only)

    if source.is_dir():
        for path in sorted(source.rglob("*") if nested else source.glob("*/*")):
            name = path.relative_to(source).as_posix()
            if counts(name) and path.is_file():
                yield name, path.read_bytes()
        return
    if not source.is_file():
        raise DatasetError(f"no images at {source}: neither a tar nor a folder is there")
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                name = "/".join(PurePosixPath(member.name).parts[0 if nested else -2 :])
                if not member.isfile() or not counts(name):
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    yield name, stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise DatasetError(f"{source} cannot be read as a tar: {error}") from error
