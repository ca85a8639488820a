"""Data sets of a few hundred made-up images that a network learns in a moment, as arrays and as files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np

from training.reproduce.images import CIFAR_FILE, CIFAR_NAMES, MNIST_FILES, Images, Part
from training.reproduce.recipe import Recipe

RECIPE = Recipe((16, 16), 1, 8, epochs=5, batch=64)
TRAIN, TEST, SIDE = 320, 100, 12


def part(count: int, seed: int, side: int = 28) -> Part:
    """Ten kinds of bright fields, each at its own place, in noise."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.arange(count) % 10).astype(np.int64)
    images = draw.integers(0, 60, (count, side, side), np.uint8)
    high, wide = side // 2 - 1, side // 5
    for image, label in zip(images, labels.tolist(), strict=True):
        down, right = high * (label // 5), wide * (label % 5)
        image[down : down + high, right : right + wide] = 255
    return Part(images[..., None], labels)


def small_images() -> Images:
    return Images("mnist", part(TRAIN, 0, SIDE), part(TEST, 1, SIDE))


def mnist_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in (("train", part(TRAIN, 0)), ("test", part(TEST, 1))):
        np.savez(folder / MNIST_FILES[name], x=made.images[..., 0], y=made.labels.astype(np.uint8))
    return folder


def colour(part_name: str, label: int, number: int) -> tuple[int, int, int]:
    """Blue, green, red of an image that is all of one colour."""
    return 20 * label, 100 if part_name == "train" else 200, 40 * number


def jpeg(shade: tuple[int, int, int], side: int = 32) -> bytes:
    image = np.full((side, side, 3), shade, np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()


def cifar_members(each: int = 2) -> list[tuple[str, bytes]]:
    """From the last class to the first, so that the order in the archive is not that of the labels."""
    return [
        (f"{part_name}/{name}/{number:04d}.jpg", jpeg(colour(part_name, label, number)))
        for part_name in ("test", "train")
        for label, name in reversed(list(enumerate(CIFAR_NAMES)))
        for number in range(each)
    ]


def cifar_folder(folder: Path, members: list[tuple[str, bytes]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / CIFAR_FILE, "w:xz") as archive:
        directory = tarfile.TarInfo("train/airplane/")
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return folder
