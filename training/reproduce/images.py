"""MNIST and CIFAR-10 from the files beside the project, whole in memory; downloads nothing."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from training.reproduce.errors import ReproductionError

CLASSES = 10
MNIST_FILES = {"train": "mnist_train.npz", "test": "mnist_test.npz"}
CIFAR_FILE = "cifar10_jpeg.tar.xz"
CIFAR_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


@dataclass(frozen=True)
class Part:
    """Images (N, H, W, planes) uint8 with their classes (N,) int64, 0..9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """A data set. remark: what a reader of its figures has to know about these files, or nothing."""

    name: str
    train: Part
    test: Part
    remark: str = ""

    @property
    def side(self) -> int:
        """Pixels, each way."""
        return int(self.train.images.shape[1])

    @property
    def planes(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.train.images.shape[3])

    def digest(self) -> str:
        """Of all pixels and labels, 16 hexadecimal digits: what a figure was measured on."""
        digest = hashlib.sha256()
        for array in (self.train.images, self.train.labels, self.test.images, self.test.labels):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def read_mnist(folder: Path) -> Images:
    """mnist_train.npz and mnist_test.npz, each with x (N, 28, 28) uint8 and y (N,) whole numbers 0..9.

    ReproductionError names a file that is missing or is something else.
    """
    parts = {part: _of_npz(_there(folder, name)) for part, name in MNIST_FILES.items()}
    return Images("mnist", parts["train"], parts["test"])


def read_cifar10(folder: Path) -> Images:
    """cifar10_jpeg.tar.xz with train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg, 32 x 32; planes are B, G, R.

    Classes are numbered by their names, images ordered by class and number. ReproductionError names a file that is
    missing, a member that is no such image, or a part without images.
    """
    path = _there(folder, CIFAR_FILE)
    found: dict[str, list[tuple[int, str, NDArray[np.uint8]]]] = {"train": [], "test": []}
    try:
        with tarfile.open(path, "r:xz") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                file = archive.extractfile(member)
                assert file is not None
                part, label, image = _of_member(path, member.name, file.read())
                found[part].append((label, member.name, image))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ReproductionError(f"{path} cannot be read: {error}") from error
    parts = {part: _joined(path, part, rows) for part, rows in found.items()}
    remark = "The images went through JPEG, which loses a little; the paper's did not."
    return Images("cifar10", parts["train"], parts["test"], remark)


def _there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ReproductionError(f"{path} is missing: --data is to name the folder that holds {name}")
    return path


def _of_npz(path: Path) -> Part:
    try:
        # numpy leaves a file that it opened itself open when it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, labels = np.asarray(arrays["x"]), np.asarray(arrays["y"])
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ReproductionError(f"{path} cannot be read as arrays x and y: {error}") from error
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28) or not len(images):
        raise ReproductionError(f"{path}: x is to be uint8 (N, 28, 28); it is {images.dtype} {images.shape}")
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),) or _outside(labels):
        raise ReproductionError(
            f"{path}: y is to be {len(images)} whole numbers 0..{CLASSES - 1}; it is {labels.dtype} {labels.shape}"
            + (f" from {labels.min()} to {labels.max()}" if labels.size and labels.dtype.kind in "iu" else "")
        )
    return Part(images[..., None], labels.astype(np.int64))


def _outside(labels: NDArray[np.integer]) -> bool:
    return bool(labels.min() < 0 or labels.max() >= CLASSES)


def _of_member(path: Path, name: str, data: bytes) -> tuple[str, int, NDArray[np.uint8]]:
    """The part, the class and the pixels of one member of the archive."""
    steps = PurePosixPath(name).parts
    if len(steps) != 3 or steps[0] not in ("train", "test") or steps[1] not in CIFAR_NAMES:
        raise ReproductionError(
            f"{path} holds {name!r}; expected train/CLASS/NUMBER.jpg and test/CLASS/NUMBER.jpg with the classes "
            f"{', '.join(CIFAR_NAMES)}"
        )
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None or image.shape != (32, 32, 3):
        what = "no image that OpenCV reads" if image is None else f"an image of {image.shape}"
        raise ReproductionError(f"{name} in {path} is {what}; expected 32 x 32 pixels in colour")
    return steps[0], CIFAR_NAMES.index(steps[1]), image.astype(np.uint8, copy=False)


def _joined(path: Path, part: str, rows: list[tuple[int, str, NDArray[np.uint8]]]) -> Part:
    if not rows:
        raise ReproductionError(f"{path} holds no images under {part}/")
    rows.sort(key=lambda row: row[:2])
    labels = np.array([label for label, _, _ in rows], np.int64)
    return Part(np.stack([image for _, _, image in rows]), labels)
