"""A database's password that lies in a file, as a secret of a container does. The file is read, never written."""

from __future__ import annotations

from pathlib import Path

MOST_BYTES = 4096
VARIABLE = "COCIRCLE_DATABASE_PASSWORD_FILE"


def with_password_of(address: str, file: Path) -> str:
    """The address of a PostgreSQL database with the password that a file holds.

    Raises ValueError, which says what is wrong with the file and never what it holds.
    """
    if address == "sqlite":
        raise ValueError(
            f"{VARIABLE}={file}: the database is sqlite, which has no password; leave one of them out"
        )
    from index.store.database_url import with_password  # SQLAlchemy, which most commands never need

    password = _read(file)
    try:
        return with_password(address, password)
    except ValueError as error:
        raise ValueError(f"{VARIABLE}={file}: {error}") from None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except IsADirectoryError:
        raise ValueError(
            f"{VARIABLE}={file} is a folder: there was no such file when the container was made; write the password "
            "into a file, and make the container again"
        ) from None
    except OSError as error:
        raise ValueError(f"{VARIABLE}={file} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise ValueError(f"{VARIABLE}={file} has more than {MOST_BYTES} bytes; that is no password")
    try:
        password = data.decode().rstrip("\n")  # as the shell reads it, and with it PostgreSQL's own image
    except UnicodeDecodeError:
        raise ValueError(f"{VARIABLE}={file} is no text in UTF-8") from None
    if not password:
        raise ValueError(f"{VARIABLE}={file} is empty; write the password of the database's user into it")
    if not password.isprintable():
        raise ValueError(f"{VARIABLE}={file} holds more than one line, or characters that cannot be typed")
    return password
