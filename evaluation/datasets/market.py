"""Market-1501 and what is laid out like it: person re-identification by names of files; measures nothing.

Zheng, Shen, Tian, Wang, Wang, Tian, "Scalable Person Re-identification: A Benchmark", ICCV 2015. A file is called
`identity_cCAMERA...`, `0001_c1s1_000151_01.jpg`; identity -1 is junk, which the protocol neither counts as right nor as
wrong, and 0000 a distractor, which is wrong for every query.
"""

from __future__ import annotations

import re
from pathlib import Path

from evaluation.datasets.images import DatasetError
from evaluation.datasets.retrieval_set import RetrievalImage, RetrievalSet, Role, image_files, retrieval_set

QUERY, GALLERY = "query", "bounding_box_test"
JUNK, DISTRACTOR = "-1", "0000"
RANKS = (1, 5, 10)
PUBLISHED = (3368, 15913)
_FILE = re.compile(r"(-1|\d{4})_c(\d+)(?:s\d+)?_.+", re.ASCII)


def open_market(folder: Path) -> RetrievalSet:
    """The queries in `query` and the gallery in `bounding_box_test`; names are paths below `folder`.

    DatasetError where a folder is missing or empty, a file is called otherwise, or a query shows nobody in particular.
    """
    queries = _images(folder, QUERY, Role.QUERY)
    gallery = _images(folder, GALLERY, Role.GALLERY)
    nobody = next((image for image in queries if image.identity in (JUNK, DISTRACTOR)), None)
    if nobody is not None:
        raise DatasetError(
            f"{folder}: the query {nobody.name} has the identity {nobody.identity}, which is no person; "
            f"junk ({JUNK}) and distractors ({DISTRACTOR}) belong to {GALLERY}"
        )
    counted = [image for image in gallery if image.identity != JUNK]
    return retrieval_set(
        "market-1501",
        "Market-1501",
        folder,
        [*queries, *counted],
        RANKS,
        junk=len(gallery) - len(counted),
        published=PUBLISHED,
    )


def _images(folder: Path, part: str, role: Role) -> list[RetrievalImage]:
    if not (folder / part).is_dir():
        raise DatasetError(f"no {part}/ in {folder}: give the folder that holds {QUERY}/ and {GALLERY}/")
    found = [_image(folder, part, name, role) for name in image_files(folder / part)]
    if not found:
        raise DatasetError(f"{folder / part} holds no images")
    return found


def _image(folder: Path, part: str, name: str, role: Role) -> RetrievalImage:
    parsed = _FILE.fullmatch(name)
    if parsed is None:
        raise DatasetError(
            f"{folder / part}: {name} is not called like 0001_c1s1_000151_01.jpg, identity and camera first"
        )
    return RetrievalImage(f"{part}/{name}", parsed[1], str(int(parsed[2])), role)
