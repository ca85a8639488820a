"""Large sets in parts: crops by given landmarks, parts that stay when a run is stopped, files asked by name alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_images import ListedImages
from evaluation.embedding.parts import embed_by_landmarks, embed_listed
from evaluation.embedding.sources import FileEmbeddings, PackEmbeddings
from faces.align import align
from faces.analyzer import Analysis, EmbedWhat
from faces.face import Image
from faces.pack import ModelPack, load_pack

LANDMARKS = np.array([[30, 40], [60, 42], [45, 60], [33, 75], [57, 76]], np.float32)


class Recorder:
    """Stands in for an analyzer: an embedding is the crop's mean colour, and crops are kept."""

    dimension = 3

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.batches: list[int] = []
        self.fails_at: int | None = None

    def analyze(self, images: Sequence[Image], *, embed: EmbedWhat) -> list[Analysis]:
        raise AssertionError("nothing is to be detected where landmarks are given")

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self.fails_at is not None and len(self.crops) >= self.fails_at:
            raise KeyboardInterrupt
        self.crops += list(crops)
        self.batches.append(len(crops))
        means = crops.astype(np.float32).mean(axis=(1, 2)) + 1
        unit: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture
def images(tmp_path: Path) -> ListedImages:
    """Five pictures of noise of different sizes, the landmarks moved a little in each."""
    random = np.random.default_rng(0)
    names = tuple(f"{at}.png" for at in range(5))
    for at, name in enumerate(names):
        pixels = random.integers(0, 256, (100 + at, 90, 3), np.uint8)
        (tmp_path / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return ListedImages(tmp_path, names, np.stack([LANDMARKS + at for at in range(5)]))


@pytest.fixture
def pack() -> ModelPack:
    return load_pack("default")


def of_pack(pack: ModelPack, recorder: Recorder, use_cache: bool = True) -> PackEmbeddings:
    return PackEmbeddings(pack, lambda _: recorder, silent, use_cache=use_cache)


def test_each_crop_is_cut_by_its_own_landmarks(images: ListedImages) -> None:
    recorder, told = Recorder(), []
    embedded = embed_by_landmarks(recorder, images, batch=2, progress=told.append)
    assert images.landmarks is not None
    for at, name in enumerate(images.names):
        photo = cv2.imread(str(images.source / name))
        assert photo is not None
        assert np.array_equal(recorder.crops[at], align(photo, images.landmarks[at]))
    assert recorder.batches == told == [2, 2, 1]
    assert np.array_equal(embedded.central, Recorder().embed_crops(np.stack(recorder.crops)))
    assert embedded.faces.tolist() == [1] * 5


def test_images_without_landmarks_and_damaged_ones_are_refused(images: ListedImages) -> None:
    with pytest.raises(ValueError, match="have no landmarks to crop by"):
        embed_by_landmarks(Recorder(), ListedImages(images.source, images.names))
    (images.source / "3.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"3\.png cannot be decoded"):
        embed_by_landmarks(Recorder(), images)


@pytest.mark.parametrize("part", [1, 2, 5, 99])
def test_parts_give_the_rows_of_the_whole(images: ListedImages, pack: ModelPack, part: int) -> None:
    whole = embed_by_landmarks(Recorder(), images)
    found = embed_listed(of_pack(pack, Recorder(), use_cache=False), images, part=part)
    assert np.array_equal(found.rows, whole.central)
    assert found.faces.tolist() == [1] * 5


def test_a_run_that_is_stopped_goes_on_where_it_was(
    images: ListedImages, pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path / "cache"))
    stopped = Recorder()
    stopped.fails_at = 4
    with pytest.raises(KeyboardInterrupt):
        embed_listed(of_pack(pack, stopped), images, part=2)
    again = Recorder()
    found = embed_listed(of_pack(pack, again), images, part=2)
    assert len(again.crops) == 1
    assert np.array_equal(found.rows, embed_by_landmarks(Recorder(), images).central)


def test_other_landmarks_are_embedded_anew(
    images: ListedImages, pack: ModelPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path / "cache"))
    first = embed_listed(of_pack(pack, Recorder()), images)
    assert images.landmarks is not None
    moved = ListedImages(images.source, images.names, images.landmarks + 3)
    other = embed_listed(of_pack(pack, Recorder()), moved)
    assert not np.array_equal(first.rows, other.rows)
    assert first.images_digest != other.images_digest


def test_a_missing_image_is_told_before_any_is_embedded(images: ListedImages, pack: ModelPack) -> None:
    (images.source / "4.png").unlink()
    recorder = Recorder()
    with pytest.raises(DatasetError, match=r"lacks 1 of 5 images that are named, the first is 4\.png"):
        embed_listed(of_pack(pack, recorder), images, part=1)
    assert not recorder.crops


def test_a_file_of_rows_is_asked_by_name_and_no_image_is_opened(images: ListedImages, tmp_path: Path) -> None:
    rows = np.eye(5, dtype=np.float32)
    np.savez(tmp_path / "rows.npz", names=np.array(images.names[::-1]), embeddings=rows)
    absent = ListedImages(tmp_path / "nowhere", images.names, images.landmarks)
    found = embed_listed(FileEmbeddings(tmp_path / "rows.npz"), absent, part=2)
    assert np.array_equal(found.rows, rows[::-1])
    assert found.images_digest is None
