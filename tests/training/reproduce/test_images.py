"""The readers of MNIST and CIFAR-10: what they give, and what they say of files that are something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.reproduce.small import (
    TEST,
    TRAIN,
    cifar_folder,
    cifar_members,
    colour,
    jpeg,
    mnist_folder,
    part,
    small_images,
)
from training.reproduce.errors import ReproductionError
from training.reproduce.images import CIFAR_FILE, read_cifar10, read_mnist


def test_mnist_is_read_as_it_was_written(tmp_path: Path) -> None:
    images = read_mnist(mnist_folder(tmp_path))
    assert images.train.images.shape == (TRAIN, 28, 28, 1)
    assert images.test.images.shape == (TEST, 28, 28, 1)
    np.testing.assert_array_equal(images.train.images, part(TRAIN, 0).images)
    np.testing.assert_array_equal(images.test.labels, part(TEST, 1).labels)
    assert images.test.labels.dtype == np.int64
    assert (images.side, images.planes, images.remark) == (28, 1, "")


def test_cifar10_is_read_by_class_and_number_whatever_the_order_of_the_archive(tmp_path: Path) -> None:
    images = read_cifar10(cifar_folder(tmp_path, cifar_members(each=3)))
    assert images.train.images.shape == (30, 32, 32, 3)
    assert images.train.labels.tolist() == [label for label in range(10) for _ in range(3)]
    for name, of in (("train", images.train), ("test", images.test)):
        wanted = [colour(name, label, number) for label in range(10) for number in range(3)]
        found = of.images[:, 16, 16].astype(int)
        np.testing.assert_allclose(found, wanted, atol=4)
    assert "JPEG" in images.remark


def test_the_digest_tells_data_apart() -> None:
    one, other = small_images(), small_images()
    assert one.digest() == other.digest()
    other.test.images[3, 2, 1, 0] ^= 1
    assert one.digest() != other.digest()


@pytest.mark.parametrize("reader", [read_mnist, read_cifar10])
def test_a_missing_file_is_named_with_the_option_that_names_its_folder(reader: Any, tmp_path: Path) -> None:
    with pytest.raises(ReproductionError, match=r"is missing: --data is to name the folder that holds"):
        reader(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((3, 28, 28), np.float32), "y": np.zeros(3, np.uint8)}, "it is float32"),
        ({"x": np.zeros((3, 32, 32), np.uint8), "y": np.zeros(3, np.uint8)}, r"it is uint8 \(3, 32, 32\)"),
        ({"x": np.zeros((0, 28, 28), np.uint8), "y": np.zeros(0, np.uint8)}, r"it is uint8 \(0, 28, 28\)"),
        ({"x": np.zeros((3, 28, 28), np.uint8), "y": np.array([0, 10, 1])}, "from 0 to 10"),
        ({"x": np.zeros((3, 28, 28), np.uint8), "y": np.array([0, 1])}, "3 whole numbers 0..9"),
        ({"x": np.zeros((3, 28, 28), np.uint8), "y": np.zeros(3)}, "it is float64"),
        ({"images": np.zeros((3, 28, 28), np.uint8)}, "arrays x and y"),
        ({"x": np.array([{}]), "y": np.zeros(1, np.uint8)}, "allow_pickle"),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(
    arrays: dict[str, Any], words: str, tmp_path: Path
) -> None:
    np.savez(mnist_folder(tmp_path) / "mnist_test.npz", **arrays)
    with pytest.raises(ReproductionError, match=words) as found:
        read_mnist(tmp_path)
    assert "mnist_test.npz" in str(found.value)


def test_a_file_that_is_no_archive_or_cut_short_is_refused(tmp_path: Path) -> None:
    (mnist_folder(tmp_path) / "mnist_train.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(ReproductionError, match=r"mnist_train\.npz cannot be read"):
        read_mnist(tmp_path)
    archive = cifar_folder(tmp_path, cifar_members()) / CIFAR_FILE
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(ReproductionError, match=r"cifar10_jpeg\.tar\.xz cannot be read"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (("train/frog/0001.jpg", b"no picture"), "no image that OpenCV reads"),
        (("train/frog/0001.jpg", b""), "no image that OpenCV reads"),
        (("test/ship/0001.jpg", jpeg((1, 2, 3), side=28)), r"an image of \(28, 28, 3\)"),
        (("train/lorry/0001.jpg", jpeg((1, 2, 3))), "train/lorry/0001.jpg"),
        (("train/0001.jpg", jpeg((1, 2, 3))), "expected train/CLASS/NUMBER.jpg"),
    ],
)
def test_a_member_that_is_no_such_image_is_named(
    member: tuple[str, bytes], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ReproductionError, match=words):
        read_cifar10(cifar_folder(tmp_path, [*cifar_members(each=1), member]))


def test_a_part_without_images_is_named(tmp_path: Path) -> None:
    only = [member for member in cifar_members() if member[0].startswith("train/")]
    with pytest.raises(ReproductionError, match="no images under test/"):
        read_cifar10(cifar_folder(tmp_path, only))


BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[3].parent / "shared")
DATA = BESIDE / "data/vision"


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no images at {DATA}; set COCIRCLE_DATA")
def test_the_real_mnist_has_its_known_numbers() -> None:
    images = read_mnist(DATA)
    assert (len(images.train.labels), len(images.test.labels)) == (60_000, 10_000)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(images.test.labels).tolist() == counts


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no images at {DATA}; set COCIRCLE_DATA")
def test_the_real_cifar10_has_its_known_numbers() -> None:
    images = read_cifar10(DATA)
    assert np.bincount(images.train.labels).tolist() == [5000] * 10
    assert np.bincount(images.test.labels).tolist() == [1000] * 10
