"""The secret under which persons stand in the audit: one private file of the gallery's folder, made once."""

from __future__ import annotations

from pathlib import Path

from index.private_file import SECRET_BYTES, secret_of

FILE = "audit.salt"


def open_salt(folder: Path) -> bytes:
    """The 32 bytes of the folder's file, made at first use; of processes that make it at once, the first one's stay.

    Raises ValueError where the file is not of that length.
    """
    path = folder / FILE
    salt = secret_of(path)
    if len(salt) != SECRET_BYTES:
        raise ValueError(
            f"{path} has {len(salt)} bytes, it must have {SECRET_BYTES}; put back its copy of the backup"
        )
    return salt
