"""Says on this machine which worker processes live: each holds a locked file, which the system lets go when it dies."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

NAME = re.compile(r"[0-9a-f]{16}")


class Presence:
    """This process among the workers of one data folder. `name` begins its leases."""

    def __init__(self, folder: Path) -> None:
        """folder: holds one file a worker, is made where missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.name, self._file = _present(folder)

    def dead(self) -> Iterator[str]:
        """Names of workers that ended without a word. One is forgotten when the next is asked for, so that whoever
        stops half-way, or dies itself, leaves the name to be told again.
        """
        for path in self._folder.iterdir():
            if path.name == self.name or not NAME.fullmatch(path.name):
                continue
            held = _locked(path)
            if held is None:
                continue
            try:
                yield path.name
                path.unlink(missing_ok=True)
            finally:
                os.close(held)

    def close(self) -> None:
        """This worker ends in order and holds nothing."""
        if self._file is not None:
            (self._folder / self.name).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


def _present(folder: Path) -> tuple[str, int | None]:
    while True:
        name = secrets.token_hex(8)
        held = _locked(folder / name)
        # Between making and locking, another worker may have taken the file for a dead one's, and removed it.
        if held is not None and os.fstat(held).st_nlink:
            return name, held
        if held is not None:
            os.close(held)


def _locked(path: Path) -> int | None:
    """The opened and locked file, None where another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle
