"""Lines of a text file with their numbers and places, however damaged the text is; knows nothing of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydantic import ValidationError

from serving.jobs.sources.source import Unfit


@dataclass(frozen=True)
class Line:
    """number: from 1. at: of its first byte. size: in bytes, its end included. text: None where it is too long."""

    number: int
    at: int
    size: int
    text: bytes | None


def lines(file: BinaryIO, longest: int) -> Iterator[Line]:
    """Those that are not blank. Of a line of more than `longest` bytes no byte is kept."""
    at = 0
    number = 0
    buffered: BinaryIO = open(file.fileno(), "rb", closefd=False)  # noqa: SIM115
    with buffered:
        buffered.seek(0)
        while text := buffered.readline(longest + 2):
            number += 1
            size = len(text)
            kept: bytes | None = text
            while not text.endswith(b"\n") and (text := buffered.readline(longest)):
                size, kept = size + len(text), None
            if kept is None or kept.strip():
                yield Line(number, at, size, kept)
            at += size


def told(error: ValidationError) -> str:
    """What is wrong with a row, without its values."""
    return "; ".join(_told(one) for one in error.errors(include_input=False, include_url=False)[:5])


def decoded(line: Line) -> str:
    """The text of a line without its end. Raises Unfit."""
    if line.text is None:
        raise Unfit(f"it has {line.size:,} bytes, more than a row may have")
    try:
        return line.text.decode("utf-8-sig" if line.number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Unfit("it is not UTF-8") from None


def _told(one: Any) -> str:
    place = ".".join(str(part) for part in one["loc"])
    return f"{place}: {one['msg']}" if place else str(one["msg"])
