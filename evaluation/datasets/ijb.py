"""IJB-B and IJB-C, templates of stills and video frames: the lists of 1:1 and 1:N and the images; measures nothing.

Whitelam et al., "IARPA Janus Benchmark-B Face Dataset", CVPR Workshops 2017; Maze et al., "IARPA Janus Benchmark - C:
Face Dataset and Protocol", ICB 2018. Read as the archive in common use lays them out, with five landmarks and a
detector's score for each image: `meta/` with the lists and `loose_crop/` with the images. Both are given out by NIST on
request, for research.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.ijb_lists import places, read_landmarks, read_media, read_pairs, read_subjects
from evaluation.datasets.images import DatasetError
from evaluation.datasets.listed_images import ListedImages

IMAGES = "loose_crop"


class Task(StrEnum):
    """Which lists are read."""

    VERIFY = "1:1"
    SEARCH = "1:n"
    BOTH = "both"


@dataclass(frozen=True)
class TemplatePairs:
    """left, right: (P,) int32, rows of Ijb.templates. same: (P,) bool, whether both are of one subject."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    same: NDArray[np.bool_]


@dataclass(frozen=True)
class TemplateList:
    """A gallery or the probes. templates: (T,) int32, rows of Ijb.templates. subjects: (T,) int64, who they show."""

    name: str
    templates: NDArray[np.int32]
    subjects: NDArray[np.int64]


@dataclass(frozen=True)
class IjbSearch:
    """The 1:N mixed search: every probe is searched in each of the galleries, whose subjects differ."""

    galleries: tuple[TemplateList, ...]
    probes: TemplateList


@dataclass(frozen=True)
class Ijb:
    """The protocol on disk.

    name: "IJB-B" or "IJB-C". images: with their landmarks, names relative to `loose_crop`. templates: (T,) int64, their
    ids, rising. template: (N,) int32, the row of `templates` that each image belongs to. medium: (N,) int64, the still
    or video it is from. detector: (N,) float32, 0..1, the detector's score. pairs, search: None where their task was
    not asked for. digests: SHA-256 (hexadecimal) of each list that was read, by name.
    """

    name: str
    images: ListedImages
    templates: NDArray[np.int64]
    template: NDArray[np.int32]
    medium: NDArray[np.int64]
    detector: NDArray[np.float32]
    pairs: TemplatePairs | None
    search: IjbSearch | None
    digests: dict[str, str]


@dataclass(frozen=True)
class _Lists:
    media: Path
    landmarks: Path
    pairs: Path
    galleries: tuple[Path, ...]
    probes: Path


def open_ijb(folder: Path, task: Task = Task.BOTH) -> Ijb:
    """Reads the lists in `folder/meta` that the task needs; the images, in `folder/loose_crop`, are not opened yet.

    DatasetError where a list is missing, malformed or does not go with the others. The lists of IJB-C take some
    seconds.
    """
    name, prefix, galleries = _which(folder)
    meta = folder / "meta"
    lists = _Lists(
        media=meta / f"{prefix}_face_tid_mid.txt",
        landmarks=meta / f"{prefix}_name_5pts_score.txt",
        pairs=meta / f"{prefix}_template_pair_label.txt",
        galleries=tuple(meta / f"{prefix}_1N_gallery_{gallery}.csv" for gallery in galleries),
        probes=meta / f"{prefix}_1N_probe_mixed.csv",
    )
    used = _used(lists, task)
    names, ids, media = read_media(lists.media)
    landmarks, scores = read_landmarks(lists.landmarks, names)
    order = np.array(sorted(range(len(names)), key=names.__getitem__))
    templates, template = np.unique(ids[order], return_inverse=True)
    pairs = None
    if task is not Task.SEARCH:
        pairs = TemplatePairs(*read_pairs(lists.pairs, templates))
    return Ijb(
        name=name,
        images=ListedImages(folder / IMAGES, tuple(names[at] for at in order.tolist()), landmarks[order]),
        templates=templates,
        template=template.astype(np.int32),
        medium=media[order],
        detector=scores[order],
        pairs=pairs,
        search=None if task is Task.VERIFY else _search(lists, galleries, templates),
        digests={path.name: _digest(path) for path in used},
    )


def _which(folder: Path) -> tuple[str, str, tuple[str, ...]]:
    known = (("IJB-B", "ijbb", ("S1", "S2")), ("IJB-C", "ijbc", ("G1", "G2")))
    found = [one for one in known if (folder / "meta" / f"{one[1]}_face_tid_mid.txt").is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"{folder}/meta holds lists of IJB-B and of IJB-C; give a folder with those of one"
        )
    raise DatasetError(
        f"no IJB-B or IJB-C at {folder}: give the folder IJBB or IJBC with meta/ijbb_face_tid_mid.txt or "
        f"meta/ijbc_face_tid_mid.txt, and {IMAGES}/"
    )


def _used(lists: _Lists, task: Task) -> list[Path]:
    always = [lists.media, lists.landmarks]
    verify, search = [lists.pairs], [*lists.galleries, lists.probes]
    used = {Task.VERIFY: verify, Task.SEARCH: search, Task.BOTH: [*verify, *search]}[task]
    missing = [path for path in (*always, *used) if not path.is_file()]
    if missing:
        other = {Task.SEARCH: verify, Task.VERIFY: search}
        spared = next((one for one, unneeded in other.items() if set(missing) <= set(unneeded)), None)
        hint = "" if task is not Task.BOTH or spared is None else f"; the task {spared} does without"
        raise DatasetError(f"{lists.media.parent} lacks {', '.join(path.name for path in missing)}{hint}")
    return [*always, *used]


def _search(lists: _Lists, names: tuple[str, ...], templates: NDArray[np.int64]) -> IjbSearch:
    galleries = tuple(
        _template_list(name, path, templates) for name, path in zip(names, lists.galleries, strict=True)
    )
    probes = _template_list("probes", lists.probes, templates)
    for gallery, path in zip(galleries, lists.galleries, strict=True):
        mated = np.isin(probes.subjects, gallery.subjects)
        if mated.all() or not mated.any():
            raise DatasetError(
                f"{path} holds {'every' if mated.all() else 'no'} subject of {lists.probes.name}; an open-set search "
                "needs probes with a mate and probes without"
            )
        both = np.intersect1d(gallery.templates, probes.templates)
        if both.size:
            raise DatasetError(
                f"template {templates[both[0]]} is in gallery {gallery.name} and among the probes of "
                f"{lists.probes.name}; it would be found as itself"
            )
    return IjbSearch(galleries, probes)


def _template_list(name: str, path: Path, templates: NDArray[np.int64]) -> TemplateList:
    ids, subjects = read_subjects(path)
    rows = places(ids, templates)
    if rows is None:
        missing = np.setdiff1d(ids, templates)
        raise DatasetError(
            f"{path}: {missing.size} templates have no image in the list of media, the first is {missing[0]}"
        )
    return TemplateList(name, rows, subjects)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
