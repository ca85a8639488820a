"""The cache of embeddings: it returns what was stored, and nothing that is damaged or foreign."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from evaluation.embedding.cache import cache_path, cached, dump, load
from evaluation.embedding.pipeline import EmbeddedSet

NAMES = ("Ada/Ada_0001.jpg", "Bo/Bo_0001.jpg", "Zoë/Zoë_0001.jpg")


def embedded(seed: int = 0) -> EmbeddedSet:
    rng = np.random.default_rng(seed)
    central = rng.normal(size=(3, 4)).astype(np.float32)
    return EmbeddedSet(NAMES, central, central[::-1].copy(), np.array([1, 0, 2], np.int32))


def equal(one: EmbeddedSet, other: EmbeddedSet) -> bool:
    return (
        one.names == other.names
        and np.array_equal(one.central, other.central)
        and np.array_equal(one.largest, other.largest)
        and np.array_equal(one.faces, other.faces)
    )


def never() -> EmbeddedSet:
    raise AssertionError("computed again although the cache holds it")


def test_a_second_evaluation_reads_what_the_first_computed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "set.npz"
    assert equal(cached(path, NAMES, embedded), embedded())
    assert equal(cached(path, NAMES, never), embedded())
    assert [file.name for file in path.parent.iterdir()] == ["set.npz"]


@pytest.mark.parametrize("cut", [0, 1, 100, 400, -1])
def test_a_cut_file_is_computed_again_and_replaced(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(dump(embedded())[:cut])
    assert load(path) is None
    assert equal(cached(path, NAMES, lambda: embedded(1)), embedded(1))
    assert equal(cached(path, NAMES, never), embedded(1))


def test_a_flipped_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    whole = dump(embedded())
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        path.write_bytes(bytes(damaged))
        assert load(path) is None


def test_embeddings_of_other_images_or_that_are_not_finite_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(dump(embedded()))
    assert equal(cached(path, NAMES[:2], lambda: embedded(2)), embedded(2))
    broken = embedded()
    broken.central[1, 2] = np.nan
    path.write_bytes(dump(broken))
    assert load(path) is None


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    fields = {"central": np.zeros((1, 2), np.float32), "largest": np.zeros((1, 2), np.float32)}
    buffer = io.BytesIO()
    np.savez(buffer, names=np.array([{"an": "object"}], dtype=object), faces=np.zeros(1, np.int32), **fields)
    path.write_bytes(hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    assert load(path) is None


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert equal(cached(tmp_path / "file" / "set.npz", NAMES, embedded), embedded())


def test_contract_images_and_circumstances_each_have_a_place_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path))
    paths = {
        cache_path("sface-1", "ab", "photos", "1"),
        cache_path("sface-2", "ab", "photos", "1"),
        cache_path("sface-1", "cd", "photos", "1"),
        cache_path("sface-1", "ab", "crops", "1"),
        cache_path("sface-1", "ab", "photos1"),
    }
    assert len(paths) == 5
    assert all(tmp_path in path.parents for path in paths)
