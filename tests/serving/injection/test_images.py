"""What lies in an image file beside its pixels. Broken pixels are in test_mutated_images.py."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from PIL import Image as Pillow

from tests.serving.conftest import Att
from tests.serving.injection.kit import FACES, MARK, SCRIPT, Served, refused


def jpeg(att: Att, *segments: tuple[int, bytes], after: bytes = b"") -> bytes:
    """A photo of person 1 with segments of the application's own before its pixels."""
    buffer = io.BytesIO()
    Pillow.open(io.BytesIO(att[1, 1])).convert("RGB").save(buffer, "JPEG", quality=95)
    plain = buffer.getvalue()
    own = b"".join(
        b"\xff" + bytes([mark]) + struct.pack(">H", len(data) + 2) + data for mark, data in segments
    )
    return plain[:2] + own + plain[2:] + after


def png(att: Att, *chunks: tuple[bytes, bytes], after: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    Pillow.open(io.BytesIO(att[1, 1])).convert("RGB").save(buffer, "PNG")
    plain = buffer.getvalue()
    own = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return plain[:33] + own + plain[33:] + after


def exif(**texts: str) -> bytes:
    made = Pillow.Exif()
    for name, text in texts.items():
        made[int(name.removeprefix("tag"))] = text
    return made.tobytes()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{MARK}.class", MARK)
    return buffer.getvalue()


XMP = (
    f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY {MARK} "&e;&e;">]>'
    f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>&e;{SCRIPT}</x:xmpmeta>"
)
BOMB = zlib.compress(bytes(30_000_000), 9)
NOISE: dict[str, Callable[[Att], bytes]] = {
    "EXIF with a script": lambda att: jpeg(att, (0xE1, exif(tag270=SCRIPT, tag315=SCRIPT, tag33432=SCRIPT))),
    "XMP with an external entity": lambda att: jpeg(
        att, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode())
    ),
    "EXIF that points behind itself": lambda att: jpeg(
        att, (0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f" + MARK.encode())
    ),
    "EXIF that goes round": lambda att: jpeg(att, (0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0")),
    "a comment with PHP": lambda att: jpeg(att, (0xFE, f"<?php system('{MARK}'); ?>".encode())),
    "a broken colour profile": lambda att: jpeg(att, (0xE2, b"ICC_PROFILE\0\x01\xff" + MARK.encode() * 100)),
    "a thousand segments": lambda att: jpeg(att, *[(0xE5, MARK.encode() * 10)] * 1000),
    "a page behind the picture": lambda att: jpeg(att, after=f"<html>{SCRIPT}</html>".encode()),
    "an archive behind the picture": lambda att: jpeg(att, after=zipped()),
    "text chunks": lambda att: png(
        att, (b"tEXt", f"Comment\0{SCRIPT}".encode()), (b"iTXt", b"x\0\0\0\0\0" + XMP.encode())
    ),
    "a text chunk that swells": lambda att: png(att, (b"zTXt", b"Comment\0\0" + BOMB)),
    "a colour profile that swells": lambda att: png(att, (b"iCCP", b"x\0\0" + BOMB)),
    "an EXIF chunk": lambda att: png(att, (b"eXIf", exif(tag270=SCRIPT)[6:])),
    "a page behind the PNG": lambda att: png(att, after=f"<html>{SCRIPT}</html>".encode()),
}


@pytest.mark.parametrize("name", NOISE)
def test_what_lies_beside_the_pixels_changes_nothing_and_is_told_nowhere(
    served: Served, att: Att, name: str
) -> None:
    data = NOISE[name](att)
    plain = jpeg(att) if data.startswith(b"\xff\xd8") else png(att)
    answers = [served.http.post("/v1/embeddings", files={"image": one}) for one in (plain, data)]
    assert answers[0].status_code == answers[1].status_code == 200, answers[1].text
    assert answers[0].json()["faces"] == answers[1].json()["faces"]
    assert MARK not in answers[1].text


def test_nothing_but_pixels_is_in_a_kept_crop(served: Served, att: Att) -> None:
    data = NOISE["EXIF with a script"](att)
    made = served.http.post(FACES, files={"image": data}, params={"create": True}).json()
    crop = served.http.get(f"{FACES}/{made['enrolled'][0]['face_id']}/crop").content
    assert crop.startswith(b"\x89PNG\r\n\x1a\n")
    kinds, at = [], 8
    while at < len(crop):
        (size,) = struct.unpack(">I", crop[at : at + 4])
        kinds.append(crop[at + 4 : at + 8])
        at += size + 12
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize(
    "data",
    [
        f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>".encode(),
        XMP.encode(),
        b"%PDF-1.7 " + MARK.encode(),
        b"GIF89a" + SCRIPT.encode(),
        b"II*\0" + MARK.encode() * 20,
        b"\0\0\0\x20ftypheic" + MARK.encode() * 20,
        zipped(),
        b"push graphic-context\nimage over 0,0 0,0 'https://" + MARK.encode(),
        f"#!/bin/sh\n{MARK}".encode(),
        f"P5 99999 99999 255\n{MARK}".encode(),
        f"P5 -1 5 255\n{MARK}".encode(),
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
    ],
)
def test_a_file_of_another_kind_is_refused_by_its_bytes_whatever_it_is_called(
    served: Served, data: bytes
) -> None:
    answer = served.http.post("/v1/detect", files={"image": ("face.jpg", data, "image/jpeg")})
    message = refused(answer, (400, "invalid_image"), (413, "too_large"), (415, "unsupported_type"))
    assert MARK not in message
