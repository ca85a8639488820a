"""Backups of a service's data: the store and the secrets beside it, as one private file; restored into an empty home.

What is not in it: snapshots, which are derived, files that jobs made, and model packs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from index import audit_salt
from index.backup.parts import BadBackup, Checked, Header, check
from index.backup.restore import NotEmpty, empty_store, file_bytes, restore
from index.backup.take import take
from index.private_file import opened_beside, write_privately
from index.registers import open_store
from index.snapshot import sync_folder
from index.store.sqlite import FILE
from serving import cursors
from serving.keys import gallery_settings
from serving.rekognition import credentials
from serving.settings import Settings

Progress = Callable[[int, int], None]

SECRETS = (f"gallery/{audit_salt.FILE}", cursors.FILE, credentials.FILE)
"""Private files of the data folder without which a restored gallery is not what it was."""
LARGEST_SECRET = 1024


@dataclass(frozen=True)
class Written:
    """A backup that is whole and on the disk."""

    path: Path
    header: Header
    bytes: int


def back_up_to(
    settings: Settings, file: BinaryIO, progress: Progress, *, with_secrets: bool = True
) -> Header:
    """One moment of the data, written to an open file. Raises BadBackup, StoreUnavailable, OSError."""
    stored = gallery_settings(settings)
    if stored.database is None and not (stored.path / FILE).exists():
        raise BadBackup(f"there is no gallery in {settings.folder}, so there is nothing to back up")
    found: dict[str, bytes] = {}
    for name in SECRETS if with_secrets else ():
        with suppress(FileNotFoundError):
            found[name] = (settings.folder / name).read_bytes()
    # Its schema stays as it is: the services that run may be of the version before.
    store = open_store(stored, schema=None)
    try:
        return take(store, file, found, progress)
    finally:
        store.close()


def back_up(settings: Settings, target: Path, progress: Progress, *, with_secrets: bool = True) -> Written:
    """A new file at `target`, or in it where it is a folder; readable by its owner only.

    It gets its name when it is whole and on the disk. Raises FileExistsError, and as back_up_to.
    """
    path = target
    if target.is_dir():
        path = target / f"cocircle-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"
    if path.exists():
        raise FileExistsError(17, "there is a file already; a backup writes over nothing", str(path))
    with opened_beside(path) as (beside, file):
        header = back_up_to(settings, file, progress, with_secrets=with_secrets)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
        os.rename(beside, path)
        sync_folder(path.parent)
    return Written(path, header, size)


@contextmanager
def spooled(settings: Settings, source: BinaryIO) -> Iterator[BinaryIO]:
    """What can be read once as a private file of the data folder, which is gone when the block ends."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    with opened_beside(settings.folder / "restore") as (beside, file):
        beside.unlink()
        shutil.copyfileobj(source, file, 1 << 20)
        file.seek(0)
        yield file


def restore_from(settings: Settings, file: BinaryIO, progress: Progress) -> Checked:
    """Everything of a file into an empty data folder or database, or nothing. The whole file is checked first.

    Where it is interrupted, the database stays empty and it can be done again. Raises BadBackup, NotEmpty,
    StoreUnavailable, OSError.
    """
    checked = check(file)
    kept = {name: file_bytes(line) for name, line in checked.files.items()}
    for name, data in kept.items():
        if name not in SECRETS or len(data) > LARGEST_SECRET:
            raise BadBackup(f"the backup names a file that belongs into no data folder: {name[:80]!r}")
        path = settings.folder / name
        if path.exists() and path.read_bytes() != data:
            raise NotEmpty(
                f"{path} is there and is not the one of the backup; remove it where nothing needs it, or give an "
                "empty folder"
            )
    stored = gallery_settings(settings)
    with empty_store(stored, checked.header.schema) as store:
        # Before the rows: a service that finds rows must find these, or it makes others.
        for name, data in kept.items():
            write_privately(settings.folder / name, data)
        restore(store, file, progress)
    open_store(stored).close()  # a backup of an older version is brought to the newest schema
    return checked
