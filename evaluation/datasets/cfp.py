"""Celebrities in Frontal-Profile in the Wild: its frontal-frontal and frontal-profile pairs; measures nothing.

Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs, "Frontal to profile face verification in the wild", WACV 2016.
500 people with 10 frontal and 4 profile images each. The images are for research use and do not come with this
project.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Literal

from evaluation.datasets.images import DatasetError, combined_digest
from evaluation.datasets.lfw import person_of
from evaluation.datasets.pair_folders import (
    Layout,
    images_of_pairs,
    not_as_published,
    open_pair_folder,
)
from evaluation.datasets.pair_lists import parse_index_pairs, parse_labelled_lines, parse_numbered_images
from evaluation.datasets.pairs import FOLDS, Pair, PairSet, check_kinds, known_people, self_pairs

Protocol = Literal["FF", "FP"]

PUBLISHED = 7000
IMAGES = "Data/Images"
_IMAGE = re.compile(r"(?:\.\./)?Data/Images/([0-9]+/(?:frontal|profile)/[0-9]+\.[A-Za-z]+)")
_TITLES = {"FF": "CFP, frontal-frontal", "FP": "CFP, frontal-profile"}


def open_cfp(folder: Path, protocol: Protocol, *, aligned: bool, images: Path | None = None) -> PairSet:
    """Reads `Protocol/Pair_list_F.txt`, `Pair_list_P.txt` and `Split/FF|FP/01..10/same.txt|diff.txt`.

    Images lie as `Data/Images/001/frontal/01.jpg`, or in `images` as `001/frontal/01.jpg`. Where there is no
    `Protocol`, a rearranged list is taken: `cfp_fp_pair.txt` or `cfp_fp_ann.txt`. DatasetError where a file is missing
    or malformed, or an image that is named is not there.
    """
    at = next((at for at in (folder, folder / "cfp-dataset") if (at / "Protocol").is_dir()), None)
    if at is None:
        layout = _rearranged(protocol)
        if not any((folder / name).is_file() for name, _ in layout.lists):
            raise DatasetError(
                f"no CFP at {folder}: give the folder with Protocol and Data, or with {layout.lists[0][0]}"
            )
        return open_pair_folder(layout, folder, aligned=aligned, images=images)
    reader = _Files(at / "Protocol")
    frontal = reader.images("Pair_list_F.txt")
    right = reader.images("Pair_list_P.txt") if protocol == "FP" else frontal
    pairs = []
    for fold in range(FOLDS):
        for kind, same in (("same", True), ("diff", False)):
            name = f"Split/{protocol}/{fold + 1:02d}/{kind}.txt"
            for first, second, where in parse_index_pairs(reader.text(name), reader.where(name)):
                pairs.append(Pair(_named(frontal, first, where), _named(right, second, where), same, fold))
    check_kinds(pairs, reader.where(f"Split/{protocol}"), folded=True)
    people, contradictions = known_people(pairs, person_of)
    return PairSet(
        protocol=f"cfp-{protocol.lower()}",
        title=_TITLES[protocol],
        pairs=tuple(pairs),
        folds="as the set gives them",
        images=images_of_pairs(pairs, [at / IMAGES], images),
        aligned=aligned,
        lists=f"Protocol/Split/{protocol}",
        lists_digest=reader.digest(),
        people=people,
        remarks=(*not_as_published(pairs, PUBLISHED), *contradictions, *self_pairs(pairs)),
    )


class _Files:
    """The text files below `Protocol`, each read once and remembered for the digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, bytes] = {}

    def where(self, name: str) -> str:
        return str(self._folder / name)

    def text(self, name: str) -> str:
        path = self._folder / name
        if not path.is_file():
            raise DatasetError(f"CFP lacks {path}; its folder Protocol must be whole")
        self._read[name] = path.read_bytes()
        return self._read[name].decode("utf-8", errors="replace")

    def images(self, name: str) -> dict[int, str]:
        """number -> `001/frontal/01.jpg`"""
        names = {}
        for number, (path, where) in parse_numbered_images(self.text(name), self.where(name)).items():
            match = _IMAGE.fullmatch(path)
            if match is None:
                raise DatasetError(
                    f"{where}: expected a path such as ../Data/Images/001/frontal/01.jpg, found {path!r}"
                )
            names[number] = match[1]
        return names

    def digest(self) -> str:
        return combined_digest([name.encode() + b"\0" + data for name, data in sorted(self._read.items())])


def _named(images: dict[int, str], number: int, where: str) -> str:
    if number not in images:
        raise DatasetError(f"{where}: there is no image {number} in the list, which has {len(images)}")
    return images[number]


def _rearranged(protocol: Protocol) -> Layout:
    key = f"cfp_{protocol.lower()}"
    return Layout(
        f"cfp-{protocol.lower()}",
        _TITLES[protocol],
        PUBLISHED,
        (
            (f"{key}_pair.txt", partial(parse_labelled_lines, label_first=False)),
            (f"{key}_ann.txt", partial(parse_labelled_lines, label_first=True)),
        ),
        photos=("images",),
        crops=(f"CFP_{protocol}_aligned_112", f"{key}_aligned_112", f"{key}_112x112", key),
    )
