"""What is done to a crop before the network sees it, by chance; reads no records and normalises nothing.

Flipping is harmless and the default. The others make training images worse on purpose: they help large networks
towards poor photographs, and they are known to hurt small ones, which have no capacity to spare; try them one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.random import Generator, Philox

from faces.face import Crop

_NARROWEST = 0.2  # AdaFace (Kim et al. 2022), section 4: resized by 0.2 .. 1 and back
_WINDOW = 0.8
_CONTRAST = 0.3
_BRIGHTNESS = 40.0
_GREY = 0.2
_COVERED = (0.02, 0.25)
_ASPECT = 3.0
_INTERPOLATION = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)


@dataclass(frozen=True)
class Augmentation:
    """Which augmentations, each with its probability 0..1 for an image.

    flip: mirrored, for half of the images. resolution: made smaller, to a fifth at the least, and large again.
    crop: a square window of 0.8 to 1 of the side is enlarged to the whole. photometric: contrast and brightness
    changed, one in five grey. occlusion: a rectangle of 2 to 25 % of the area is covered by one colour.
    """

    flip: bool = True
    resolution: float = 0.0
    crop: float = 0.0
    photometric: float = 0.0
    occlusion: float = 0.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"Augmentation.{name} is a probability, 0..1; it is {value}")

    @property
    def none(self) -> bool:
        """Whether every image stays as it is."""
        return not any(getattr(self, field.name) for field in fields(self))


def chance(seed: int, epoch: int, record: int) -> Generator:
    """The random numbers of one record in one epoch: the same on every rank, in every order, after any restart.

    seed, epoch, record: 0..2^64-1. Philox counts, so no two records or epochs share a number.
    """
    # As lists, numbers from 2^63 on would pass through float64, and some would meet.
    key, counter = np.array([seed, epoch], np.uint64), np.array([0, 0, record, 0], np.uint64)
    return Generator(Philox(key=key, counter=counter))


def augmented(image: Crop, augmentation: Augmentation, generator: Generator) -> Crop:
    """The crop (112, 112, 3) uint8 as one draw changes it, of the same shape; the argument stays as it is."""
    # All choices are drawn first, so that whether one is flipped does not depend on what else is switched on.
    choices = generator.random(5)
    if choices[1] < augmentation.crop:
        image = _cropped(image, generator)
    if choices[2] < augmentation.resolution:
        image = _coarser(image, generator)
    if choices[3] < augmentation.photometric:
        image = _relit(image, generator)
    if choices[4] < augmentation.occlusion:
        image = _covered(image, generator)
    if augmentation.flip and choices[0] < 0.5:
        image = np.asarray(cv2.flip(image, 1), np.uint8)
    return image


def _cropped(image: Crop, generator: Generator) -> Crop:
    side = image.shape[0]
    window = round(side * generator.uniform(_WINDOW, 1.0))
    top, left = generator.integers(0, side - window + 1, 2)
    return _resized(image[top : top + window, left : left + window], side, cv2.INTER_LINEAR)


def _coarser(image: Crop, generator: Generator) -> Crop:
    side = image.shape[0]
    smaller = max(1, round(side * generator.uniform(_NARROWEST, 1.0)))
    down, up = (_INTERPOLATION[choice] for choice in generator.integers(0, len(_INTERPOLATION), 2))
    return _resized(_resized(image, smaller, down), side, up)


def _relit(image: Crop, generator: Generator) -> Crop:
    contrast = generator.uniform(1.0 - _CONTRAST, 1.0 + _CONTRAST)
    brightness = generator.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if generator.random() < _GREY:
        image = np.asarray(
            cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8
        )
    levels = (np.arange(256) - 127.5) * contrast + 127.5 + brightness
    return np.asarray(cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8)), np.uint8)


def _covered(image: Crop, generator: Generator) -> Crop:
    side = image.shape[0]
    area = generator.uniform(*_COVERED) * side * side
    aspect = float(np.exp(generator.uniform(-np.log(_ASPECT), np.log(_ASPECT))))
    height = min(side, max(1, round(float(np.sqrt(area * aspect)))))
    width = min(side, max(1, round(area / height)))
    top, left = generator.integers(0, side - height + 1), generator.integers(0, side - width + 1)
    covered = image.copy()
    covered[top : top + height, left : left + width] = generator.integers(0, 256, 3, np.uint8)
    return covered


def _resized(image: Crop, side: int, interpolation: int) -> Crop:
    return np.asarray(cv2.resize(image, (side, side), interpolation=interpolation), np.uint8)
