"""Labeled Faces in the Wild: the standard pairs and the image files they name; measures nothing.

Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", technical report 07-49, University of
Massachusetts, Amherst, 2007. The images are for research use and do not come with this project.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from evaluation.datasets.images import DatasetError, ImageSet, open_images
from evaluation.datasets.pairs import Pair as Pair

PAIRS_FILE = "pairs.txt"
PAIR_IMAGES = ("lfw-pairs-250.tar", "lfw-deepfunneled.tgz", "lfw-deepfunneled", "lfw.tgz", "lfw")
REST_CROPS = "lfw-rest-112.tar"
_PERSON = re.compile(r"[^\s/\\]+")


@dataclass(frozen=True)
class Lfw:
    """The protocol on disk.

    pairs: in the order of the file. images: whole photos, at least those that the pairs name. rest: aligned
    112x112 crops of the other photos, or None where they are not there. pairs_digest: SHA-256 of the pairs
    file.
    """

    pairs: tuple[Pair, ...]
    pairs_digest: str
    images: ImageSet
    rest: ImageSet | None


def open_lfw(folder: Path) -> Lfw:
    """Reads `pairs.txt` and finds the images in `folder`: a tar or folder of a known name, or `folder`
    itself.

    DatasetError where the pairs file is missing or malformed, or an image that it names is not there.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"no LFW at {folder}: give the folder with {PAIRS_FILE} and {PAIR_IMAGES[0]} (or lfw/)"
        )
    path = folder / PAIRS_FILE
    if not path.is_file():
        raise DatasetError(f"{folder} holds no {PAIRS_FILE}: the standard list of 10 x (300 + 300) pairs")
    raw = path.read_bytes()
    pairs = parse_pairs(raw.decode("utf-8", errors="replace"), str(path))
    source = next((folder / name for name in PAIR_IMAGES if (folder / name).exists()), folder)
    images = open_images(source)
    known = frozenset(images.names)
    missing = sorted({name for pair in pairs for name in (pair.left, pair.right)} - known)
    if missing:
        raise DatasetError(
            f"{source} lacks {len(missing)} images that {path} names, the first is {missing[0]}"
        )
    rest_path = folder / REST_CROPS
    rest = open_images(rest_path) if rest_path.is_file() else None
    return Lfw(pairs, hashlib.sha256(raw).hexdigest(), images, rest)


def parse_pairs(text: str, source: str = PAIRS_FILE) -> tuple[Pair, ...]:
    """The pairs of a `pairs.txt`: `folds TAB n`, then a fold after the other n genuine and n impostor lines.

    A genuine line is `name i j`, an impostor line `name i other j`. DatasetError names the line that is
    wrong.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DatasetError(f"{source} is empty")
    header = lines[0].split()
    if len(header) != 2 or not all(field.isdecimal() and int(field) > 0 for field in header):
        raise DatasetError(
            f"{source}, line 1: expected 'folds n' as two positive numbers, found {lines[0]!r}"
        )
    folds, half = int(header[0]), int(header[1])
    expected = 1 + folds * 2 * half
    if len(lines) != expected:
        raise DatasetError(
            f"{source} has {len(lines)} lines; its header promises {folds} x 2 x {half} pairs, so {expected}"
        )
    pairs = []
    for index, line in enumerate(lines[1:]):
        fold, within = divmod(index, 2 * half)
        pairs.append(_parse_line(line, fold, within < half, f"{source}, line {index + 2}"))
    return tuple(pairs)


def _parse_line(line: str, fold: int, same: bool, where: str) -> Pair:
    fields = line.split()
    if len(fields) != (3 if same else 4):
        form = "'name i j' (a genuine pair)" if same else "'name i other j' (an impostor pair)"
        raise DatasetError(f"{where}: expected {form}, found {line!r}")
    left, right = (fields[0], fields[0]) if same else (fields[0], fields[2])
    first, second = fields[1], fields[-1]
    if not same and left == right:
        raise DatasetError(f"{where}: an impostor pair names one person twice: {left}")
    if same and first == second:
        raise DatasetError(f"{where}: a genuine pair compares image {first} of {left} with itself")
    return Pair(_image_name(left, first, where), _image_name(right, second, where), same, fold)


def _image_name(person: str, number: str, where: str) -> str:
    if not _PERSON.fullmatch(person) or person in (".", ".."):
        raise DatasetError(f"{where}: {person!r} is no person's name")
    if not number.isdecimal() or not 1 <= int(number) <= 9999:
        raise DatasetError(f"{where}: the image number of {person} must be 1..9999, found {number!r}")
    return f"{person}/{person}_{int(number):04d}.jpg"


def person_of(name: str) -> str:
    """`Person` of `Person/file.jpg`."""
    return name.split("/", 1)[0]
