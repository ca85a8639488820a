"""YouTube Faces: the ten splits of video pairs and the frames of the videos they name; measures nothing.

Wolf, Hassner, Maoz, "Face Recognition in Unconstrained Videos with Matched Background Similarity", CVPR 2011. The
frames are for research use and do not come with this project.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import SUFFIXES, DatasetError
from evaluation.datasets.lfw import person_of
from evaluation.datasets.listed_images import ListedImages

SPLITS_FILE = "splits.txt"
_VIDEO = re.compile(r"[^\s/\\]+/\d+", re.ASCII)
_FRAME = re.compile(r"(\d+)\.[A-Za-z]+$", re.ASCII)


class Frames(StrEnum):
    """Which pictures of the videos: the face in its surroundings, straightened, or the whole frame."""

    ALIGNED = "aligned"
    WHOLE = "whole"

    @property
    def folder(self) -> str:
        return "aligned_images_DB" if self is Frames.ALIGNED else "frame_images_DB"


@dataclass(frozen=True)
class VideoPair:
    """Two videos, `Person/number`, whether they show one person, and the fold, 0 upwards."""

    left: str
    right: str
    same: bool
    fold: int


@dataclass(frozen=True)
class Ytf:
    """The protocol on disk.

    pairs: in the order of the file. frames: which pictures `images` holds, every `every`-th of a video from its first
    on. images: names relative to the folder of the frames. videos: sorted. video: (N,) int32, the video of each image.
    splits_digest: SHA-256 of the splits file.
    """

    pairs: tuple[VideoPair, ...]
    splits_digest: str
    frames: Frames
    every: int
    images: ListedImages
    videos: tuple[str, ...]
    video: NDArray[np.int32]


def open_ytf(folder: Path, frames: Frames | None = None, every: int = 1) -> Ytf:
    """Reads `splits.txt` and lists the frames of the videos it names, in `aligned_images_DB` or else `frame_images_DB`.

    frames: which of the two, None for the first that is there. every: 1 takes all frames, n the first and every n-th
    after it. DatasetError where the splits file is missing or malformed, or a video has no frame.
    """
    if every < 1:
        raise ValueError(f"every n-th frame needs an n of 1 at least, not {every}")
    path = folder / SPLITS_FILE
    if not path.is_file():
        raise DatasetError(
            f"no YouTube Faces at {folder}: give the folder with {SPLITS_FILE} and {Frames.ALIGNED.folder}/ or "
            f"{Frames.WHOLE.folder}/"
        )
    raw = path.read_bytes()
    pairs = parse_splits(raw.decode("utf-8", errors="replace"), str(path))
    chosen = (
        next((one for one in Frames if (folder / one.folder).is_dir()), None) if frames is None else frames
    )
    if chosen is None or not (folder / chosen.folder).is_dir():
        wanted = [one.folder for one in Frames] if chosen is None else [chosen.folder]
        raise DatasetError(f"{folder} holds no {' and no '.join(wanted)}")
    source = folder / chosen.folder
    videos = tuple(sorted({video for pair in pairs for video in (pair.left, pair.right)}))
    names = sorted((name, at) for at, video in enumerate(videos) for name in _frames(source, video)[::every])
    return Ytf(
        pairs=pairs,
        splits_digest=hashlib.sha256(raw).hexdigest(),
        frames=chosen,
        every=every,
        images=ListedImages(source, tuple(name for name, _ in names)),
        videos=videos,
        video=np.array([at for _, at in names], np.int32),
    )


def parse_splits(text: str, source: str = SPLITS_FILE) -> tuple[VideoPair, ...]:
    """The pairs of a `splits.txt`: `split, pair, Person/number, Person/number, same` a line, with a head or without.

    DatasetError names the line that is wrong, and says where a split holds one kind of pair alone.
    """
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    head = 1 if lines and not lines[0].split(",")[0].strip().isdecimal() else 0
    pairs = tuple(
        _parse_line(line, f"{source}, line {number}")
        for number, line in enumerate(lines[head:], start=1 + head)
    )
    if not pairs:
        raise DatasetError(f"{source} holds no pair")
    kinds = {(pair.fold, pair.same) for pair in pairs}
    folds = sorted({fold for fold, _ in kinds})
    if len(folds) < 2:
        raise DatasetError(f"{source} holds one split; cross-validation needs two or more")
    for fold in folds:
        if len({same for of, same in kinds if of == fold}) < 2:
            raise DatasetError(f"{source}: all pairs of split {fold + 1} are of one kind; both are needed")
    return pairs


def _parse_line(line: str, where: str) -> VideoPair:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != 5:
        raise DatasetError(
            f"{where}: expected 'split, pair, Person/number, Person/number, 0|1', found {line!r}"
        )
    split, number, left, right, same = fields
    if not split.isdecimal() or int(split) < 1 or not number.isdecimal():
        raise DatasetError(
            f"{where}: expected the numbers of a split and a pair, found {split!r} and {number!r}"
        )
    for video in (left, right):
        if not _VIDEO.fullmatch(video) or person_of(video) in (".", ".."):
            raise DatasetError(f"{where}: {video!r} is no video; expected Person/number")
    if same not in ("0", "1"):
        raise DatasetError(f"{where}: expected 1 for one person or 0 for two, found {same!r}")
    if (person_of(left) == person_of(right)) != (same == "1"):
        raise DatasetError(f"{where}: {left} and {right} do not go with the label {same}")
    if left == right:
        raise DatasetError(f"{where}: compares {left} with itself")
    return VideoPair(left, right, same == "1", int(split) - 1)


def _frames(source: Path, video: str) -> list[str]:
    """The frames of a video by their number, the last in a file's name: `0.555.jpg`, `aligned_detect_0.555.jpg`."""
    numbered: list[tuple[int, str]] = []
    folder = source / video
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in files:
        if path.suffix.lower() not in SUFFIXES:
            continue
        number = _FRAME.search(path.name)
        if number is None:
            raise DatasetError(f"{path}: expected a frame whose name ends in its number, such as 0.555.jpg")
        numbered.append((int(number[1]), f"{video}/{path.name}"))
    if not numbered:
        raise DatasetError(f"{source} holds no frame of {video}, which {SPLITS_FILE} names")
    return [name for _, name in sorted(numbered)]
