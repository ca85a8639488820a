"""Private files: a crash leaves the old or the new one, never half. What is in them is their callers' own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from index.snapshot import sync_folder

SECRET_BYTES = 32


def write_privately(path: Path, data: bytes) -> None:
    """Replaces `path` atomically and durably, readable by its owner only."""
    with _beside(path, data) as beside:
        os.replace(beside, path)


def secret_of(path: Path) -> bytes:
    """The secret that `path` keeps, SECRET_BYTES long where it is made here, at first use.

    Of processes that make it at once, the first one's stays.
    """
    if not path.exists():
        with (
            _beside(path, secrets.token_bytes(SECRET_BYTES)) as beside,
            suppress(FileExistsError),
        ):
            os.link(beside, path)
    return path.read_bytes()


@contextmanager
def opened_beside(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new, empty file beside `path` that only its owner may read; gone when the block ends, unless it was renamed."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield beside, file
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file with `data` beside `path`, gone when the block ends; names given in the block are durable then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened_beside(path) as (beside, file):
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        yield beside
    sync_folder(path.parent)
