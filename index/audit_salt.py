"""The secret under which persons stand in the audit: one private file of the gallery's folder, made once."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

FILE = "audit.salt"
LENGTH = 32


def open_salt(folder: Path) -> bytes:
    """The 32 bytes of the folder's file, made at first use; of processes that make it at once, the first one's stay.

    Raises ValueError where the file is not of that length.
    """
    path = folder / FILE
    if not path.exists():
        _make_once(path)
    salt = path.read_bytes()
    if len(salt) != LENGTH:
        raise ValueError(
            f"{path} has {len(salt)} bytes, it must have {LENGTH}; put back its copy of the backup"
        )
    return salt


def _make_once(path: Path) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        pass
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
