"""What the report says of a set in which every fault was planted, and of one without any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from faces.image import decode_crop
from tests.training.curation.conftest import AlignedSet
from tests.training.curation.planted import clean
from training.curation.align import AlignOptions, align_photos
from training.curation.findings import Copies
from training.curation.photos import Photos
from training.curation.report import read_report
from training.curation.session import Models, alignment_report, inspect_set, opened
from training.curation.steps import silent


def photos_of(copies: Copies) -> list[str]:
    return [face.name for face in copies.faces]


def test_photos_without_a_usable_face_are_listed_with_the_services_reasons(aligned_set: AlignedSet) -> None:
    said = json.loads((aligned_set.out / "report.json").read_text())
    assert {one["photo"]: one["reasons"] for one in said["rejected"]} == {
        "p08/words.jpg": ["unsupported_type"],
        "p09/cut.pgm": ["invalid_image"],
        "p10/landscape.png": ["no_face"],
        "p11/couple.png": ["multiple_faces"],
    }
    assert said["left_out"] == [{"identity": "p13-empty", "accepted": 0}]
    assert aligned_set.findings.aligned is not None
    assert aligned_set.findings.aligned.photos == len(list(aligned_set.photos.glob("*/*")))
    assert aligned_set.findings.aligned.accepted == aligned_set.findings.looked.records


def test_a_photo_stored_twice_is_found_and_photos_of_one_sitting_are_not(aligned_set: AlignedSet) -> None:
    within = [one for one in aligned_set.findings.copies if not one.across]
    assert [(photos_of(one), one.kind) for one in within] == [
        (["p01/01-01.pgm", "p01/copy.jpg"], "near"),
        (["p02/02-01.pgm", "p02/same.pgm"], "exact"),
    ]


def test_a_photo_in_two_folders_is_kept_where_its_face_belongs(aligned_set: AlignedSet) -> None:
    (across,) = [one for one in aligned_set.findings.copies if one.across]
    assert photos_of(across) == ["p03/03-01.pgm", "p04/taken.jpg"]
    assert across.keep == across.faces[0].record


def test_wrong_photos_are_outliers_and_resemble_whom_they_show(aligned_set: AlignedSet) -> None:
    found = {one.face.name: one.resembles for one in aligned_set.findings.outliers}
    assert found == {"p04/taken.jpg": "p03", "p07/30-01.pgm": None}


def test_two_people_in_a_folder_are_told_apart(aligned_set: AlignedSet) -> None:
    (merged,) = aligned_set.findings.merged
    assert (merged.identity, merged.main) == ("p05", 4)
    assert [[face.name for face in group] for group in merged.others] == [
        ["p05/20-01.pgm", "p05/20-02.pgm", "p05/20-03.pgm"]
    ]


def test_one_person_in_two_folders_is_found(aligned_set: AlignedSet) -> None:
    (split,) = aligned_set.findings.split
    assert {split.keep.identity, split.move.identity} == {"p06", "p06-again"}
    assert split.keep.whole
    assert split.cosine > aligned_set.findings.looked.levels["split"]


def test_nothing_is_doubtful_or_damaged(aligned_set: AlignedSet) -> None:
    assert not aligned_set.findings.doubtful
    assert not aligned_set.findings.damaged


def test_a_report_is_read_back_as_it_was(aligned_set: AlignedSet) -> None:
    assert read_report(aligned_set.out / "report.json") == aligned_set.findings


def test_a_clean_set_raises_no_alarm(models: Models, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Without two people who hold so still that photos of them are the same picture.
    people = sorted(set(range(23, 41)) - {25, 34})
    photos = Photos(clean(tmp_path / "photos", people, each=5))
    align_photos(photos, out, models.analyzer, AlignOptions(), workers=2, steps=silent)
    findings, _ = alignment_report(out, models, already=False, keep=False, steps=silent)
    assert findings.looked.records == 16 * 5
    assert [findings.copies, findings.outliers, findings.merged, findings.split, findings.doubtful] == [
        []
    ] * 5
    assert not list((out / ".work").glob("part-*")), "the embeddings were to be deleted"


def test_crops_in_folders_are_inspected_like_the_shards_they_came_from(
    aligned_set: AlignedSet, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = opened(aligned_set.out).records
    for record in range(len(shards)):
        place = tmp_path / "crops" / shards.class_names[int(shards.labels[record])] / f"{record:03d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(shards.encoded(record))
        assert decode_crop(place.read_bytes()).shape == (112, 112, 3)
    (tmp_path / "crops/p12/999.jpg").write_bytes(b"damaged")
    monkeypatch.setattr("training.curation.embed.cache_folder", lambda: tmp_path / "cache")
    source = opened(tmp_path / "crops")
    findings = inspect_set(source, models, tmp_path / "report.json", keep=True, steps=silent)
    expected = aligned_set.findings
    assert [[face.record for face in one.faces] for one in findings.copies] == [
        [face.record for face in one.faces] for one in expected.copies
    ]
    assert [(one.face.identity, one.cosine, one.resembles) for one in findings.outliers] == [
        (one.face.identity, pytest.approx(one.cosine, abs=2e-3), one.resembles) for one in expected.outliers
    ]
    assert [one.identity for one in findings.merged] == ["p05"]
    assert len(findings.split) == 1
    assert [one.face.name for one in findings.damaged] == ["p12/999.jpg"]
    assert findings.aligned is None
    shutil.rmtree(tmp_path / "cache/curation", ignore_errors=False)


def test_embeddings_are_made_once_and_again_when_a_file_changes(
    aligned_set: AlignedSet, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.curation.embed.cache_folder", lambda: tmp_path / "cache")
    shards = opened(aligned_set.out).records
    for record in range(6):
        (tmp_path / "set/a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/a" / f"{record}.jpg").write_bytes(shards.encoded(record))
    embedded: list[int] = []
    whole = type(models.analyzer).embed_crops
    monkeypatch.setattr(
        type(models.analyzer),
        "embed_crops",
        lambda self, crops: (embedded.append(len(crops)), whole(self, crops))[1],
    )
    for _ in range(2):
        inspect_set(opened(tmp_path / "set"), models, tmp_path / "r.json", keep=True, steps=silent)
    assert embedded == [6]
    (tmp_path / "set/a/0.jpg").write_bytes(shards.encoded(9))
    inspect_set(opened(tmp_path / "set"), models, tmp_path / "r.json", keep=False, steps=silent)
    assert embedded == [6, 6]
    assert len(list((tmp_path / "cache").rglob("part-*.f32"))) == 1, "of the set as it was before"
