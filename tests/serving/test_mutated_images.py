"""Thousands of damaged images through the API: never a 5xx, never a traceback, always the envelope."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator

import httpx
import pytest
from PIL import Image as Pillow

from tests.serving.conftest import Att, Opened

REFUSALS = {400: {"invalid_image"}, 413: {"too_large"}, 415: {"unsupported_type"}, 422: {"no_face"}}


def originals(att: Att) -> list[bytes]:
    photo = Pillow.open(io.BytesIO(att[1, 1])).convert("RGB")
    exif = Pillow.Exif()
    exif[0x0112] = 8
    made = []
    for kind, options in [
        ("JPEG", {"quality": 90, "exif": exif}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
    ]:
        buffer = io.BytesIO()
        photo.save(buffer, kind, **options)
        made.append(buffer.getvalue())
    return [*made, att[1, 1]]


def mutations(att: Att, count: int) -> Iterator[bytes]:
    chance = random.Random(1)
    sources = originals(att)
    for _ in range(count):
        data = bytearray(chance.choice(sources))
        kind = chance.randrange(4)
        if kind == 0:
            del data[chance.randrange(len(data)) :]
        elif kind == 1:
            for _ in range(chance.randrange(1, 20)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        elif kind == 2:
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(min(64, len(data)))] = chance.randrange(256)
        else:
            at = chance.randrange(len(data))
            data[at:at] = chance.randbytes(chance.randrange(1, 64))
        yield bytes(data)


def throw(api: httpx.Client, images: Iterator[bytes]) -> dict[int, int]:
    seen: dict[int, int] = {}
    for data in images:
        answer = api.post("/v1/detect", content=data, headers={"content-type": "image/jpeg"})
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        if answer.status_code != 200:
            assert answer.json()["error"]["code"] in REFUSALS[answer.status_code], answer.text
            assert "Traceback" not in answer.text
    return seen


def test_mutated_images_are_refused_in_words(opened: Callable[..., Opened], att: Att) -> None:
    seen = throw(opened().http, mutations(att, 300))
    assert seen[400] > 30, "most cut and damaged images are noticed"
    assert sum(seen.values()) == 300


@pytest.mark.slow
def test_two_thousand_mutated_images_leave_the_service_as_it_was(
    opened: Callable[..., Opened], att: Att, capsys: pytest.CaptureFixture[str]
) -> None:
    api = opened().http
    api.post("/v1/collections", json={"id": "c"})
    seen = throw(api, mutations(att, 2000))
    assert sum(seen.values()) == 2000
    for data in mutations(att, 200):
        answer = api.post(
            "/v1/collections/c/persons/p/faces",
            files={"image": data},
            params={"create": True, "quality": "none"},
        )
        assert answer.status_code < 500
    assert api.get("/readyz").status_code == 200
    assert "Traceback" not in capsys.readouterr().err
