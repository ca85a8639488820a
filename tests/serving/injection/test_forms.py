"""Multipart forms: names of files, boundaries, fields that stand twice."""

from __future__ import annotations

import httpx
import pytest

from tests.serving.conftest import Att
from tests.serving.injection.kit import MARK, Served, refused


def part(name: str, data: bytes, *, filename: str | None = None, kind: str = "image/png") -> bytes:
    told = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    head = f"Content-Disposition: {told}\r\n" + ("" if filename is None else f"Content-Type: {kind}\r\n")
    return head.encode("latin-1") + b"\r\n" + data + b"\r\n"


def form(*parts: bytes, boundary: str = "b", end: str = "--b--\r\n") -> bytes:
    return b"".join(b"--" + boundary.encode() + b"\r\n" + one for one in parts) + end.encode()


def send(served: Served, body: bytes, kind: str = "multipart/form-data; boundary=b") -> httpx.Response:
    return served.http.post("/v1/detect", content=body, headers={"content-type": kind})


@pytest.mark.parametrize(
    "filename",
    [
        f"../../{MARK}",
        f"/etc/{MARK}",
        f"C:\\\\{MARK}",
        f"{MARK}\0.png",
        "%00",
        f"{MARK}.svg",
        f"<script>{MARK}",
        MARK * 500,
    ],
)
def test_a_files_name_is_nothing_to_the_service(served: Served, att: Att, filename: str) -> None:
    before = sorted(path.name for path in served.home.rglob("*"))
    answer = send(served, form(part("image", att[1, 1], filename=filename)))
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["faces"]) == 1
    assert MARK not in answer.text
    assert sorted(path.name for path in served.home.rglob("*")) == before


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form(part("image", b"x", filename="x")), "multipart/form-data"),
        (form(part("image", b"x", filename="x")), "multipart/form-data; boundary="),
        (form(part("image", b"x", filename="x")), "multipart/form-data; boundary=another"),
        (form(part("image", b"x", filename="x")), f"multipart/form-data; boundary={MARK * 300}"),
        (form(part("image", b"x", filename="x"), end=""), "multipart/form-data; boundary=b"),
        (b"--b\r\n" + MARK.encode() * 3000, "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
        (form(part("image", b"", filename="x")), "multipart/form-data; boundary=b"),
        (form(*[part(f"{MARK}{number}", b"x") for number in range(100)]), "multipart/form-data; boundary=b"),
        (form(*[part("image", b"x", filename="x") for _ in range(100)]), "multipart/form-data; boundary=b"),
        (form(part(MARK, b"x" * 2_000_000)), "multipart/form-data; boundary=b"),
    ],
)
def test_a_broken_form_is_refused_in_words(served: Served, body: bytes, kind: str) -> None:
    answer = send(served, body, kind)
    refused(
        answer,
        (400, "bad_request"),
        (400, "invalid_image"),
        (415, "unsupported_type"),
        (422, "invalid_request"),
        (413, "too_large"),
    )


def test_a_field_that_stands_twice_is_refused_whatever_it_holds(served: Served, att: Att) -> None:
    image = part("image", att[1, 1], filename="x")
    path = "/v1/collections/staff/identify"
    for parts in (
        (image, part("limit", b"1"), part("limit", b"1")),
        (image, part("image", b"text")),
        (image, image),
    ):
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = served.http.post(path, content=form(*parts), headers=headers)
        refused(answer, (422, "invalid_request"), (400, "bad_request"))
    answer = served.http.post(f"{path}?limit=1&limit=2", files={"image": att[1, 1]})
    refused(answer, (422, "invalid_request"))
