"""The `.bin` files that InsightFace's verification sets come in: aligned crops in pairs, and which are genuine.

Such a file (lfw.bin, cfp_fp.bin, agedb_30.bin, ...) is a pickle of two things: the encoded images, two a pair, and a
boolean a pair. It is read without unpickling, see `plain_pickle`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.datasets.images import DatasetError, combined_digest
from evaluation.datasets.pairs import FOLDS, Pair, PairSet, check_kinds, equal_runs, self_pairs
from evaluation.datasets.plain_pickle import PlainArray, read_plain


@dataclass(frozen=True)
class BinImages:
    """The different images of a file in memory; the name of one is its first place there, `00000` upwards."""

    source: Path
    contents: Mapping[str, bytes]
    digest: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.contents))

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every image as (name, encoded bytes), in the order of the file."""
        yield from self.contents.items()


def open_bin(path: Path) -> PairSet:
    """The pairs of a file; ten folds of equal runs in order, as is the custom with these files.

    Images of the same content are one image, so that none is embedded twice. DatasetError where the file is not
    there, holds anything but byte strings and booleans, or where there are not two images a pair.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    match read_plain(raw, str(path)):
        case [[*images], labels]:
            encoded, same = _encoded(images, path), _booleans(labels, path)
        case _:
            raise DatasetError(f"{path} does not hold two lists, of images and of booleans")
    if len(encoded) != 2 * len(same):
        raise DatasetError(
            f"{path} holds {len(encoded)} images for {len(same)} pairs; there must be two a pair"
        )
    if len(same) < FOLDS:
        raise DatasetError(f"{path} holds {len(same)} pairs; {FOLDS} folds need {FOLDS} at least")
    names, contents = _by_content(encoded)
    pairs = tuple(
        Pair(names[2 * at], names[2 * at + 1], is_same, fold)
        for at, (is_same, fold) in enumerate(zip(same, equal_runs(len(same)), strict=True))
    )
    check_kinds(pairs, str(path), folded=True)
    digest = combined_digest([name.encode() + b"\0" + data for name, data in contents.items()])
    return PairSet(
        protocol=f"bin-{path.stem}",
        title=path.name,
        pairs=pairs,
        folds=f"the file cut into {FOLDS} equal runs, in order",
        images=BinImages(path, contents, digest),
        aligned=True,
        lists=path.name,
        lists_digest=hashlib.sha256(raw).hexdigest(),
        remarks=self_pairs(pairs),
    )


def _encoded(images: Sequence[object], path: Path) -> list[bytes]:
    encoded = []
    for at, image in enumerate(images):
        if (
            isinstance(image, PlainArray)
            and image.code == "u1"
            and max(image.shape, default=0) == len(image.data)
        ):
            image = image.data
        if not isinstance(image, bytes) or not image:
            raise DatasetError(f"{path}: image {at} should be a byte string, it is {_described(image)}")
        encoded.append(image)
    return encoded


def _booleans(labels: object, path: Path) -> list[bool]:
    if isinstance(labels, PlainArray) and labels.code == "b1" and len(labels.shape) == 1:
        return [bool(byte) for byte in labels.data]
    if not isinstance(labels, list | tuple):
        raise DatasetError(
            f"{path}: its second part should be a list of booleans, it is {_described(labels)}"
        )
    same = []
    for at, label in enumerate(labels):
        if not isinstance(label, bool):
            raise DatasetError(f"{path}: pair {at} should have True or False, it has {_described(label)}")
        same.append(label)
    return same


def _by_content(images: Sequence[bytes]) -> tuple[list[str], dict[str, bytes]]:
    """The name of each image, and the images by name, equal ones once."""
    name_of: dict[bytes, str] = {}
    names = [name_of.setdefault(image, f"{at:05d}") for at, image in enumerate(images)]
    return names, {name: image for image, name in name_of.items()}


def _described(value: object) -> str:
    if isinstance(value, PlainArray):
        return f"an array of {value.code} of shape {value.shape}"
    if isinstance(value, bytes):
        return f"a byte string of {len(value)} bytes"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a value of type {type(value).__name__}"
