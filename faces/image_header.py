"""What an image file says of itself before it is decoded: type, size, orientation. Decodes no pixels."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

from faces.face import Reason


class ImageError(ValueError):
    """An image that is not accepted. `reason` is one of invalid_image, too_large, unsupported_type."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImageType(StrEnum):
    """The accepted file types."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    BMP = "BMP"
    PGM = "PGM"


@dataclass(frozen=True)
class ImageLimits:
    """What an upload may be at most. 50 megapixels (150 MB decoded) hold an ordinary phone photo."""

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_side: int = 16_384

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"ImageLimits.{name} must be at least 1, got {getattr(self, name)}")

    def check(self, width: int, height: int) -> None:
        """Raise ImageError (too_large) where width and height, in pixels, are beyond the limits."""
        if max(width, height) > self.max_side:
            raise ImageError(
                Reason.TOO_LARGE,
                f"the image is {width}x{height} pixels; sides of at most {self.max_side} are accepted",
            )
        if width * height > self.max_pixels:
            raise ImageError(
                Reason.TOO_LARGE,
                f"the image is {width}x{height} = {width * height:,} pixels; "
                f"at most {self.max_pixels:,} are accepted",
            )


@dataclass(frozen=True)
class ImageHeader:
    """width and height as stored (before rotation), pixels >= 1. orientation: EXIF 1..8, 1 if unsaid.

    body: offset of the first pixel for PGM, else 0. maximum: the grey value that means white, PGM only.
    """

    type: ImageType
    width: int
    height: int
    orientation: int = 1
    body: int = 0
    maximum: int = 255


ACCEPTED = "JPEG, PNG, WebP, BMP or PGM"

# Types people do send by mistake: named in the answer, so that it tells what to convert.
_REFUSED = (
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"II\*\0|MM\0\*"), "TIFF"),
    (re.compile(rb"....ftyp(heic|heix|heim|heis|hevc|mif1|msf1)", re.DOTALL), "HEIC"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), "AVIF"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), "JPEG 2000"),
    (re.compile(rb"\x00\x00\x01\x00"), "ICO"),
    (re.compile(rb"%PDF-"), "PDF"),
    (re.compile(rb"P[123467][\s#]"), "netpbm other than binary grey (P5)"),
    (re.compile(rb"\s*<(\?xml|svg|!DOCTYPE|html)", re.IGNORECASE), "SVG or HTML"),
)


def read_header(data: bytes, limits: ImageLimits) -> ImageHeader:
    """The header of an image file, found by its magic bytes and never by a name.

    Width and height are judged as soon as they are read. Then the container is walked to its end, so that a
    file cut short is refused here, whatever a decoder would make of it. Raises ImageError: too_large,
    invalid_image for damaged files, unsupported_type for others and for animations.
    """
    if not data:
        raise ImageError(Reason.INVALID_IMAGE, "the image is empty (0 bytes)")
    if data.startswith(b"\xff\xd8\xff"):
        header = _jpeg(data, limits)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        header = _png(data, limits)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        header = _webp(data, limits)
    elif data.startswith(b"BM"):
        header = _bmp(data, limits)
    elif re.match(rb"P5[\s#]", data):
        header = _pgm(data, limits)
    else:
        name = next((name for magic, name in _REFUSED if magic.match(data)), None)
        found = f"this is {name}" if name else "this is no image of a known type"
        raise ImageError(Reason.UNSUPPORTED_TYPE, f"{found}; send {ACCEPTED}")
    if header.width < 1 or header.height < 1:
        raise _damaged(header.type, f"its header says {header.width}x{header.height} pixels")
    return header


def _damaged(kind: ImageType, what: str) -> ImageError:
    return ImageError(Reason.INVALID_IMAGE, f"damaged {kind}: {what}")


def _animated(kind: ImageType) -> ImageError:
    return ImageError(
        Reason.UNSUPPORTED_TYPE, f"animated {kind} images are not accepted; send a single picture"
    )


def exif_orientation(tiff: bytes) -> int:
    """The orientation 1..8 in an EXIF block (with or without its "Exif" prefix); 1 where it says none.

    TIFF 6.0 section 2, tag 0x0112 of the first directory.
    """
    tiff = tiff.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, items, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == 0x0112:
            return value if kind == 3 and items == 1 and 1 <= value <= 8 else 1
    return 1


# A marker that ends entropy-coded data: not a stuffed zero, a restart, or fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Frame headers of the codings a decoder knows: baseline, extended, progressive (ITU-T T.81 table B.1).
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def _jpeg(data: bytes, limits: ImageLimits) -> ImageHeader:
    kind = ImageType.JPEG
    frame: tuple[int, int] | None = None
    orientation = 1
    scanned = False
    at = 2
    while True:
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            raise _damaged(kind, "it ends before its end marker (cut short?)")
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            break
        if marker in (0x01, 0xD8):
            continue
        if at + 2 > len(data):
            raise _damaged(kind, "it ends inside a segment (cut short?)")
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise _damaged(kind, "it ends inside a segment (cut short?)")
        segment = data[at + 2 : at + length]
        if marker in _JPEG_OTHER_FRAMES:
            raise ImageError(
                Reason.UNSUPPORTED_TYPE, "lossless, hierarchical and arithmetic JPEG are not accepted"
            )
        if marker in _JPEG_FRAMES:
            if frame is not None:
                raise _damaged(kind, "it has two frame headers")
            if len(segment) < 6:
                raise _damaged(kind, "its frame header is too short")
            if segment[0] != 8:
                raise ImageError(
                    Reason.UNSUPPORTED_TYPE, f"JPEG of {segment[0]} bits a sample is not accepted, only 8"
                )
            height, width = struct.unpack_from(">HH", segment, 1)
            limits.check(width, height)
            frame = (width, height)
        elif marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = exif_orientation(segment)
        elif marker == 0xDA:
            scanned = True
        at += length
    if frame is None or not scanned:
        raise _damaged(kind, "it holds no picture")
    return ImageHeader(kind, *frame, orientation)


def _png(data: bytes, limits: ImageLimits) -> ImageHeader:
    kind = ImageType.PNG
    size: tuple[int, int] | None = None
    orientation = 1
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name = data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise _damaged(kind, f"checksum of its {name.decode('ascii', 'replace')} chunk is wrong")
        if name == b"IHDR":
            if length != 13 or at != 8:
                raise _damaged(kind, "its header chunk is malformed")
            size = struct.unpack_from(">II", data, at + 8)
            limits.check(*size)
        elif name == b"acTL":
            raise _animated(kind)
        elif name == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        elif name == b"IEND":
            if size is None:
                raise _damaged(kind, "it has no header chunk")
            return ImageHeader(kind, *size, orientation)
        at = end
    raise _damaged(kind, "it ends before its end chunk (cut short?)")


def _webp(data: bytes, limits: ImageLimits) -> ImageHeader:
    kind = ImageType.WEBP
    if len(data) < 20:
        raise _damaged(kind, "it ends inside its header (cut short?)")
    stop = 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        raise _damaged(kind, f"it says {stop} bytes and has {len(data)} (cut short?)")
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    orientation = 1
    at = 12
    while at + 8 <= stop:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length]
        if at + 8 + length > stop:
            raise _damaged(kind, "it ends inside a chunk (cut short?)")
        if name == b"VP8X" and length >= 10:
            if body[0] & 0x02:
                raise _animated(kind)
            canvas = (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
            limits.check(*canvas)
        elif name in (b"ANIM", b"ANMF"):
            raise _animated(kind)
        elif name == b"VP8 " and picture is None:
            # RFC 6386 section 9.1: frame tag, start code, 14 bits of width and of height.
            if length < 10 or body[3:6] != b"\x9d\x01\x2a":
                raise _damaged(kind, "its frame header is malformed")
            width, height = struct.unpack_from("<HH", body, 6)
            picture = (width & 0x3FFF, height & 0x3FFF)
            limits.check(*picture)
        elif name == b"VP8L" and picture is None:
            if length < 5 or body[0] != 0x2F:
                raise _damaged(kind, "its frame header is malformed")
            bits = int.from_bytes(body[1:5], "little")
            picture = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
            limits.check(*picture)
        elif name == b"EXIF":
            orientation = exif_orientation(body)
        at += 8 + length + (length & 1)
    if picture is None:
        raise _damaged(kind, "it holds no picture")
    if canvas is not None and canvas != picture:
        raise _damaged(
            kind, f"its canvas is {canvas[0]}x{canvas[1]} and its picture {picture[0]}x{picture[1]}"
        )
    return ImageHeader(kind, *picture, orientation)


def _bmp(data: bytes, limits: ImageLimits) -> ImageHeader:
    kind = ImageType.BMP
    if len(data) < 26:
        raise _damaged(kind, "it ends inside its header (cut short?)")
    offset, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _planes, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif header >= 40 and len(data) >= 34:
        width, height, _planes, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise _damaged(kind, f"its header says a size of {header} bytes")
    if bits not in (1, 4, 8, 16, 24, 32):
        raise _damaged(kind, f"it says {bits} bits a pixel")
    # 0 plain, 3 plain with colour masks; the others are run-length or embedded JPEG and PNG.
    if compression not in (0, 3):
        raise ImageError(Reason.UNSUPPORTED_TYPE, "compressed BMP is not accepted; send it uncompressed")
    # A negative height means that rows go from top to bottom.
    height = abs(height)
    limits.check(width, height)
    if width > 0 and offset + (width * bits + 31) // 32 * 4 * height > len(data):
        raise ImageError(
            Reason.INVALID_IMAGE,
            f"damaged BMP: {len(data)} bytes do not hold {width}x{height} pixels (cut short?)",
        )
    return ImageHeader(kind, width, height)


_PGM_GAP = rb"(?:\s|#[^\n]*\n)+"
_PGM = re.compile(rb"P5" + (_PGM_GAP + rb"(\d{1,9})") * 3 + rb"\s")


def _pgm(data: bytes, limits: ImageLimits) -> ImageHeader:
    kind = ImageType.PGM
    found = _PGM.match(data[:4096])
    if found is None:
        raise _damaged(kind, "its header is malformed")
    width, height, maximum = (int(number) for number in found.groups())
    if not 1 <= maximum <= 65535:
        raise _damaged(kind, f"its white is {maximum}, outside 1..65535")
    limits.check(width, height)
    need = width * height * (1 if maximum < 256 else 2)
    if found.end() + need > len(data):
        raise ImageError(
            Reason.INVALID_IMAGE,
            f"damaged PGM: {len(data)} bytes do not hold {width}x{height} pixels (cut short?)",
        )
    return ImageHeader(kind, width, height, body=found.end(), maximum=maximum)
