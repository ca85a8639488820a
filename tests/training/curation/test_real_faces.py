"""Real photos with planted faults, and real crops without: what is found, and how often the alarm is false."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import pytest

from evaluation.datasets.images import open_images
from evaluation.datasets.lfw_label_errors import SAME_PERSON, WRONG_LABELS
from training.curation.align import AlignOptions, align_photos
from training.curation.findings import Findings
from training.curation.photos import Photos
from training.curation.session import Models, alignment_report
from training.curation.steps import silent

BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[3].parent / "shared")
LFW = BESIDE / "data/lfw/lfw-pairs-250.tar"
PEOPLE = 100

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not LFW.is_file(), reason=f"LFW is not at {LFW}; set COCIRCLE_DATA"),
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of people with 4 to 20 photos whose labels nobody has doubted."""
    root = tmp_path_factory.mktemp("lfw")
    doubted = {name.split("/")[0] for name in WRONG_LABELS} | set(SAME_PERSON) | set(SAME_PERSON.values())
    for name, data in open_images(LFW).read():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
    folders = [path for path in sorted(root.iterdir()) if path.name not in doubted]
    return [path for path in folders if 4 <= len(list(path.iterdir())) <= 20]


def looked_at(photos: Path, models: Models) -> Findings:
    out = photos.with_name(photos.name + "-out")
    align_photos(Photos(photos), out, models.analyzer, AlignOptions(), workers=2, steps=silent)
    return alignment_report(out, models, already=False, keep=True, steps=silent)[0]


def test_on_people_of_lfw_alarms_are_rare(people: list[Path], models: Models, tmp_path: Path) -> None:
    for folder in people[:PEOPLE]:
        shutil.copytree(folder, tmp_path / "clean" / folder.name)
    found = looked_at(tmp_path / "clean", models)
    assert found.looked.records > 400
    assert len(found.outliers) <= 3
    assert len(found.copies) <= 2
    assert len(found.merged) + len(found.split) + len(found.doubtful) <= 1


def test_faults_among_people_of_lfw_are_found(people: list[Path], models: Models, tmp_path: Path) -> None:
    photos = tmp_path / "faulty"
    chosen, others = people[:PEOPLE], people[PEOPLE:]
    for folder in chosen:
        shutil.copytree(folder, photos / folder.name)
    for at in range(10):
        # A small copy in the first ten, a stranger in the next, four of them in the next; the last ten are halved.
        first = next(iter(sorted(chosen[at].iterdir())))
        small = cv2.resize(cv2.imread(str(first)), None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(photos / chosen[at].name / "copy.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 70])
        stranger = sorted(others[at].iterdir())
        shutil.copy(stranger[0], photos / chosen[10 + at].name / "wrong.jpg")
        for number, photo in enumerate(sorted(others[20 + at].iterdir())[:4]):
            shutil.copy(photo, photos / chosen[20 + at].name / f"other-{number}.jpg")
        half = sorted((photos / chosen[30 + at].name).iterdir())
        (photos / f"{chosen[30 + at].name}-again").mkdir()
        for photo in half[::2]:
            shutil.move(photo, photos / f"{chosen[30 + at].name}-again" / photo.name)
    found = looked_at(photos, models)
    assert sum(any("copy" in face.name for face in one.faces) for one in found.copies) >= 7
    assert sum("wrong" in one.face.name for one in found.outliers) >= 7
    assert len({one.identity for one in found.merged} & {folder.name for folder in chosen[20:30]}) >= 7
    halves = {folder.name for folder in chosen[30:40]}
    assert len({one.keep.identity.removesuffix("-again") for one in found.split} & halves) >= 6
    false = [
        one
        for one in found.split
        if one.keep.identity.removesuffix("-again") != one.move.identity.removesuffix("-again")
    ]
    assert len(false) <= 1
