"""Images that a list names: nothing outside the folder, nothing opened early, and a digest that sees every change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_images import ListedImages

NAMES = ("1.jpg", "10.jpg", "a/2.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in (*NAMES, "not-named.jpg"):
        (tmp_path / name).write_bytes(f"content of {name}".encode())
    return tmp_path


def test_the_named_files_are_read_in_order_and_no_other(folder: Path) -> None:
    assert list(ListedImages(folder, NAMES).read()) == [
        (name, f"content of {name}".encode()) for name in NAMES
    ]


def test_a_digest_changes_with_a_name_a_byte_or_a_landmark(folder: Path) -> None:
    landmarks = np.zeros((3, 5, 2), np.float32)
    digests = [
        ListedImages(folder, NAMES).digest,
        ListedImages(folder, NAMES[:2]).digest,
        ListedImages(folder, NAMES, landmarks).digest,
        ListedImages(folder, NAMES, landmarks + 1).digest,
    ]
    (folder / "1.jpg").write_bytes(b"content of 1.jpG")
    digests.append(ListedImages(folder, NAMES).digest)
    assert len(set(digests)) == len(digests)
    assert ListedImages(folder, NAMES).digest == digests[-1]


def test_parts_keep_the_order_and_each_image_its_landmarks(folder: Path) -> None:
    landmarks = np.arange(30, dtype=np.float32).reshape(3, 5, 2)
    parts = list(ListedImages(folder, NAMES, landmarks).parts(2))
    assert [part.names for part in parts] == [NAMES[:2], NAMES[2:]]
    assert np.array_equal(
        np.concatenate([part.landmarks for part in parts if part.landmarks is not None]), landmarks
    )


def test_a_missing_file_is_named_and_counted(folder: Path) -> None:
    (folder / "10.jpg").unlink()
    images = ListedImages(folder, NAMES)
    with pytest.raises(DatasetError, match=r"lacks 1 of 3 images that are named, the first is 10\.jpg"):
        images.require_files()
    with pytest.raises(DatasetError, match=r"10\.jpg cannot be read: No such file"):
        _ = images.digest


def test_names_out_of_order_and_landmarks_that_do_not_fit_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="sorted, each once"):
        ListedImages(folder, ("b.jpg", "a.jpg"))
    with pytest.raises(ValueError, match="sorted, each once"):
        ListedImages(folder, ("a.jpg", "a.jpg"))
    with pytest.raises(ValueError, match=r"need landmarks of shape \(3, 5, 2\), not \(2, 5, 2\)"):
        ListedImages(folder, NAMES, np.zeros((2, 5, 2), np.float32))
