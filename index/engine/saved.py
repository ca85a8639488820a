"""A held collection to its snapshot and back: which arrays, which files, when a snapshot fits."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import snapshot
from index.engine.base import Space, snapshot_folder
from index.engine.codes import Coder, part_width
from index.engine.held import Held
from index.engine.rows import NEVER, Segment, View
from index.snapshot import BadSnapshot, FileSpec, Manifest
from index.template import DTYPES

LOCK = "writer.lock"

logger = logging.getLogger(__name__)


def identity(space: Space) -> dict[str, Any]:
    """What a snapshot's collection must have in common with the store's."""
    return {
        "key": space.key,
        "contract_id": space.contract_id,
        "dimension": space.dimension,
        "fusion": str(space.fusion),
        "precision": str(space.precision),
    }


def save(root: Path, held: Held, token_of: Callable[[int], str | None]) -> bool:
    """Writes the collection as it is now. False when another process is writing, or the log lacks its
    revision.

    Only segments that changed since the last snapshot are written. No row that was dead is in any file then.
    """
    folder = snapshot_folder(root, held.space.key)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(root, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
        if not free:
            return False
        view, coder = held.clean_view()
        token = token_of(view.revision)
        if token is None:
            return False
        files = [_segment_file(folder, segment) for segment in view.segments]
        if coder is not None:
            files.append(snapshot.write_arrays(folder, _name("coder"), {"centroids": coder.centroids}))
        manifest = Manifest(identity(held.space), view.revision, token, tuple(files))
        snapshot.write_manifest(folder, manifest)
        _remap(folder, view, manifest)
        held.saved(view)
    return True


def _name(what: str) -> str:
    return f"{what}-{secrets.token_hex(8)}{snapshot.SUFFIX}"


def _segment_file(folder: Path, segment: Segment) -> FileSpec:
    """The file that holds a segment, written unless an earlier snapshot did."""
    known = segment.file
    has_codes = known is not None and any(array.name == "codes" for array in known.arrays)
    if known is not None and has_codes == (segment.codes is not None) and (folder / known.file).exists():
        return known
    arrays: dict[str, NDArray[Any]] = {
        "persons": segment.persons,
        "keys": segment.keys,
        "rows": segment.rows,
    }
    if segment.codes is not None:
        arrays["codes"] = segment.codes
    return snapshot.write_arrays(folder, _name("rows"), arrays)


def _remap(folder: Path, view: View, manifest: Manifest) -> None:
    """Rows that were in memory alone are read from the page cache from now on."""
    for segment, spec in zip(view.segments, manifest.files, strict=False):
        if segment.file != spec:
            arrays = snapshot.map_file(folder, spec)
            segment.persons, segment.keys = arrays["persons"], arrays["keys"]
            segment.rows = arrays["rows"]
            segment.codes = arrays.get("codes")
            segment.file = spec


def load(root: Path, held: Held) -> tuple[int, str] | None:
    """Fills `held` from its snapshot: revision and token; None, and a word logged, where none fits."""
    folder = snapshot_folder(root, held.space.key)
    if not folder.is_dir():
        return None
    try:
        with _locked(root, fcntl.LOCK_SH):
            manifest = snapshot.read_manifest(folder)
            if manifest is None:
                return None
            if manifest.collection != identity(held.space):
                raise BadSnapshot(
                    f"{folder} holds {dict(manifest.collection)}, the store has {identity(held.space)}"
                )
            files = snapshot.map_files(folder, manifest)
            segments, coder = _contents(held.space, manifest, files)
    except (BadSnapshot, OSError) as error:
        logger.warning("snapshot not used, the collection is rebuilt from the store: %s", error)
        return None
    held.load(segments, coder, manifest.revision)
    return manifest.revision, manifest.token


def _contents(
    space: Space, manifest: Manifest, files: list[dict[str, NDArray[Any]]]
) -> tuple[tuple[Segment, ...], Coder | None]:
    segments, coder = [], None
    for spec, arrays in zip(manifest.files, files, strict=True):
        if "centroids" in arrays:
            parts = space.dimension // part_width(space.dimension)
            if arrays["centroids"].shape != (parts, 16, part_width(space.dimension)):
                raise BadSnapshot(f"{spec.file} has centroids of shape {arrays['centroids'].shape}")
            coder = Coder(np.array(arrays["centroids"]))
            continue
        try:
            segment = Segment(
                persons=arrays["persons"],
                keys=arrays["keys"],
                rows=arrays["rows"],
                died=np.full(len(arrays["persons"]), NEVER),
                codes=arrays.get("codes"),
                file=spec,
            )
        except KeyError as error:
            raise BadSnapshot(f"{spec.file} lacks array {error}") from error
        shape = (len(segment), space.dimension)
        if segment.rows.shape != shape or segment.rows.dtype != DTYPES[space.precision]:
            raise BadSnapshot(f"{spec.file} has rows of {segment.rows.dtype} {segment.rows.shape}")
        segments.append(segment)
    for codes in (segment.codes for segment in segments if segment.codes is not None):
        if coder is None:
            raise BadSnapshot("there are codes without the coder that made them")
        if codes.dtype != np.uint8 or codes.shape[1:] != (coder.code_bytes,):
            raise BadSnapshot(
                f"codes of {codes.dtype} {codes.shape} are not of {coder.code_bytes} bytes a row"
            )
    return tuple(segments), coder


@contextlib.contextmanager
def _locked(root: Path, how: int) -> Iterator[bool]:
    """Holds the lock of all snapshots under `root`; yields False when it is taken and `how` does not wait."""
    folder = snapshot_folder(root, 0).parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, how)
        except BlockingIOError:
            yield False
            return
        yield True
