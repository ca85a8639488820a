"""Embeddings of anybody's from a file, and a pack's that are computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError, ImageSet, open_images
from evaluation.embedding.sources import FileEmbeddings, PackEmbeddings
from faces.analyzer import Analyzer
from faces.pack import ModelPack, load_pack

IMAGES = ImageSet(Path("nowhere"), ("a/1.jpg", "b/1.jpg"), "digest")


def write(path: Path, names: list[str], rows: NDArray[np.floating]) -> Path:
    with path.open("wb") as file:
        np.savez(file, names=np.array(names, dtype=np.str_), embeddings=rows)
    return path


def test_rows_of_a_file_are_found_by_name_and_have_unit_length(tmp_path: Path) -> None:
    rows = np.array([[3.0, 4.0], [0.0, 2.0], [1e-200, 0.0]])
    source = FileEmbeddings(write(tmp_path / "mine.npz", ["b/1.jpg", "a/1.jpg", "c/1.jpg"], rows))
    found = source.photos(IMAGES)
    assert found.names == IMAGES.names
    assert np.allclose(found.central, [[0.0, 1.0], [0.6, 0.8]])
    assert source.name == "mine"
    other = FileEmbeddings(write(tmp_path / "other.npz", ["b/1.jpg", "a/1.jpg"], rows[:2]))
    assert source.contract_id != other.contract_id


def test_an_image_without_a_row_is_named(tmp_path: Path) -> None:
    source = FileEmbeddings(write(tmp_path / "mine.npz", ["a/1.jpg"], np.ones((1, 2))))
    with pytest.raises(DatasetError, match=r"lacks 1 of 2 images, the first is b/1\.jpg"):
        source.aligned(IMAGES)


@pytest.mark.parametrize(
    ("names", "rows", "words"),
    [
        (["a", "a"], np.ones((2, 3)), "a name twice"),
        (["a"], np.zeros((1, 3)), "of a is zero or not finite"),
        (["a"], np.full((1, 3), np.nan), "of a is zero or not finite"),
        (["a"], np.ones((2, 3)), "must be"),
        (["a"], np.ones(1), "must be"),
    ],
)
def test_rows_that_are_no_embeddings_are_refused(
    tmp_path: Path, names: list[str], rows: NDArray[np.floating], words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        FileEmbeddings(write(tmp_path / "mine.npz", names, rows))


def test_a_file_of_another_kind_is_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        FileEmbeddings(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("names")
    with pytest.raises(DatasetError, match=r"is no \.npz file"):
        FileEmbeddings(tmp_path / "text.npz")
    np.savez(tmp_path / "objects.npz", names=np.array([{"a": 1}], dtype=object), embeddings=np.ones((1, 2)))
    with pytest.raises(DatasetError, match=r"is no \.npz file"):
        FileEmbeddings(tmp_path / "objects.npz")
    np.savez(tmp_path / "other.npz", rows=np.ones((1, 2)))
    with pytest.raises(DatasetError, match="names"):
        FileEmbeddings(tmp_path / "other.npz")


def test_a_pack_embeds_a_set_once_and_shows_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set" / "a").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "set" / "a" / "1.png"), np.full((112, 112, 3), 90, np.uint8))
    opened: list[ModelPack] = []
    told: list[tuple[str, int]] = []

    @contextmanager
    def report(what: str, total: int) -> Iterator[Callable[[int], None]]:
        told.append((what, total))
        yield lambda done: told.append((what, -done))

    def open_analyzer(pack: ModelPack) -> Analyzer:
        opened.append(pack)
        return Analyzer(pack, threads=1)

    images = open_images(tmp_path / "set")
    rows = [
        PackEmbeddings(load_pack("default"), open_analyzer, report).aligned(images).central for _ in range(2)
    ]
    assert np.array_equal(rows[0], rows[1])
    assert len(opened) == 1
    assert told == [("aligned crops", 1), ("aligned crops", -1)]


def test_images_at_any_depth_are_named_by_their_path_and_only_those_named_are_read(tmp_path: Path) -> None:
    for name in ("a/b/1.png", "a/2.png", "3.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    assert open_images(tmp_path, nested=True).names == ("3.png", "a/2.png", "a/b/1.png")
    assert open_images(tmp_path).names == ("a/2.png",)
    some = open_images(tmp_path, nested=True, only={"a/b/1.png"})
    assert [name for name, _ in some.read()] == ["a/b/1.png"]
    with pytest.raises(DatasetError, match=r"lacks 1 images that are named, the first is a/9\.png"):
        open_images(tmp_path, nested=True, only={"a/9.png", "3.png"})
