"""MegaFace challenge 1 in its public layouts, or any probes and distractors: which images count; measures nothing.

Kemelmacher-Shlizerman, Seitz, Miller, Brossard, "The MegaFace benchmark", CVPR 2016; the probes are photos of FaceScrub
(Ng, Winkler, "A data-driven approach to cleaning large face datasets", ICIP 2014). The images are for research use and
do not come with this project.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evaluation.datasets.images import SUFFIXES, DatasetError
from evaluation.datasets.lfw import person_of
from evaluation.datasets.listed_images import ListedImages
from evaluation.datasets.listed_name import exact_image_name

PROBE_FOLDERS = ("facescrub_images", "probes")
DISTRACTOR_FOLDERS = ("megaface_images", "distractors")
PROBE_LISTS = (
    "facescrub_features_list.json",
    "devkit/templatelists/facescrub_features_list.json",
    "facescrub_lst",
)
DISTRACTOR_LISTS = (
    "megaface_features_list.json_1000000_1",
    "devkit/templatelists/megaface_features_list.json_1000000_1",
    "megaface_lst",
)


@dataclass(frozen=True)
class MegaFace:
    """What is measured. people: the person of each probe, in the order of probes.names.

    lists: where the names of the probes and of the distractors came from, in words. noise_left_out: how many of each
    noise lists took; noise_unknown: names in those lists that none of the images has.
    """

    probes: ListedImages
    people: tuple[str, ...]
    distractors: ListedImages
    lists: tuple[str, str]
    noise_left_out: tuple[int, int]
    noise_unknown: tuple[int, int]


@dataclass(frozen=True)
class _Names:
    """Image names, sorted, with their people; where they came from; what noise lists took and named in vain."""

    people: dict[str, str]
    origin: str
    left_out: int = 0
    unknown: int = 0


def open_megaface(
    folder: Path,
    *,
    probe_list: Path | None = None,
    distractor_list: Path | None = None,
    probe_noise: Sequence[Path] = (),
    distractor_noise: Sequence[Path] = (),
) -> MegaFace:
    """Finds probes (`facescrub_images` or `probes`, Person/file) and distractors (`megaface_images` or `distractors`,
    at any depth) in `folder`.

    Lists say which images count: JSON with "path", and for probes "id", the person, as the development kit has them, or
    text of a path a line; found by their usual names in `folder` where they are not given, and without any every image
    counts. Noise lists name images to leave out, by file name or by path, a line each. No image is opened. DatasetError
    for what is missing, malformed or outside the folder, and where nobody has two probes.
    """
    probes_at = _first(folder, PROBE_FOLDERS, "probes")
    distractors_at = _first(folder, DISTRACTOR_FOLDERS, "distractors")
    probes = _named(probes_at, probe_list or _found(folder, PROBE_LISTS), nested=False)
    probes = _without_noise(probes, probe_noise, "probes")
    distractors = _named(distractors_at, distractor_list or _found(folder, DISTRACTOR_LISTS), nested=True)
    distractors = _without_noise(distractors, distractor_noise, "distractors")
    if max(Counter(probes.people.values()).values()) < 2:
        raise DatasetError(
            f"none of the {len(probes.people)} people of {probes_at} has two photos: one is the probe, another its mate"
        )
    return MegaFace(
        probes=ListedImages(probes_at, tuple(probes.people)),
        people=tuple(probes.people.values()),
        distractors=ListedImages(distractors_at, tuple(distractors.people)),
        lists=(probes.origin, distractors.origin),
        noise_left_out=(probes.left_out, distractors.left_out),
        noise_unknown=(probes.unknown, distractors.unknown),
    )


def read_list(path: Path) -> list[tuple[str, str | None]]:
    """(name, person or None) of each line of a list, JSON or text. DatasetError says which entry is wrong."""
    text = _text(path)
    if not text.lstrip().startswith("{"):
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
        return [(exact_image_name(line, f"{path}, line {number}"), None) for number, line in lines if line]
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{path} is no JSON: {error}") from error
    names, people = content.get("path"), content.get("id")
    if not _texts(names):
        raise DatasetError(f'{path}: "path" must be a list of texts, as in the development kit')
    if people is None:
        people = [None] * len(names)
    elif not _texts(people) or len(people) != len(names):
        raise DatasetError(f'{path}: "id" must be a list of texts, as long as "path", {len(names)}')
    return [
        (exact_image_name(name, f"{path}, entry {number}"), person)
        for number, (name, person) in enumerate(zip(names, people, strict=True))
    ]


def read_noise(path: Path) -> list[str]:
    """Names of a noise list: file names or paths, a line each, after a tab where there is one; `#` begins a comment."""
    lines = (line.strip() for line in _text(path).splitlines())
    return [line.split("\t")[-1].strip() for line in lines if line and not line.startswith("#")]


def _named(folder: Path, listed: Path | None, *, nested: bool) -> _Names:
    if listed is None:
        paths = folder.rglob("*") if nested else folder.glob("*/*")
        images = (path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())
        entries: list[tuple[str, str | None]] = [
            (path.relative_to(folder).as_posix(), None) for path in images
        ]
        origin = f"all images of {folder.name}"
    else:
        entries, origin = (
            read_list(listed),
            f"{listed.name} ({hashlib.sha256(listed.read_bytes()).hexdigest()[:16]})",
        )
    if not entries:
        form = "" if nested else " laid out as Person/file.jpg"
        raise DatasetError(f"{listed or folder} names no images{form}")
    people = {name: person or person_of(name) for name, person in sorted(entries, key=lambda entry: entry[0])}
    if len(people) != len(entries):
        twice = next(name for name, count in Counter(name for name, _ in entries).items() if count > 1)
        raise DatasetError(f"{listed} names {twice} twice")
    return _Names(people, origin)


def _without_noise(names: _Names, lists: Sequence[Path], what: str) -> _Names:
    noise = {line for path in lists for line in read_noise(path)}
    if not noise:
        return names
    kept = {
        name: person
        for name, person in names.people.items()
        if name not in noise and PurePosixPath(name).name not in noise
    }
    if not kept:
        raise DatasetError(f"the noise lists name all {len(names.people)} {what}; nothing is left to measure")
    known = names.people.keys() | {PurePosixPath(name).name for name in names.people}
    return _Names(kept, names.origin, len(names.people) - len(kept), len(noise - known))


def _first(folder: Path, candidates: Sequence[str], what: str) -> Path:
    found = next((folder / name for name in candidates if (folder / name).is_dir()), None)
    if found is None:
        raise DatasetError(f"no {what} in {folder}: give the folder that holds {' or '.join(candidates)}/")
    return found


def _found(folder: Path, candidates: Sequence[str]) -> Path | None:
    return next((folder / name for name in candidates if (folder / name).is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
