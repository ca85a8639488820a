"""Photos in a tar archive of this machine, read where they lie in it; nothing is unpacked."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from index.job_records import Values
from serving.jobs.sources.files import check_size, opened, read_part, stamp
from serving.jobs.sources.source import (
    Listed,
    LocalPath,
    Source,
    SourceError,
    Trouble,
    is_photo,
    photo,
    readable,
)

PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of compressed files, and what unpacks them."""


class Tar(Source):
    """Members PERSON/PHOTO.jpg or PERSON.jpg. A name that is there twice counts once.

    The archive must not be compressed, so that any member can be read without those before it.
    """

    kind: Literal["tar"] = "tar"
    path: LocalPath

    def visible(self) -> bool:
        """See PhotoSource.visible."""
        return Path(self.path).is_file()

    def listing(self) -> Iterator[Listed]:
        """See PhotoSource.listing."""
        try:
            with opened(Path(self.path)) as file:
                yield from self._members(file)
        except Trouble as trouble:
            raise SourceError(f"{self.path}: {trouble}") from trouble

    def read(self, where: Values, most: int) -> bytes:
        """See PhotoSource.read."""
        check_size(where["size"], most)
        with opened(Path(self.path), unchanged=where["stamp"]) as file:
            return read_part(file, where["at"], where["size"])

    def _members(self, file: BinaryIO) -> Iterator[Listed]:
        _refuse_packed(file, self.path)
        listed = stamp(Path(self.path).stat())
        try:
            with tarfile.open(fileobj=file, mode="r:", errorlevel=2, encoding="utf-8") as archive:
                while (member := archive.next()) is not None:
                    archive.members = []  # type: ignore[attr-defined]  # it would keep every one there is
                    name = member.name.removeprefix("./")
                    if is_photo(name) and not member.isdir():
                        yield _listed(name, member, listed)
                _check_end(file, archive.offset)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise SourceError(f"{self.path} is no tar archive, or a damaged one: {error}") from error


def _listed(name: str, member: tarfile.TarInfo, listed: str) -> Listed:
    if not member.isreg() or member.issparse():
        return Listed(
            readable(name), None, invalid="it is no ordinary file of the archive; links are not followed"
        )
    if name.startswith("/") or ".." in name.split("/"):
        return Listed(readable(name).lstrip("/") or "?", None, invalid="its name leads out of the archive")
    return photo(name, {"at": member.offset_data, "size": member.size, "stamp": listed})


def _refuse_packed(file: BinaryIO, path: str) -> None:
    start = file.read(8)
    file.seek(0)
    for first, program in PACKED.items():
        if start.startswith(first):
            raise SourceError(
                f"{path} is compressed ({program}); photos are read where they lie in the archive: "
                "unpack it to a plain .tar first"
            )


def _check_end(file: BinaryIO, at: int) -> None:
    """tarfile takes a damaged header for the end; the end is nothing, or a block of zeros."""
    file.seek(at)
    if any(file.read(tarfile.BLOCKSIZE)):
        raise SourceError(
            f"the archive is damaged {at:,} bytes from its start; the photos before it are taken"
        )
