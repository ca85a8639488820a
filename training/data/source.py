"""A path -> the reader of the records there; reads none of them."""

from __future__ import annotations

from pathlib import Path

from training.data.folder import ImageFolder
from training.data.recordio import RecordIO
from training.data.records import BadData, FaceRecords
from training.data.shards import Shards
from training.data.table import Damaged


def open_records(source: Path, *, cache: Path | None = None, damaged: Damaged = "raise") -> FaceRecords:
    """Whatever lies there: a folder with train.rec or a .rec file, tar shards or one of them, or identities' folders.

    cache, damaged: as of Shards; a folder of images needs neither. BadData names what was looked for.
    """
    if source.suffix == ".rec" or (source / "train.rec").is_file():
        return RecordIO(source, cache=cache, damaged=damaged)
    if source.suffix == ".tar" or any(source.glob("*.tar")):
        return Shards(source, cache=cache, damaged=damaged)
    if source.is_dir():
        return ImageFolder(source)
    raise BadData(f"no faces at {source}: it is no folder of identities or of .tar shards, and no train.rec")
