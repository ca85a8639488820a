"""MSMT17, person re-identification by lists, in its first and second version; measures nothing.

Wei, Zhang, Gao, Tian, "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018. A line of a
list is `0000/0000_000_01_0303morning_0015_0.jpg 0`: a path below `test/` (first version) or `mask_test_v2/` (second),
whose third number is the camera, and the identity.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_name import listed_name
from evaluation.datasets.retrieval_set import (
    RetrievalImage,
    RetrievalSet,
    Role,
    list_lines,
    retrieval_set,
)

QUERY, GALLERY = "list_query.txt", "list_gallery.txt"
FOLDERS = ("mask_test_v2", "test")
RANKS = (1, 5, 10)
PUBLISHED = (11659, 82161)


def open_msmt(folder: Path) -> RetrievalSet:
    """The queries and gallery of both lists; names are as in the lists. DatasetError names the line that is wrong."""
    if not folder.is_dir():
        raise DatasetError(f"no MSMT17 at {folder}: give the folder with {QUERY}, {GALLERY} and test/")
    root = next((folder / name for name in FOLDERS if (folder / name).is_dir()), folder / FOLDERS[-1])
    images = [*_images(folder / QUERY, Role.QUERY), *_images(folder / GALLERY, Role.GALLERY)]
    return retrieval_set("msmt17", "MSMT17", root, images, RANKS, published=PUBLISHED)


def _images(path: Path, role: Role) -> list[RetrievalImage]:
    purpose = f"the {role} list of MSMT17, lines of a path and an identity"
    return [_image(words, role, where) for where, words in list_lines(path, purpose)]


def _image(words: list[str], role: Role, where: str) -> RetrievalImage:
    if len(words) != 2 or not words[1].isdecimal():
        raise DatasetError(f"{where}: expected a path and an identity, a number; found {' '.join(words)!r}")
    name = listed_name(words[0], where)
    parts = PurePosixPath(name).stem.split("_")
    if len(parts) < 4 or not parts[2].isdecimal():
        raise DatasetError(
            f"{where}: {name} is not called like 0000_000_01_0303morning_0015_0.jpg, the camera third"
        )
    return RetrievalImage(name, str(int(words[1])), str(int(parts[2])), role)
