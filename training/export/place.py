"""A folder that takes its name when it is whole, and not before; knows nothing of what lies in it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faces.manifest import MANIFEST
from training.atomic import sync_folder
from training.export.errors import ExportError


def check_free(folder: Path, replace: bool) -> None:
    """ExportError unless nothing stands at `folder`, or an empty folder, or with `replace` a pack."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder for the pack")
    if any(folder.iterdir()) and not (replace and (folder / MANIFEST).is_file()):
        raise ExportError(
            f"{folder} is not empty; choose another folder, or --replace if it holds a pack that is to go"
        )


@contextmanager
def growing(folder: Path, replace: bool) -> Iterator[Path]:
    """A folder beside `folder` that takes its name at the end; after an error nothing is left of it.

    A process that is killed leaves a folder `.NAME-...` beside it, which no command takes for a pack.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield fresh
        fresh.chmod(0o755)
        for path in fresh.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(fresh)
        _take_name(fresh, folder, replace)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _take_name(fresh: Path, folder: Path, replace: bool) -> None:
    former = folder.with_name(f".{folder.name}-former-{secrets.token_hex(4)}")
    moved = replace and folder.exists()
    if moved:
        folder.rename(former)
    try:
        # Fails where somebody has put something there meanwhile, and takes an empty folder's place.
        fresh.rename(folder)
    except OSError:
        if moved:
            former.rename(folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)
