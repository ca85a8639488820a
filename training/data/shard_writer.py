"""Any records -> tar shards in the webdataset layout, each whole on the disk or not there; reads no shards.

Equal records give equal bytes, so a copy made elsewhere can be compared by its digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from training.atomic import replaced
from training.data.names import as_lines
from training.data.records import BadRecord, FaceRecords
from training.data.shards import MANIFEST, NAMES, Manifest
from training.data.tar import END, header, padding

_MAGIC = ((b"\xff\xd8\xff", "jpg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"BM", "bmp"), (b"P5", "pgm"))


@dataclass(frozen=True)
class Sample:
    """One record to write. key: its name in the shard, without a dot; at most 90 bytes. image: an image file.

    label: 0 <= label < 2^63. about: what else its .json shall say.
    """

    key: str
    image: bytes
    label: int
    about: dict[str, object]

    def __post_init__(self) -> None:
        if not self.key or "." in self.key:
            raise ValueError(f"a sample's key is a name without a dot; it is {self.key!r}")
        if not 0 <= self.label < 2**63:
            raise ValueError(f"label {self.label} of {self.key} is outside 0..2^63-1")


def write_shards(
    folder: Path,
    records: FaceRecords,
    *,
    per_shard: int = 10_000,
    progress: Callable[[int], None] = lambda written: None,
) -> list[Path]:
    """All records, in order, as shard-000000.tar and on, with a manifest and the names of the classes.

    folder: made where it is missing; FileExistsError where it holds a finished set. per_shard: records in a
    shard. progress: told how many records are on the disk, after each shard. Images are copied as they are.
    OSError (a full disk) names the shard and says how many records the shards before it hold; what is there
    until then is marked as unfinished, which Shards refuses, and may be written over.
    """
    if per_shard < 1:
        raise ValueError(f"a shard holds at least 1 record; per_shard is {per_shard}")
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder)
    held: dict[str, int] = {}
    shards: list[Path] = []
    for start in range(0, len(records), per_shard):
        stop = min(start + per_shard, len(records))
        path = folder / f"shard-{len(shards):06d}.tar"
        try:
            held[path.name] = write_shard(path, (_sample(records, index) for index in range(start, stop)))
        except OSError as error:
            raise _told(error, f"{path} is not written; the shards before it hold {start} records") from error
        shards.append(path)
        progress(stop)
    try:
        with replaced(folder / NAMES) as file:
            file.write(as_lines(records.class_names))
        write_manifest(folder, Manifest(records.classes, True, True, held))
    except OSError as error:
        raise _told(error, f"the shards in {folder} are written, but not what they hold") from error
    return shards


def write_shard(path: Path, samples: Iterable[Sample]) -> int:
    """One shard, with all of the samples; how many they are. It takes its name when all of it is on the disk."""
    count = 0
    with replaced(path) as file:
        for sample in samples:
            count += 1
            about = json.dumps({"label": sample.label, **sample.about}, sort_keys=True, separators=(",", ":"))
            for suffix, data in ((_suffix(sample), sample.image), ("json", about.encode())):
                file.write(header(f"{sample.key}.{suffix}", len(data)))
                file.write(data)
                file.write(padding(len(data)))
        file.write(END)
    return count


def _claim(folder: Path) -> None:
    path = folder / MANIFEST
    if path.exists() and json.loads(path.read_text("utf-8")).get("complete", True):
        raise FileExistsError(f"{folder} holds a finished set of shards; choose another folder or remove it")
    foreign = [shard.name for shard in folder.glob("*.tar")] if not path.exists() else []
    if foreign:
        raise FileExistsError(
            f"{folder} holds {foreign[0]}, which is of no set written here; choose another folder"
        )
    write_manifest(folder, Manifest(complete=False))
    for shard in folder.glob("shard-*.tar"):
        shard.unlink()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """What a folder of shards says of itself, in place of what it said."""
    with replaced(folder / MANIFEST) as file:
        file.write(json.dumps(asdict(manifest), indent=1).encode())


def _sample(records: FaceRecords, index: int) -> Sample:
    label = int(records.labels[index])
    return Sample(f"{index:09d}", records.encoded(index), label, {"name": records.name(index)})


def _suffix(sample: Sample) -> str:
    for magic, suffix in _MAGIC:
        if sample.image.startswith(magic):
            return suffix
    if sample.image[:4] == b"RIFF" and sample.image[8:12] == b"WEBP":
        return "webp"
    begins = sample.image[:12]
    raise BadRecord("the samples", sample.key, f"it is no image of a known type: it begins with {begins!r}")


def _told(error: OSError, what: str) -> OSError:
    return OSError(error.errno, f"{what}: {error.strerror}")
