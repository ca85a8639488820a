"""Face crops in InsightFace's RecordIO files (train.rec, train.idx, property), read at random without MXNet."""

from __future__ import annotations

from pathlib import Path

from faces.align import CROP
from faces.face import Crop
from training.data.files import Files
from training.data.recordio_scan import content, scan_recordio, unpacked
from training.data.records import BadData, BadRecord, ClassNames, Labels, decoded
from training.data.table import Damage, Damaged, complaint, limited
from training.data.table_cache import kept


class RecordIO:
    """The images of a .rec file, in its order (FaceRecords).

    Class ids are the labels where `property` says how many classes there are, else the distinct labels in
    ascending order. damage: what was left out, with counts and reasons; empty unless damaged="skip".
    """

    def __init__(self, source: Path, *, cache: Path | None = None, damaged: Damaged = "raise") -> None:
        """source: a folder with train.rec, or a .rec file.

        cache: as of Shards. damaged: raise BadData that names every fault, or skip, and count in `damage`.
        Labels of 2^24 and more are BadData either way: float32 cannot tell them apart.
        """
        path = source / "train.rec" if source.is_dir() else source
        if not path.is_file():
            raise BadData(f"no RecordIO file at {path}")
        beside = [path.with_suffix(".idx")] if path.with_suffix(".idx").exists() else []
        table = kept(path.parent, [path, *beside], cache, lambda: scan_recordio(path))
        self._table = limited(table, _classes(path.parent / "property"), [path.name])
        self.damage: tuple[Damage, ...] = self._table.damage
        if self.damage and (damaged == "raise" or not len(self)):
            raise BadData(complaint(path, self.damage))
        if not len(self):
            raise BadData(f"{path} holds no images")
        self._files = Files([path])

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
        """The labels, as text."""
        return self._table.names

    def encoded(self, index: int) -> bytes:
        """The image file as stored; BadRecord where its framing is damaged or the file has become shorter."""
        record = self._record(index)
        data = self._files.read(0, int(self._table.offset[index]), int(self._table.size[index]), record)
        try:
            return unpacked(content(data))[1]
        except ValueError as error:
            raise BadRecord(self._source, record, str(error)) from error

    def image(self, index: int) -> Crop:
        """(112, 112, 3) uint8, blue green red; BadRecord where it cannot be decoded."""
        return decoded(self.encoded(index), self._source, self._record(index))

    def name(self, index: int) -> str:
        """The place of the record in its file."""
        return f"{self._record(index)} in {self._source}"

    @property
    def _source(self) -> str:
        return self._files.paths[0].name

    def _record(self, index: int) -> str:
        return f"image {index} at byte {self._table.offset[index]}"


def _classes(path: Path) -> int | None:
    """The number of classes by InsightFace's `property`, a line `classes,height,width`; None without one."""
    if not path.exists():
        return None
    text = path.read_text("utf-8", "replace").strip()
    fields = [field.strip() for field in text.split(",")]
    if len(fields) != 3 or not all(field.isdigit() for field in fields) or int(fields[0]) < 1:
        raise BadData(f"{path} says {text[:80]!r}; it should be the number of classes, {CROP} and {CROP}")
    if fields[1:] != [str(CROP), str(CROP)]:
        raise BadData(f"{path} says that the images are {fields[2]}x{fields[1]}; {CROP}x{CROP} are needed")
    return int(fields[0])
