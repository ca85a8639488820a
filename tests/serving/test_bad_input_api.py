"""Bad input through the REST API: each kind its own clear answer, and nothing written."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from tests.serving.conftest import Att

FACES = "/v1/collections/staff/persons/p1/faces"


def as_file(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photo(att: Att, person: int = 1) -> Pillow.Image:
    return Pillow.open(io.BytesIO(att[person, 1])).convert("RGB")


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"\0" * 1900) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def staff(shared_api: httpx.Client) -> httpx.Client:
    assert shared_api.post("/v1/collections", json={"id": "staff"}).status_code == 201
    return shared_api


@pytest.fixture(autouse=True)
def nothing_is_written(staff: httpx.Client) -> Iterator[None]:
    before = staff.get("/v1/collections/staff").json()
    yield
    assert staff.get("/v1/collections/staff").json() == before


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    assert body["error"]["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert len(body["error"]["message"]) > 10
    return dict(body["error"])


def enrol(staff: httpx.Client, data: bytes, **params: object) -> httpx.Response:
    return staff.post(FACES, files={"image": data}, params={"create": True, **params})  # type: ignore[arg-type]


def test_no_face(staff: httpx.Client) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    error = refused(enrol(staff, as_file(Pillow.fromarray(noise), "PNG")), 422, "no_face")
    assert "200x200" in str(error["message"])


def test_several_faces_where_one_is_wanted(staff: httpx.Client, att: Att) -> None:
    both = Pillow.new("RGB", (400, 200), (128, 128, 128))
    both.paste(photo(att, 1), (50, 40))
    both.paste(photo(att, 2), (250, 40))
    data = as_file(both, "PNG")
    error = refused(enrol(staff, data), 422, "multiple_faces")
    assert "2 faces" in str(error["message"])
    wanted = staff.post("/v1/verify", files={"image_a": data, "image_b": data}, params={"faces": "one"})
    refused(wanted, 422, "multiple_faces")


def test_zero_bytes(staff: httpx.Client) -> None:
    refused(enrol(staff, b""), 400, "invalid_image")


def test_a_jpeg_cut_in_half(staff: httpx.Client, att: Att) -> None:
    whole = as_file(photo(att).resize((368, 448)), "JPEG", quality=90)
    refused(enrol(staff, whole[: len(whole) // 2]), 400, "invalid_image")


def test_a_text_file_called_jpg(staff: httpx.Client) -> None:
    files = {"image": ("holiday.jpg", b"Dear diary, today I went", "image/jpeg")}
    error = refused(staff.post(FACES, files=files, params={"create": True}), 415, "unsupported_type")
    assert "JPEG" in str(error["message"])


def test_one_pixel(staff: httpx.Client) -> None:
    refused(enrol(staff, as_file(Pillow.new("RGB", (1, 1)), "PNG")), 422, "no_face")


def test_a_small_file_that_claims_to_be_huge(staff: httpx.Client) -> None:
    bomb = png_header(30_000, 30_000)
    assert len(bomb) < 2048
    error = refused(enrol(staff, bomb), 413, "too_large")
    assert "30000" in str(error["message"]).replace(",", "").replace(" ", "")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animated_picture(staff: httpx.Client, att: Att, kind: str) -> None:
    frames = [photo(att, 1), photo(att, 2)]
    data = as_file(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    error = refused(enrol(staff, data), 415, "unsupported_type")
    assert "animat" in str(error["message"])


def test_a_nan_in_an_embedding_is_not_json(staff: httpx.Client) -> None:
    body = '{"templates": [{"embedding": [NaN, 1.0]}], "contract_id": "x", "create": true}'
    refused(
        staff.post(FACES, content=body, headers={"content-type": "application/json"}), 400, "invalid_json"
    )


@pytest.mark.parametrize("bad", ["1e999", "null", '"0.5"x', "[]"])
def test_an_embedding_of_something_else_than_finite_numbers(staff: httpx.Client, bad: str) -> None:
    body = f'{{"templates": [{{"embedding": [{bad}, 1.0]}}], "contract_id": "x", "create": true}}'
    answer = staff.post(FACES, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] in ("invalid_json", "invalid_request")


def test_an_embedding_of_the_wrong_dimension(staff: httpx.Client) -> None:
    contract = staff.get("/v1/models").json()["items"][0]["contract_id"]
    body = {"templates": [{"embedding": [1.0] * 7}], "contract_id": contract, "create": True}
    error = refused(staff.post(FACES, json=body), 422, "invalid_template")
    assert "7" in str(error["message"])
    probe = {"embedding": [1.0] * 7, "contract_id": contract}
    refused(staff.post("/v1/collections/staff/identify", json=probe), 422, "invalid_template")


def test_an_embedding_of_length_zero(staff: httpx.Client) -> None:
    model = staff.get("/v1/models").json()["items"][0]
    body = {"embedding": [0.0] * model["dimension"], "contract_id": model["contract_id"]}
    refused(staff.post("/v1/collections/staff/identify", json=body), 422, "invalid_template")


def test_a_foreign_model_contract_names_both(staff: httpx.Client) -> None:
    model = staff.get("/v1/models").json()["items"][0]
    body = {
        "templates": [{"embedding": [1.0] * model["dimension"]}],
        "contract_id": "arcface-r100",
        "create": True,
    }
    error = refused(staff.post(FACES, json=body), 409, "contract_mismatch")
    assert "arcface-r100" in str(error["message"])
    assert model["contract_id"] in str(error["message"])


def test_an_unknown_collection(staff: httpx.Client, att: Att) -> None:
    files = {"image": att[1, 1]}
    refused(staff.post("/v1/collections/nobody/identify", files=files), 404, "unknown_collection")
    refused(staff.post("/v1/collections/nobody/persons/p/faces", files=files), 404, "unknown_collection")
    refused(staff.get("/v1/collections/nobody"), 404, "unknown_collection")


def test_an_unknown_person_is_not_made_by_mistake(staff: httpx.Client, att: Att) -> None:
    refused(staff.post(FACES, files={"image": att[1, 1]}), 404, "unknown_person")


def test_a_duplicate_collection(staff: httpx.Client) -> None:
    refused(staff.post("/v1/collections", json={"id": "staff"}), 409, "collection_exists")


def test_a_duplicate_person(staff: httpx.Client) -> None:
    assert staff.post("/v1/collections", json={"id": "twins"}).status_code == 201
    assert staff.post("/v1/collections/twins/persons", json={"id": "p"}).status_code == 201
    refused(staff.post("/v1/collections/twins/persons", json={"id": "p"}), 409, "person_exists")


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "ä", "x" * 256])
def test_a_collection_id_outside_the_alphabet(staff: httpx.Client, bad: str) -> None:
    refused(staff.post("/v1/collections", json={"id": bad}), 422, "invalid_request")


@pytest.mark.parametrize("bad", ["", "a/b", "a\nb", "a\u0000b", "x" * 256])
def test_a_person_id_that_no_path_can_carry(staff: httpx.Client, bad: str) -> None:
    refused(staff.post("/v1/collections/staff/persons", json={"id": bad}), 422, "invalid_request")


def test_an_unknown_field_is_named(staff: httpx.Client) -> None:
    error = refused(staff.post("/v1/collections", json={"id": "x", "colour": "red"}), 422, "invalid_request")
    assert "colour" in str(error["message"])


@pytest.mark.parametrize("body", ["", "{", "[]", '"x"', "[" * 10_000, '{"id": "\\ud800"}'])
def test_a_body_that_is_not_a_json_object(staff: httpx.Client, body: str) -> None:
    answer = staff.post("/v1/collections", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "option", [{"threshold": "abc"}, {"threshold": 2}, {"limit": 0}, {"max_fmr": 0}, {"nope": 1}]
)
def test_a_wrong_option_is_named(staff: httpx.Client, att: Att, option: dict[str, object]) -> None:
    answer = staff.post("/v1/collections/staff/identify", files={"image": att[1, 1]}, params=option)  # type: ignore[arg-type]
    error = refused(answer, 422, "invalid_request")
    assert next(iter(option)) in str(error["message"])


def test_a_missing_or_a_second_image(staff: httpx.Client, att: Att) -> None:
    refused(staff.post("/v1/detect", json={}), 422, "invalid_request")
    two = [("image", att[1, 1]), ("image", att[1, 2])]
    assert staff.post("/v1/detect", files=two).status_code in (400, 422)
    refused(staff.post("/v1/verify", files={"image_a": att[1, 1]}), 422, "invalid_request")
    refused(staff.post("/v1/verify", files={"photo": att[1, 1]}), 422, "invalid_request")


def test_a_body_of_another_type(staff: httpx.Client) -> None:
    answer = staff.post("/v1/detect", content=b"x", headers={"content-type": "text/plain"})
    error = refused(answer, 415, "unsupported_type")
    assert "multipart/form-data" in str(error["message"])


def test_broken_base64_and_a_data_url(staff: httpx.Client) -> None:
    refused(staff.post("/v1/detect", json={"image": "&&&"}), 422, "invalid_request")
    error = refused(
        staff.post("/v1/detect", json={"image": "data:image/png;base64,AAAA"}), 422, "invalid_request"
    )
    assert "data:" in str(error["message"])


def test_a_multipart_body_without_its_boundary(staff: httpx.Client) -> None:
    answer = staff.post("/v1/detect", content=b"--x\r\n", headers={"content-type": "multipart/form-data"})
    refused(answer, 400, "bad_request")


def test_an_unknown_path_and_method_answer_in_the_envelope(staff: httpx.Client) -> None:
    refused(staff.get("/v1/nothing"), 404, "not_found")
    refused(staff.put("/v1/collections"), 405, "method_not_allowed")


def test_cmyk_16_bit_grey_alpha_and_turned_photos_are_faces_like_any_other(
    staff: httpx.Client, att: Att
) -> None:
    upright = photo(att).resize((368, 448))
    grey16 = np.asarray(upright.convert("L"), np.uint16) * 257
    turned = upright.transpose(Pillow.Transpose.ROTATE_90)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    files = {
        "plain": as_file(upright, "PNG"),
        "cmyk": as_file(upright.convert("CMYK"), "JPEG", quality=95),
        "16 bit": as_file(Pillow.fromarray(grey16), "PNG"),
        "grey": as_file(upright.convert("L"), "JPEG", quality=95),
        "alpha": as_file(upright.convert("RGBA"), "PNG"),
        "palette": as_file(upright.convert("P"), "PNG"),
        "exif": as_file(turned, "JPEG", quality=95, exif=exif),
        "webp": as_file(upright, "WEBP", quality=95),
        "bmp": as_file(upright, "BMP"),
    }
    for name, data in files.items():
        answer = staff.post("/v1/verify", files={"image_a": files["plain"], "image_b": data})
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["cosine"] > 0.9, name


def test_nothing_of_the_picture_stands_in_an_error(staff: httpx.Client) -> None:
    secret = "c2VjcmV0IGZhY2U="
    answer = staff.post("/v1/detect", json={"image": secret, "extra": secret})
    assert answer.status_code == 422
    assert secret not in json.dumps(answer.json())
