"""A set's table kept on disk, so that the set is scanned only once; mapped into memory when it is opened again."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from training.atomic import replaced
from training.data.names import FileNames, LineNames, NumberNames, as_lines
from training.data.table import COLUMNS, Damage, RecordTable

_FORMAT = 1


def kept(
    home: Path, files: Sequence[Path], cache: Path | None, build: Callable[[], RecordTable]
) -> RecordTable:
    """The table of a set, from disk where its files have the names, sizes and times they had, else built.

    home: the folder of the files. cache: the folder to keep it in; None: `home`, unless that is read-only for
    everybody, when it stays in memory. What comes from disk is mapped into memory, not read. A cache that cannot
    be written is a warning: the table is then kept in memory.
    """
    place = _place(home, files, cache)
    if place is None:
        return build()
    facts = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    digest = hashlib.sha256(json.dumps([_FORMAT, facts]).encode()).hexdigest()[:16]
    found = _load(place, digest)
    if found is not None:
        return found
    table = build()
    try:
        _save(table, place, digest)
    except OSError as error:
        warnings.warn(f"the index of {home} is not kept, so it will be built again: {error}", stacklevel=3)
        return table
    return _load(place, digest) or table


def _place(home: Path, files: Sequence[Path], cache: Path | None) -> Path | None:
    """The front of the names of a cache's files, another for every choice of files."""
    names = [file.name for file in files]
    if cache is None:
        key = zlib.crc32(json.dumps(names).encode())
        return home / f".cocircle-index-{key:08x}" if home.stat().st_mode & 0o222 else None
    cache.mkdir(parents=True, exist_ok=True)
    key = zlib.crc32(json.dumps([str(home.resolve()), names]).encode())
    return cache / f"{home.name}-{key:08x}"


def _column(place: Path, digest: str, column: str) -> Path:
    return place.with_name(f"{place.name}-{digest}-{column}.npy")


def _load(place: Path, digest: str) -> RecordTable | None:
    names_path = place.with_name(f"{place.name}-{digest}-names.txt")
    try:
        manifest = json.loads(place.with_name(f"{place.name}.json").read_text("utf-8"))
        if manifest.get("digest") != digest:
            return None
        columns = {
            name: np.asarray(np.load(_column(place, digest, name), mmap_mode="r"))
            for name in manifest["columns"]
        }
        if any(len(columns[name]) != records for name, records in manifest["columns"].items()):
            return None
        if manifest["names"] is not None and names_path.stat().st_size != manifest["names"]:
            return None
    except (OSError, ValueError):
        # Whatever is wrong with a cache, the files themselves say it better.
        return None
    classes, values = manifest["classes"], columns.pop("values", None)
    names = FileNames(names_path, classes) if manifest["names"] is not None else NumberNames(classes, values)
    damage = tuple(Damage(**{**entry, "reasons": tuple(entry["reasons"])}) for entry in manifest["damage"])
    return RecordTable(**columns, classes=classes, names=names, values=values, damage=damage)


def _save(table: RecordTable, place: Path, digest: str) -> None:
    columns = {name: getattr(table, name) for name in COLUMNS}
    if table.values is not None:
        columns["values"] = table.values
    for name, rows in columns.items():
        with replaced(_column(place, digest, name)) as file:
            np.save(file, rows)
    lines = as_lines(table.names) if isinstance(table.names, LineNames) else None
    if lines is not None:
        with replaced(place.with_name(f"{place.name}-{digest}-names.txt")) as file:
            file.write(lines)
    manifest = {
        "digest": digest,
        "classes": table.classes,
        "names": None if lines is None else len(lines),
        "columns": {name: len(rows) for name, rows in columns.items()},
        "damage": [asdict(entry) for entry in table.damage],
    }
    with replaced(place.with_name(f"{place.name}.json")) as file:
        file.write(json.dumps(manifest, indent=1).encode())
    _remove_older(place, digest)


def _remove_older(place: Path, digest: str) -> None:
    ours = re.compile(re.escape(place.name) + r"-(?P<digest>[0-9a-f]{16})-\w+\.(npy|txt)")
    for path in place.parent.iterdir():
        found = ours.fullmatch(path.name)
        if found and found["digest"] != digest:
            path.unlink(missing_ok=True)
