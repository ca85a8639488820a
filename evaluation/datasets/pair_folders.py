"""AgeDB-30, CALFW and CPLFW (and CFP rearranged) as folders of images with one list of pairs; measures nothing.

Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", CVPRW 2017. Zheng, Deng, Hu,
"Cross-Age LFW", arXiv:1708.08197, 2017. Zheng, Deng, "Cross-Pose LFW", technical report 18-01, Beijing University of
Posts and Telecommunications, 2018. The images are for research use and do not come with this project.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evaluation.datasets.images import DatasetError, Images, open_images
from evaluation.datasets.pair_lists import PairList, parse_labelled_lines, parse_two_line_pairs
from evaluation.datasets.pairs import Pair, PairSet, check_kinds, known_people, names_of, self_pairs

_NUMBERED = re.compile(r"(?:.*/)?(.*[^0-9].*)_[0-9]+\.[A-Za-z]+")
_PAIR_LINES = partial(parse_labelled_lines, label_first=False)
_ANN_LINES = partial(parse_labelled_lines, label_first=True)


@dataclass(frozen=True)
class Layout:
    """Where a set keeps what. published: how many pairs its authors list. lists: file names with their form, the first
    that is there is read. photos, crops: folders that may hold the images, as paths below the set's own.
    """

    protocol: str
    title: str
    published: int
    lists: tuple[tuple[str, Callable[[str, str], PairList]], ...]
    photos: tuple[str, ...]
    crops: tuple[str, ...]


AGEDB_30 = Layout(
    "agedb-30",
    "AgeDB-30",
    6000,
    (("agedb_30_pair.txt", _PAIR_LINES), ("agedb_30_ann.txt", _ANN_LINES)),
    photos=("03_Protocol_Images", "AgeDB", "images"),
    crops=("agedb30_align_112", "agedb_30_112x112", "agedb_30"),
)
CALFW = Layout(
    "calfw",
    "CALFW",
    6000,
    (
        ("pairs_CALFW.txt", parse_two_line_pairs),
        ("calfw_pair.txt", _PAIR_LINES),
        ("calfw_ann.txt", _ANN_LINES),
    ),
    photos=(
        "images",
        "images&landmarks/images",
        "images&landmarks/images&landmarks/images",
        "aligned images",
    ),
    crops=("aligned images", "calfw_112x112", "calfw_align_112", "calfw"),
)
CPLFW = Layout(
    "cplfw",
    "CPLFW",
    6000,
    (
        ("pairs_CPLFW.txt", parse_two_line_pairs),
        ("cplfw_pair.txt", _PAIR_LINES),
        ("cplfw_ann.txt", _ANN_LINES),
    ),
    photos=("images", "aligned images"),
    crops=("aligned images", "cplfw_112x112", "cplfw_align_112", "cplfw"),
)


def open_pair_folder(layout: Layout, folder: Path, *, aligned: bool, images: Path | None = None) -> PairSet:
    """Reads the list of pairs in `folder` and finds the images it names: in `images`, a folder or a tar, else in the
    folders that the set is known to keep them in, else in `folder` itself.

    DatasetError where the list is missing or malformed, or an image that it names is not there.
    """
    path, parse = _list_in(layout, folder)
    raw = path.read_bytes()
    found = parse(raw.decode("utf-8", errors="replace"), str(path))
    check_kinds(found.pairs, str(path), folded=True)
    places = (*(layout.crops if aligned else layout.photos), "")
    people, contradictions = known_people(found.pairs, person_in_name)
    return PairSet(
        protocol=layout.protocol,
        title=layout.title,
        pairs=found.pairs,
        folds=found.folds,
        images=images_of_pairs(found.pairs, [folder / place for place in places], images),
        aligned=aligned,
        lists=path.name,
        lists_digest=hashlib.sha256(raw).hexdigest(),
        people=people,
        remarks=(*not_as_published(found.pairs, layout.published), *contradictions, *self_pairs(found.pairs)),
    )


def images_of_pairs(pairs: Sequence[Pair], places: Sequence[Path], given: Path | None) -> Images:
    """The images that the pairs name: in `given`, else in the first of `places` that holds the first one of them.

    DatasetError where no place does, or where other images are missing.
    """
    names = names_of(pairs)
    if given is not None:
        return open_images(given, nested=True, only=names)
    place = next((place for place in places if (place / pairs[0].left).is_file()), None)
    if place is None:
        looked = ", ".join(str(place) for place in places)
        raise DatasetError(
            f"{pairs[0].left} lies in none of {looked}; name the folder of the images with --images"
        )
    return open_images(place, nested=True, only=names)


def not_as_published(pairs: Sequence[Pair], published: int) -> tuple[str, ...]:
    """A remark where there are more or fewer pairs than the authors of a set list."""
    if len(pairs) == published:
        return ()
    return (f"The published list has {published:,} pairs, this one {len(pairs):,}: its figures are others.",)


def person_in_name(name: str) -> str | None:
    """`Ada_Lovelace` of `Ada_Lovelace_0001.jpg`, in any folder; None for other names, such as numbers alone."""
    match = _NUMBERED.fullmatch(name)
    return match[1] if match else None


def _list_in(layout: Layout, folder: Path) -> tuple[Path, Callable[[str, str], PairList]]:
    names = " or ".join(name for name, _ in layout.lists)
    if not folder.is_dir():
        raise DatasetError(f"no {layout.title} at {folder}: give the folder with {names}")
    for name, parse in layout.lists:
        if (folder / name).is_file():
            return folder / name, parse
    if list(folder.glob("*.mat")):
        raise DatasetError(
            f"{folder} holds a list as .mat, which is not read; write its pairs as {names}, a line 'left right label'"
        )
    raise DatasetError(f"{folder} holds no list of pairs of {layout.title}: {names}")
