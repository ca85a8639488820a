"""decode_image: what is accepted, what it becomes, and what is refused in which words."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.face import Reason
from faces.image import ImageError, ImageLimits, decode_crop, decode_image, encode_crop, upright
from faces.image_header import ImageType, exif_orientation, read_header


def _smooth(height: int = 61, width: int = 83) -> np.ndarray:
    """(H, W, 3) uint8 blue green red, smooth enough for lossy formats to come close."""
    noise = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 6), None, 0, 255, cv2.NORM_MINMAX)


PIXELS = _smooth()
PICTURE = PIL.Image.fromarray(np.ascontiguousarray(PIXELS[:, :, ::-1]))


def _file(picture: PIL.Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def _as_pillow_sees(data: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1]


def _refused(data: bytes, limits: ImageLimits | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_image(data, limits or ImageLimits())
    return caught.value


ACCEPTED = {
    "jpeg": _file(PICTURE, "JPEG", quality=95),
    "progressive jpeg": _file(PICTURE, "JPEG", quality=95, progressive=True),
    "grey jpeg": _file(PICTURE.convert("L"), "JPEG", quality=95),
    "cmyk jpeg": _file(PICTURE.convert("CMYK"), "JPEG", quality=95),
    "png": _file(PICTURE, "PNG"),
    "palette png": _file(PICTURE.convert("P"), "PNG"),
    "grey png": _file(PICTURE.convert("L"), "PNG"),
    "1-bit png": _file(PICTURE.convert("1"), "PNG"),
    "lossless webp": _file(PICTURE, "WEBP", lossless=True),
    "lossy webp": _file(PICTURE, "WEBP", quality=95),
    "bmp": _file(PICTURE, "BMP"),
    "palette bmp": _file(PICTURE.convert("P"), "BMP"),
    "pgm": _file(PICTURE.convert("L"), "PPM"),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_every_accepted_type_decodes_to_what_pillow_sees(kind: str) -> None:
    decoded = decode_image(ACCEPTED[kind])
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    expected = _as_pillow_sees(ACCEPTED[kind])
    assert np.abs(decoded.astype(int) - expected).mean() < 2.5


@pytest.mark.parametrize("kind", ACCEPTED)
def test_the_header_parsers_agree_with_pillow(kind: str) -> None:
    header = read_header(ACCEPTED[kind], ImageLimits())
    picture = PIL.Image.open(io.BytesIO(ACCEPTED[kind]))
    assert (header.width, header.height) == picture.size
    assert header.type.value.upper() == {"PPM": "PGM"}.get(picture.format, picture.format)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "PPM"]))
def test_sizes_of_any_shape_are_read_from_the_header(width: int, height: int, kind: str) -> None:
    data = _file(PIL.Image.new("L" if kind == "PPM" else "RGB", (width, height), 90), kind)
    header = read_header(data, ImageLimits())
    assert (header.width, header.height) == (width, height)
    assert decode_image(data).shape == (height, width, 3)


def test_sixteen_bits_are_rounded_to_eight() -> None:
    wide = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_image(cv2.imencode(".png", wide)[1].tobytes())
    assert np.array_equal(decoded[:, :, 0], np.round(wide / 257).astype(np.uint8))
    pgm = b"P5\n# sixteen bits\n256 256\n65535\n" + wide.astype(">u2").tobytes()
    assert np.array_equal(decode_image(pgm), decoded)


def test_a_pgm_whose_white_is_not_255_is_stretched() -> None:
    assert decode_image(b"P5 3 1 15\n" + bytes([0, 5, 15]))[0, :, 0].tolist() == [0, 85, 255]


def test_what_is_transparent_is_shown_on_white() -> None:
    picture = PIL.Image.new("RGBA", (3, 1), (200, 100, 0, 0))
    picture.putpixel((1, 0), (200, 100, 0, 255))
    picture.putpixel((2, 0), (200, 100, 0, 51))
    decoded = decode_image(_file(picture, "PNG"))
    assert decoded[0].tolist() == [[255, 255, 255], [0, 100, 200], [204, 224, 244]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_exif_orientations_come_out_upright(kind: str, orientation: int) -> None:
    # The four quarters of the picture have different greys, so that each turn and mirror is told apart.
    stored = np.kron(np.array([[20, 90], [160, 230]], np.uint8), np.ones((24, 32), np.uint8))
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 98} if kind == "JPEG" else {}
    data = _file(PIL.Image.fromarray(stored).convert("RGB"), kind, exif=exif, **options)
    decoded = decode_image(data)
    expected = {
        1: stored,
        2: np.fliplr(stored),
        3: np.rot90(stored, 2),
        4: np.flipud(stored),
        5: stored.T,
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).T,
        8: np.rot90(stored, 1),
    }[orientation]
    assert decoded.shape[:2] == expected.shape
    assert np.abs(decoded[:, :, 0].astype(int) - expected).max() <= 12


def test_turning_a_picture_and_back_changes_nothing() -> None:
    undone_by = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    for orientation, inverse in undone_by.items():
        assert np.array_equal(upright(upright(PIXELS, orientation), inverse), PIXELS)


@given(st.binary(max_size=200))
def test_an_exif_block_of_any_bytes_gives_an_orientation(data: bytes) -> None:
    assert 1 <= exif_orientation(b"Exif\0\0II*\0\x08\0\0\0" + data) <= 8


@pytest.mark.parametrize("kind", ACCEPTED)
@pytest.mark.parametrize("keep", [0.03, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused_and_not_half_shown(kind: str, keep: float) -> None:
    data = ACCEPTED[kind]
    error = _refused(data[: int(len(data) * keep)])
    assert error.reason in (Reason.INVALID_IMAGE, Reason.UNSUPPORTED_TYPE)
    if keep >= 0.3:
        assert error.reason is Reason.INVALID_IMAGE


def test_zero_bytes_are_an_invalid_image() -> None:
    error = _refused(b"")
    assert error.reason is Reason.INVALID_IMAGE
    assert "0 bytes" in str(error)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"This is a letter, whatever its name says.", "known type"),
        (_file(PICTURE, "GIF"), "GIF"),
        (_file(PICTURE, "TIFF"), "TIFF"),
        (_file(PICTURE, "JPEG2000"), "JPEG 2000"),
        (_file(PICTURE, "PPM"), "netpbm"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%PDF-1.7 ", "PDF"),
    ],
)
def test_other_types_are_refused_by_their_content_and_named(data: bytes, word: str) -> None:
    error = _refused(data)
    assert error.reason is Reason.UNSUPPORTED_TYPE
    assert word in str(error)
    assert "JPEG, PNG, WebP" in str(error)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused_as_such(kind: str) -> None:
    data = _file(PICTURE, kind, save_all=True, append_images=[PICTURE.rotate(90)])
    error = _refused(data)
    assert error.reason is Reason.UNSUPPORTED_TYPE
    assert "animated" in str(error)


def _huge_headers() -> dict[str, bytes]:
    side = 30_000
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\x01\x11\x00"
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + 2 * (side - 1).to_bytes(3, "little")
    bmp = b"BM" + struct.pack("<IHHIIiiHHI", 2048, 0, 0, 54, 40, side, side, 1, 24, 0) + bytes(20)
    heads = {
        "jpeg": b"\xff\xd8" + frame,
        "png": png,
        "webp": b"RIFF" + struct.pack("<I", 2040) + b"WEBP" + vp8x,
        "bmp": bmp,
        "pgm": b"P5 30000 30000 255\n",
    }
    return {name: head + bytes(2048 - len(head)) for name, head in heads.items()}


@pytest.mark.parametrize("kind", _huge_headers())
def test_a_header_of_30000_by_30000_in_2_kb_is_too_large_and_never_decoded(kind: str) -> None:
    error = _refused(_huge_headers()[kind])
    assert error.reason is Reason.TOO_LARGE
    assert "30000x30000" in str(error)


def test_limits_are_inclusive() -> None:
    data = _file(PIL.Image.new("RGB", (40, 30)), "PNG")
    assert decode_image(data, ImageLimits(len(data), 1200, 40)).shape == (30, 40, 3)
    for limits in (ImageLimits(len(data) - 1), ImageLimits(max_pixels=1199), ImageLimits(max_side=39)):
        assert _refused(data, limits).reason is Reason.TOO_LARGE


def test_one_pixel_is_an_image() -> None:
    assert decode_image(_file(PIL.Image.new("RGB", (1, 1), (1, 2, 3)), "PNG"))[0, 0].tolist() == [3, 2, 1]


def test_a_flipped_bit_in_a_png_is_noticed() -> None:
    data = bytearray(ACCEPTED["png"])
    data[len(data) // 2] ^= 1
    assert "checksum" in str(_refused(bytes(data)))


def test_bmp_rows_may_run_downwards_and_run_length_coding_is_refused() -> None:
    data = bytearray(ACCEPTED["bmp"])
    (height,) = struct.unpack_from("<i", data, 22)
    struct.pack_into("<i", data, 22, -height)
    assert np.array_equal(decode_image(bytes(data)), PIXELS[::-1])
    struct.pack_into("<I", data, 30, 1)
    assert _refused(bytes(data)).reason is Reason.UNSUPPORTED_TYPE


@pytest.mark.parametrize("kind", ImageType)
def test_500_mutated_files_raise_nothing_but_image_errors(kind: ImageType) -> None:
    rng = np.random.default_rng(list(ImageType).index(kind))
    sources = [data for name, data in ACCEPTED.items() if kind.value.lower() in name]
    shapes = []
    messages = []
    for _ in range(100):
        data = bytearray(sources[rng.integers(len(sources))])
        for _ in range(rng.integers(1, 6)):
            # Half of the blows fall on the header, where they do most.
            reach = len(data) if rng.random() < 0.5 else min(len(data), 64)
            at = int(rng.integers(reach))
            match rng.integers(4):
                case 0:
                    data[at] = rng.integers(256)
                case 1:
                    data[at] ^= 1 << rng.integers(8)
                case 2:
                    del data[at : at + int(rng.integers(1, 30))]
                case _:
                    data[at:at] = rng.bytes(int(rng.integers(1, 30)))
        try:
            shapes.append(decode_image(bytes(data), ImageLimits(max_pixels=4_000_000)).shape)
        except ImageError as error:
            messages.append(str(error))
    assert all(len(shape) == 3 and shape[2] == 3 for shape in shapes)
    assert messages
    assert all(messages)


def test_a_kept_crop_comes_back_bit_by_bit() -> None:
    crop = _smooth(112, 112)
    assert np.array_equal(decode_crop(encode_crop(crop)), crop)
    with pytest.raises(ImageError, match="112x112"):
        decode_crop(encode_crop(crop[:100]))
