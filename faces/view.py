"""How an image is shown to a detector: scaled, bordered, padded; and the way back. Runs no model.

Detectors are trained on photos in which faces stand free, some tens to hundreds of pixels large. An ordinary
photo is only made smaller. A small one is enlarged. One cropped tightly, its face filling the frame, is shown
a second time with a border around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faces.detect.candidates import Candidates, area
from faces.face import Detection, Image

MULTIPLE = 32
SMALL = 160
"""Longest side, pixels, below which an image is enlarged."""
ENLARGED = 256
"""Longest side it is enlarged to at most, and by a factor of 3 at most: beyond, nothing but blur is added."""
BORDERED = 320
"""Longest side of the second view, its border included."""


@dataclass(frozen=True)
class View:
    """The image at `scale`, with `border` pixels (of the view) around it, top left in (height, width)."""

    scale: float
    border: int
    height: int
    width: int

    def draw(self, image: Image) -> Image:
        """(height, width, 3) uint8: the image as the detector is shown it."""
        height, width = _scaled(image.shape[0], self.scale), _scaled(image.shape[1], self.scale)
        if (height, width) != image.shape[:2]:
            how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, (width, height), interpolation=how).astype(np.uint8, copy=False)
        below = self.height - height - self.border
        right = self.width - width - self.border
        if not (self.border or below or right):
            return image
        # Black, as the detectors' own padding was in training.
        return cv2.copyMakeBorder(
            image, self.border, below, self.border, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        ).astype(np.uint8, copy=False)

    def back(self, found: Candidates) -> Candidates:
        """From pixels of the view to pixels of the image."""
        return found.moved(1 / self.scale, -self.border / self.scale, -self.border / self.scale)


def first_view(height: int, width: int, longest: int) -> View:
    """The ordinary view: never larger than `longest`, enlarged where the image is small."""
    side = max(height, width)
    scale = min(1.0, longest / side)
    if side < SMALL:
        scale = min(3.0, min(ENLARGED, longest) / side)
    return View(scale, 0, _padded(_scaled(height, scale)), _padded(_scaled(width, scale)))


def bordered_view(height: int, width: int, longest: int) -> View:
    """The second view: half the longest side as a border on every side, all of it small."""
    whole = min(BORDERED, longest)
    border = whole // 4
    scale = min(3.0, (whole - 2 * border) / max(height, width))
    return View(
        scale,
        border,
        _padded(_scaled(height, scale) + 2 * border),
        _padded(_scaled(width, scale) + 2 * border),
    )


def needs_border(faces: list[Detection], height: int, width: int) -> bool:
    """Whether to look again: there is no face, or one that fills the frame and is cut by its edge."""
    if not faces:
        return True
    box = faces[0].box
    if area(box) < 0.25 * height * width:
        return False
    return bool(box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height)


def _scaled(side: int, scale: float) -> int:
    return max(1, round(side * scale))


def _padded(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
