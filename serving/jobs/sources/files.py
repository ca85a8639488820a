"""Bytes of ordinary files of this machine, whole or in part, within a limit; knows no source."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from faces.face import Reason
from faces.image import ImageError
from serving.jobs.sources.source import Trouble


def read_file(path: Path, most: int) -> bytes:
    """A whole file. Raises Trouble, and ImageError where it has more than `most` bytes."""
    with opened(path) as file:
        check_size(os.fstat(file.fileno()).st_size, most)
        data = _read(file, most + 1)
        check_size(len(data), most)  # it may have grown
    return data


def read_part(file: BinaryIO, at: int, size: int) -> bytes:
    """`size` bytes from the place `at`. Raises Trouble where the file has no such part."""
    file.seek(at)
    data = _read(file, size)
    if len(data) < size:
        raise Trouble("source_changed", "the file is shorter than when it was listed; make a new job")
    return data


def check_size(size: int, most: int) -> None:
    """Raises ImageError for an image of more than `most` bytes."""
    if size > most:
        raise ImageError(Reason.TOO_LARGE, f"the image has {size:,} bytes; at most {most:,} are accepted")


@contextmanager
def opened(path: Path, unchanged: str | None = None) -> Iterator[BinaryIO]:
    """An ordinary file, to be read. unchanged: what `stamp` said of it when it was listed. Raises Trouble."""
    try:
        # Without waiting: a pipe in a folder of photos must not stop the job.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Trouble("file_missing", f"{path.name} is not there any more") from None
    except OSError as error:
        raise Trouble("unreadable", f"{path.name} cannot be read: {error.strerror}") from None
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise Trouble("unreadable", f"{path.name} is no ordinary file")
    with open(handle, "rb", buffering=0) as file:
        if unchanged is not None and stamp(found) != unchanged:
            raise Trouble("source_changed", f"{path.name} was changed since it was listed; make a new job")
        yield file


def stamp(found: os.stat_result) -> str:
    """Tells a file from what it was before: its size and when it was changed."""
    return f"{found.st_size}-{found.st_mtime_ns}"


def _read(file: BinaryIO, size: int) -> bytes:
    parts = []
    try:
        while size and (part := file.read(size)):
            parts.append(part)
            size -= len(part)
    except OSError as error:
        raise Trouble("unreadable", f"it cannot be read: {error.strerror}") from None
    return b"".join(parts)
