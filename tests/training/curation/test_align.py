"""What an alignment writes, what it refuses, and that being killed changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.training.curation.fakes import fake, files, photo_tree
from tests.training.curation.killed import OPTIONS
from tests.training.curation.planted import clean
from training.curation.align import AlignOptions, align_photos
from training.curation.errors import CurationError
from training.curation.features import Features
from training.curation.origin import Origins
from training.curation.photos import Photos
from training.curation.report import aligned
from training.curation.steps import silent
from training.curation.work import Work
from training.data.records import BadData
from training.data.source import open_records

PROJECT = Path(__file__).parents[3]
MIXED = {"ann": "anaab", "bob": "n", "cy": "at", "dee": "aaaaaaa", "eve": "bbaa", "fay": "", "gus": "aa"}


def run(photos: Path, out: Path, options: AlignOptions = OPTIONS, workers: int = 2) -> None:
    align_photos(Photos(photos), out, fake(), options, workers=workers, steps=silent)


def test_shards_hold_the_faces_in_the_order_of_the_photos_under_their_identities(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photo_tree(tmp_path / "photos", MIXED), out)
    records = open_records(out)
    assert [records.class_names[label] for label in range(records.classes)] == ["ann", "dee", "eve", "gus"]
    assert records.labels.tolist() == [0] * 3 + [1] * 7 + [2] * 2 + [3] * 2
    origins = Origins(out, records)
    assert [origins[record] for record in (0, 1, 2, 10)] == [
        "ann/00.png",
        "ann/02.png",
        "ann/03.png",
        "eve/02.png",
    ]
    assert len(Features(out / ".work", 8)) == len(records)
    assert sorted(path.name for path in out.glob("*.tar")) == [f"shard-{n:06d}.tar" for n in range(5)]


def test_identities_with_too_few_faces_are_left_out_and_counted(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photo_tree(tmp_path / "photos", MIXED), out)
    told = aligned(out, 14)
    assert told is not None
    assert (told.photos, told.accepted, told.left_out) == (21, 15, 3)
    assert told.rejected == {"blurred": 3, "no_face": 2, "unsupported_type": 1}


def test_shards_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    photos = photo_tree(tmp_path / "photos", MIXED)
    for workers in (1, 5):
        run(photos, tmp_path / str(workers), workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "5")


@pytest.mark.parametrize(
    "step", [23, *(pytest.param(step, marks=pytest.mark.slow) for step in (3, 7, 11, 13, 17, 19, 29))]
)
def test_a_run_killed_before_any_change_of_the_disk_goes_on_to_the_same_bytes(
    tmp_path: Path, step: int
) -> None:
    photos = photo_tree(tmp_path / "photos", MIXED)
    run(photos, tmp_path / "whole")
    command = [
        sys.executable,
        "-m",
        "tests.training.curation.killed",
        str(photos),
        str(tmp_path / "out"),
        str(step),
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_finished_run_called_again_changes_nothing_and_looks_at_no_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_tree(tmp_path / "photos", MIXED)
    run(photos, tmp_path / "out")
    before = files(tmp_path / "out")
    monkeypatch.setattr(Photos, "read", lambda *_: pytest.fail("a photo was read"))
    run(photos, tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_only_the_photos_of_the_unfinished_shard_are_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_tree(tmp_path / "photos", {"a": "a" * 10})
    run(photos, tmp_path / "out")
    for name in ("note-000002.json", "note-000003.json"):
        (tmp_path / "out/.work" / name).unlink()
    seen: list[str] = []
    read = Photos.read
    monkeypatch.setattr(
        Photos, "read", lambda self, photo, most: (seen.append(photo.file), read(self, photo, most))[1]
    )
    run(photos, tmp_path / "out")
    assert sorted(seen) == ["06.png", "07.png", "08.png", "09.png"]


def test_other_photos_or_options_for_the_same_output_are_refused(tmp_path: Path) -> None:
    photos = photo_tree(tmp_path / "photos", {"a": "aa"})
    other = photo_tree(tmp_path / "other", {"a": "aa"})
    run(photos, tmp_path / "out")
    with pytest.raises(
        CurationError, match=r"was begun with photos .*/photos, now it is .*/other; give the same"
    ):
        run(other, tmp_path / "out")
    with pytest.raises(CurationError, match="was begun with quality 95, now it is 80"):
        run(photos, tmp_path / "out", AlignOptions(quality=80, per_shard=3, fewest=2))


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    photos = photo_tree(tmp_path / "photos", {"a": "aa"})
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("x")
    with pytest.raises(CurationError, match=r"holds thesis\.txt, which no alignment wrote"):
        run(photos, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    for out in (photos / "out", tmp_path, photos):
        with pytest.raises(CurationError, match="lie inside one another"):
            run(photos, out)


def test_a_second_process_is_sent_away_while_the_first_works(tmp_path: Path) -> None:
    first, second = Work(tmp_path / "out"), Work(tmp_path / "out")
    with first.claimed({}), pytest.raises(CurationError, match="another process is aligning into"):
        second.claimed({}).__enter__()
    with second.claimed({}):
        pass


def test_an_unfinished_set_is_not_read_as_if_it_were_whole(tmp_path: Path) -> None:
    run(photo_tree(tmp_path / "photos", MIXED), tmp_path / "out")
    (tmp_path / "out/.work/note-000004.json").unlink()
    with Work(tmp_path / "out").claimed(json.loads((tmp_path / "out/.work/align.json").read_text())):
        pass
    with pytest.raises(BadData, match="were not written to the end"):
        open_records(tmp_path / "out")


def test_a_disk_that_fails_ends_the_run_but_a_photo_that_is_closed_is_one_rejection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_tree(tmp_path / "photos", {"a": "aaa"})

    def closed(self: Photos, photo: object, most: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Photos, "read", closed)
    run(photos, tmp_path / "closed")
    told = aligned(tmp_path / "closed", 0)
    assert told is not None
    assert told.rejected == {"invalid_image": 3}

    def broken(self: Photos, photo: object, most: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Photos, "read", broken)
    with pytest.raises(OSError, match="Input/output error"):
        run(photos, tmp_path / "broken")
    assert not list((tmp_path / "broken").rglob("*.part"))


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    photos = clean(tmp_path / "photos", range(1, 9))
    code = "from training.cli.data import data_app; data_app()"

    def begin(out: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-c",
            code,
            "align",
            str(photos),
            str(out),
            "--per-shard",
            "5",
            "--workers",
            "1",
        ]
        return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    whole, out = tmp_path / "whole", tmp_path / "out"
    uncut = begin(whole)
    assert uncut.communicate(timeout=100)[1] == b""
    for notes in (1, 3):
        killed = begin(out)
        while killed.poll() is None and len(list(out.glob(".work/note-*"))) < notes:
            time.sleep(0.002)
        killed.kill()
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL, "it was to die before its end"
    last = begin(out)
    assert last.communicate(timeout=100)[1] == b""
    assert last.returncode == 0
    left, right = files(out), files(whole)
    # The report names its own folder and fingerprint.
    left.pop("report.json"), right.pop("report.json")
    assert left == right
    assert os.path.getsize(whole / "report.json") > 500
    assert np.abs(Features(out / ".work", 128).rows(np.arange(32))).max() > 0
