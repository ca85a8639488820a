"""Bytes of an image file -> upright BGR pixels, refusing what is damaged, too large or of another type.

Nothing here opens files or looks at names.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.face import Crop, Image, Reason
from faces.image_header import ImageError, ImageHeader, ImageLimits, ImageType, read_header

__all__ = [
    "DEFAULT_LIMITS",
    "ImageError",
    "ImageLimits",
    "accepted_header",
    "decode_crop",
    "decode_image",
    "decode_pixels",
    "encode_crop",
]

DEFAULT_LIMITS = ImageLimits()


def decode_image(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Image:
    """Decode one image to (H, W, 3) uint8, blue green red, turned upright by its EXIF orientation.

    JPEG (grey, YCbCr, CMYK, YCCK), PNG (any bit depth, palette, alpha), WebP, BMP and binary PGM. 16 bits are
    rounded to 8. What is transparent is shown on white, as most pages would. Size is judged by the header
    alone, before a pixel is decoded. Raises ImageError with reason invalid_image, too_large or
    unsupported_type and a message for the person who sent it.
    """
    return decode_pixels(data, accepted_header(data, limits))


def accepted_header(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> ImageHeader:
    """The first half of decode_image: judges the file by length and header. Raises ImageError."""
    if len(data) > limits.max_bytes:
        raise ImageError(
            Reason.TOO_LARGE, f"the image has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted"
        )
    return read_header(data, limits)


def decode_pixels(data: bytes, header: ImageHeader) -> Image:
    """The second half of decode_image, for a file whose header was accepted. Raises ImageError."""
    pixels = _pgm(data, header) if header.type is ImageType.PGM else _decode(data, header)
    if pixels.shape[:2] != (header.height, header.width):
        raise ImageError(
            Reason.INVALID_IMAGE,
            f"damaged {header.type}: decoded to {pixels.shape[1]}x{pixels.shape[0]}, "
            f"its header says {header.width}x{header.height}",
        )
    return upright(pixels, header.orientation)


def encode_crop(crop: Crop) -> bytes:
    """An aligned crop as PNG: without loss, so that embedding it again gives the very same template."""
    ok, data = cv2.imencode(".png", crop)
    if not ok:
        raise ValueError(f"a crop of shape {crop.shape} and dtype {crop.dtype} cannot be written as PNG")
    return data.tobytes()


def decode_crop(data: bytes) -> Crop:
    """A crop that encode_crop wrote, (112, 112, 3) uint8. Raises ImageError on anything else."""
    crop = decode_image(data, ImageLimits(max_bytes=1 << 20, max_pixels=112 * 112, max_side=112))
    if crop.shape != (112, 112, 3):
        raise ImageError(
            Reason.INVALID_IMAGE, f"a crop has 112x112 pixels, this image {crop.shape[1]}x{crop.shape[0]}"
        )
    return crop


def upright(pixels: Image, orientation: int) -> Image:
    """Undo one of the eight EXIF orientations (EXIF 2.32, tag 274). (H, W, C), contiguous."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _decode(data: bytes, header: ImageHeader) -> Image:
    # UNCHANGED keeps alpha and 16 bits, to be converted here; where neither exists the codec converts to BGR.
    keep = header.type in (ImageType.PNG, ImageType.WEBP)
    flags = cv2.IMREAD_UNCHANGED if keep else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise ImageError(Reason.INVALID_IMAGE, f"damaged {header.type}: its pixels cannot be decoded")
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageError(Reason.UNSUPPORTED_TYPE, f"{header.type} of {pixels.dtype} samples is not accepted")
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return _bgr(pixels.reshape(pixels.shape[:2]))
    if pixels.shape[2] == 4:
        return _on_white(pixels.astype(np.uint8, copy=False))
    return pixels.astype(np.uint8, copy=False)


def _pgm(data: bytes, header: ImageHeader) -> Image:
    wide = header.maximum > 255
    count = header.width * header.height
    grey = np.frombuffer(data, ">u2" if wide else np.uint8, count, header.body)
    if header.maximum != 255:
        scaled = (grey.astype(np.uint32) * 255 + header.maximum // 2) // header.maximum
        grey = np.minimum(scaled, 255).astype(np.uint8)
    return _bgr(grey.reshape(header.height, header.width))


def _bgr(grey: NDArray[Any]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8, copy=False)


def _on_white(bgra: Image) -> Image:
    alpha = bgra[:, :, 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(bgra[:, :, :3])
    mixed = (bgra[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)
