"""Face crops in tar shards, read at random through an index that is built once; writes no shards.

The layouts are those of shard_scan. What `shard_writer.write_shards` leaves in a folder says besides how many
classes there are, what they are called and which shards belong to the set.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faces.face import Crop
from training.data.files import Files
from training.data.names import FileNames
from training.data.records import BadData, ClassNames, Labels, decoded
from training.data.shard_scan import scan_shard
from training.data.shard_table import joined
from training.data.table import Damage, Damaged, complaint, limited
from training.data.table_cache import kept
from training.data.tar import BLOCK

MANIFEST = "shards.json"
NAMES = "class_names.txt"


class Shards:
    """The records of tar shards, in the order of the shards' names and of the images in them (FaceRecords).

    damage: what was left out of which shard, with counts and reasons; empty unless damaged="skip".
    """

    def __init__(
        self,
        source: Path,
        *,
        cache: Path | None = None,
        classes: int | None = None,
        damaged: Damaged = "raise",
    ) -> None:
        """source: a folder of .tar files, or one of them, which then stands for itself and not for its set.

        cache: a folder for the index; None: beside the shards, or memory where that folder is read-only for
        everybody. classes: labels must lie in 0..classes-1 and are the class ids; None: what the set says of
        itself, else the distinct labels in ascending order. damaged: raise BadData that names every fault, or
        skip, and count in `damage`.
        """
        home, paths = _paths(source)
        names = [path.name for path in paths]
        said = _read_manifest(home, names) if source.is_dir() else Manifest()
        table = kept(home, paths, cache, lambda: joined(map(scan_shard, paths), names))
        self._table = limited(table, classes if classes is not None else said.classes, names)
        counts = np.bincount(self._table.file, minlength=len(names)).tolist()
        self.damage = _compared(said, dict(zip(names, counts, strict=True)), self._table.damage)
        if self.damage and (damaged == "raise" or not len(self)):
            raise BadData(complaint(source, self.damage))
        if not len(self):
            raise BadData(f"{source} holds no images with a label beside them or in a folder of an identity")
        self._files = Files(paths)
        named = said.named and said.classes == self.classes
        self._names = FileNames(home / NAMES, self.classes) if named else self._table.names

    def __len__(self) -> int:
        return len(self._table)

    @property
    def labels(self) -> Labels:
        """(N,) int64, 0..C-1."""
        return self._table.label

    @property
    def classes(self) -> int:
        """C."""
        return self._table.classes

    @property
    def class_names(self) -> ClassNames:
        """C names: those written beside the shards, else the folders' in the shards, else the labels."""
        return self._names

    def encoded(self, index: int) -> bytes:
        """The image file as stored; BadRecord where the shard has become shorter."""
        return self._member(index)[BLOCK:]

    def image(self, index: int) -> Crop:
        """(112, 112, 3) uint8, blue green red; BadRecord where it cannot be decoded."""
        member = self._member(index)
        return decoded(member[BLOCK:], self._shard(index), _name(member))

    def name(self, index: int) -> str:
        """The member's name and its shard's."""
        offset = int(self._table.offset[index])
        header = self._files.read(int(self._table.file[index]), offset - BLOCK, BLOCK, f"byte {offset}")
        return f"{_name(header)} in {self._shard(index)}"

    def _member(self, index: int) -> bytes:
        """The header before the image and the image."""
        offset, size = int(self._table.offset[index]), int(self._table.size[index])
        file = int(self._table.file[index])
        return self._files.read(file, offset - BLOCK, BLOCK + size, f"the image at byte {offset}")

    def _shard(self, index: int) -> str:
        return self._files.paths[int(self._table.file[index])].name


@dataclass(frozen=True)
class Manifest:
    """What is known of a set beside its shards. records: of each shard, by its name.

    classes: None where nobody says. named: whether class_names.txt belongs to it.
    """

    classes: int | None = None
    named: bool = False
    complete: bool = True
    records: dict[str, int] = field(default_factory=dict)


def _paths(source: Path) -> tuple[Path, list[Path]]:
    if source.is_dir():
        paths = sorted(path for path in source.glob("*.tar") if not path.name.startswith("."))
        if not paths:
            raise BadData(f"{source} holds no .tar file")
        return source, paths
    if not source.is_file():
        raise BadData(f"no shards at {source}: neither a folder nor a file is there")
    return source.parent, [source]


def _read_manifest(home: Path, names: Sequence[str]) -> Manifest:
    path = home / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        manifest = Manifest(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise BadData(f"{path} is damaged ({error}); write the shards again") from error
    if not manifest.complete:
        raise BadData(f"the shards in {home} were not written to the end; write them again")
    foreign = [name for name in names if name not in manifest.records]
    if foreign:
        raise BadData(
            f"{home} holds {foreign[0]}, which its {MANIFEST} does not know; move it to another folder"
        )
    return manifest


def _compared(said: Manifest, counts: dict[str, int], damage: Sequence[Damage]) -> tuple[Damage, ...]:
    """The damage of the shards, with what the manifest knows of how many records each should hold."""
    known = {entry.file: entry for entry in damage}
    for name, expected in said.records.items():
        have = counts.get(name, 0)
        if have >= expected:
            continue
        reason = f"{expected - have} of its {expected} are not there" if name in counts else "it is not there"
        reasons = known[name].reasons if name in known else (reason,)
        known[name] = Damage(name, have, expected - have, reasons)
    return tuple(known[name] for name in sorted(known))


def _name(header: bytes) -> str:
    return header[:100].split(b"\0", 1)[0].decode("utf-8", "backslashreplace")
