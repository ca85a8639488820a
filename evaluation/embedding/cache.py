"""Embeddings of whole data sets kept on disk, so that a second evaluation takes seconds; knows no model."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.datasets.images import combined_digest
from evaluation.embedding.pipeline import EmbeddedSet
from faces.pack_source import cache_folder, write_whole


def cache_path(contract_id: str, images_digest: str, *circumstances: str) -> Path:
    """Where the embeddings of a set lie: $COCIRCLE_CACHE, else ~/.cache/cocircle, under
    evaluation/<contract>/.

    circumstances: everything else that may change an embedding, such as the detector's file or a version.
    """
    key = combined_digest([part.encode() for part in (images_digest, *circumstances)])
    return cache_folder() / "evaluation" / contract_id / f"{key[:32]}.embeddings"


def cached(path: Path, names: tuple[str, ...], compute: Callable[[], EmbeddedSet]) -> EmbeddedSet:
    """The set at `path` if it is whole and holds exactly `names`; else computed, and stored for the next
    time.

    A damaged file is replaced. A folder that cannot be written costs the next run time and nothing else.
    """
    found = load(path)
    if found is not None and found.names == names:
        return found
    computed = compute()
    try:
        write_whole(path, dump(computed))
    except OSError:
        return computed
    return computed


def dump(embedded: EmbeddedSet) -> bytes:
    """An .npz without pickled objects, behind its own SHA-256 (32 bytes)."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        names=np.array(embedded.names, dtype=np.str_),
        central=embedded.central,
        largest=embedded.largest,
        faces=embedded.faces,
    )
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


def load(path: Path) -> EmbeddedSet | None:
    """The set stored at `path`, or None where there is none, or none that is whole and consistent."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    try:
        with np.load(io.BytesIO(content[32:]), allow_pickle=False) as stored:
            names, central, largest, faces = (stored[key] for key in ("names", "central", "largest", "faces"))
    except (OSError, ValueError, KeyError, EOFError):
        return None
    sound = (
        names.ndim == 1
        and central.ndim == 2
        and central.shape == largest.shape
        and len(names) == len(central) == len(faces)
        and central.dtype == largest.dtype == np.float32
        and bool(np.isfinite(central).all() and np.isfinite(largest).all())
    )
    return EmbeddedSet(tuple(names.tolist()), central, largest, faces) if sound else None
