"""Names of very many classes without an object for each: numbers, or the lines of a text file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.records import ClassNames


class NumberNames:
    """Classes that the source numbers. values: (C,) int64, ascending; None: the class ids themselves."""

    def __init__(self, classes: int, values: NDArray[np.int64] | None = None) -> None:
        if values is not None and len(values) != classes:
            raise ValueError(f"{len(values)} numbers were given for {classes} classes")
        self._classes, self._values = classes, values

    def __len__(self) -> int:
        return self._classes

    def __getitem__(self, index: int, /) -> str:
        at = _within(index, self._classes)
        return str(at if self._values is None else int(self._values[at]))


class LineNames:
    """The lines of a UTF-8 text, each ended by a newline. Takes the text and 8 bytes a line in memory."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        if text and not text.endswith(b"\n"):
            raise ValueError(f"the names end in {text[-20:]!r}, without a newline (cut short?)")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int, /) -> str:
        at = _within(index, len(self))
        start = int(self._ends[at - 1]) + 1 if at else 0
        return self._text[start : int(self._ends[at])].decode()


class FileNames:
    """The same from a file that is read when the first name is asked for."""

    def __init__(self, path: Path, classes: int) -> None:
        self._path, self._classes = path, classes
        self._lines: LineNames | None = None

    def __len__(self) -> int:
        return self._classes

    def __getitem__(self, index: int, /) -> str:
        if self._lines is None:
            lines = LineNames(self._path.read_bytes())
            if len(lines) != self._classes:
                raise ValueError(f"{self._path} holds {len(lines)} names for {self._classes} classes")
            self._lines = lines
        return self._lines[index]


def as_lines(names: ClassNames) -> bytes:
    """The text that LineNames and FileNames read; ValueError for a name with a newline in it."""
    lines = []
    for number in range(len(names)):
        name = names[number]
        if "\n" in name:
            raise ValueError(f"the name {name!r} of class {number} holds a newline; rename it")
        lines.append(name)
    return "".join(f"{line}\n" for line in lines).encode()


def _within(index: int, count: int) -> int:
    at = index + count if index < 0 else index
    if not 0 <= at < count:
        raise IndexError(f"class {index} is outside 0..{count - 1}")
    return at
