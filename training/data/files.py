"""Bytes from the middle of many files, from any thread; knows no format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from training.data.records import BadRecord

_OPEN = 256
"""Files of one set that stay open; most systems allow a process 1,024."""


class Files:
    """Positioned reads, without a lock and without moving anybody's position."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._descriptor = lru_cache(_OPEN)(self._opened)

    def read(self, file: int, offset: int, size: int, record: str) -> bytes:
        """`size` bytes of the file with that number; BadRecord where it ends before. `record` names them."""
        descriptor = self._descriptor(file)
        data = os.pread(descriptor.number, size, offset)
        while 0 < len(data) < size:
            more = os.pread(descriptor.number, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        if len(data) < size:
            reason = (
                f"the file ends after {len(data)} of its {size} bytes; has it changed since it was opened?"
            )
            raise BadRecord(str(self.paths[file]), record, reason)
        return data

    def _opened(self, file: int) -> _Descriptor:
        return _Descriptor(self.paths[file])


class _Descriptor:
    # Closed when the last thread that reads from it lets go, which may be after the cache has dropped it.
    def __init__(self, path: Path) -> None:
        self.number = -1
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)
