"""YouTube Faces: the splits and frames that are accepted, how each mistake is named, and the command on real faces."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError
from evaluation.datasets.ytf import Frames, VideoPair, open_ytf, parse_splits
from serving.cli.evaluate.templates import ytf

SPLITS = (
    "split number, pair number, first name, second name, is same\n"
    "1, 1, Ada/0, Ada/2, 1\n1, 2, Ada/0, Bo/1, 0\n2, 1, Bo/1, Bo/3, 1\n2, 2, Bo/3, Ada/2, 0\n"
)
PAIRS = (
    VideoPair("Ada/0", "Ada/2", True, 0),
    VideoPair("Ada/0", "Bo/1", False, 0),
    VideoPair("Bo/1", "Bo/3", True, 1),
    VideoPair("Bo/3", "Ada/2", False, 1),
)
VIDEOS = ("Ada/0", "Ada/2", "Bo/1", "Bo/3")


def write(folder: Path, frames: Frames = Frames.ALIGNED) -> Path:
    """Each video has frames 9, 10 and 11, which sort otherwise as text, and something that is no frame."""
    (folder / "splits.txt").write_text(SPLITS)
    for video in (*VIDEOS, "Cy/0"):
        inside = folder / frames.folder / video
        inside.mkdir(parents=True)
        begin = "aligned_detect_" if frames is Frames.ALIGNED else ""
        for number in (9, 10, 11):
            (inside / f"{begin}{video.split('/')[1]}.{number}.jpg").write_bytes(video.encode())
        (inside / "Thumbs.db").write_bytes(b"")
    return folder


@pytest.mark.parametrize("head", [True, False])
def test_splits_are_read_with_a_head_and_without(head: bool) -> None:
    assert parse_splits(SPLITS if head else SPLITS.split("\n", 1)[1] + "\n\n") == PAIRS


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (SPLITS, "", "holds no pair"),
        ("Ada/0, Ada/2, 1", "Ada/0, Ada/2", r"line 2: expected 'split, pair, Person/number"),
        (
            "1, 2, Ada/0",
            "one, 2, Ada/0",
            "line 3: expected the numbers of a split and a pair, found 'one' and '2'",
        ),
        ("1, 2, Ada/0", "0, 2, Ada/0", "line 3: expected the numbers of a split and a pair"),
        ("1, 2, Ada/0", "1, -2, Ada/0", "line 3: expected the numbers of a split and a pair"),
        ("Bo/1, 0", "Bo, 0", "line 3: 'Bo' is no video; expected Person/number"),
        ("Bo/1, 0", "../1, 0", r"line 3: '\.\./1' is no video"),
        ("Bo/1, 0", "/etc/1, 0", "line 3: '/etc/1' is no video"),
        ("Bo/1, 0", "Bo/x, 0", "line 3: 'Bo/x' is no video"),
        ("Bo/1, 0", "Bo/1, 2", "line 3: expected 1 for one person or 0 for two, found '2'"),
        ("Bo/1, 0", "Bo/1, 1", "line 3: Ada/0 and Bo/1 do not go with the label 1"),
        ("Ada/2, 1", "Ada/0, 1", "line 2: compares Ada/0 with itself"),
        ("2, 2, Bo/3, Ada/2, 0\n", "", "all pairs of split 2 are of one kind"),
        ("2, 1, Bo/1, Bo/3, 1\n2, 2, Bo/3, Ada/2, 0\n", "", "holds one split"),
    ],
)
def test_a_malformed_splits_file_is_refused_naming_the_line(old: str, new: str, words: str) -> None:
    assert old in SPLITS
    with pytest.raises(DatasetError, match=words):
        parse_splits(SPLITS.replace(old, new, 1))


@pytest.mark.parametrize("frames", list(Frames))
def test_the_frames_of_the_named_videos_are_found_and_no_others(tmp_path: Path, frames: Frames) -> None:
    found = open_ytf(write(tmp_path, frames))
    assert found.frames is frames
    assert found.pairs == PAIRS
    assert found.videos == VIDEOS
    assert len(found.images.names) == 12
    assert all(
        name.startswith(f"{found.videos[at]}/")
        for name, at in zip(found.images.names, found.video, strict=True)
    )
    assert {data.decode() for _, data in found.images.read()} == set(VIDEOS)


def test_one_frame_in_so_many_is_counted_from_the_first_by_number(tmp_path: Path) -> None:
    found = open_ytf(write(tmp_path), every=2)
    assert [name for name in found.images.names if name.startswith("Ada/0")] == [
        "Ada/0/aligned_detect_0.11.jpg",
        "Ada/0/aligned_detect_0.9.jpg",
    ]
    assert len(open_ytf(tmp_path, every=100).images.names) == 4
    with pytest.raises(ValueError, match="an n of 1 at least, not 0"):
        open_ytf(tmp_path, every=0)


def test_aligned_pictures_are_taken_where_both_are_there_unless_asked_otherwise(tmp_path: Path) -> None:
    write(write(tmp_path), Frames.WHOLE)
    assert open_ytf(tmp_path).frames is Frames.ALIGNED
    assert open_ytf(tmp_path, Frames.WHOLE).images.source.name == "frame_images_DB"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no YouTube Faces at .*: give the folder with splits\.txt"):
        open_ytf(tmp_path)
    (tmp_path / "splits.txt").write_text(SPLITS)
    with pytest.raises(DatasetError, match="holds no aligned_images_DB and no frame_images_DB"):
        open_ytf(tmp_path)
    write(tmp_path)
    with pytest.raises(DatasetError, match=r"holds no frame_images_DB$"):
        open_ytf(tmp_path, Frames.WHOLE)
    for path in (tmp_path / "aligned_images_DB/Bo/3").glob("*.jpg"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"holds no frame of Bo/3, which splits\.txt names"):
        open_ytf(tmp_path)
    (tmp_path / "aligned_images_DB/Bo/3/last.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"last\.jpg: expected a frame whose name ends in its number"):
        open_ytf(tmp_path)


app = typer.Typer()
app.command()(ytf)


def evaluate(*arguments: str | Path, cache: Path, code: int = 0) -> tuple[str, str]:
    done = CliRunner(env={"COCIRCLE_CACHE": str(cache)}).invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def small_ytf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people of the AT&T faces with two videos of three photos each, in two folds."""
    folder = tmp_path_factory.mktemp("YouTubeFaces")
    for photo in att_faces():
        if photo.person <= 4 and photo.number <= 6:
            video = (photo.number - 1) // 3
            inside = folder / f"aligned_images_DB/Person_{photo.person}/{video}"
            inside.mkdir(parents=True, exist_ok=True)
            pixels = cv2.imread(str(photo.path))
            assert pixels is not None
            path = inside / f"aligned_detect_{video}.{photo.number}.jpg"
            cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])
    lines = []
    for person in range(1, 5):
        fold, other = 1 + (person > 2), person % 4 + 1
        lines.append(f"{fold}, {2 * person}, Person_{person}/0, Person_{person}/1, 1")
        lines.append(f"{fold}, {2 * person + 1}, Person_{person}/0, Person_{other}/1, 0")
    (folder / "splits.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_videos_of_real_faces_are_told_apart(small_ytf: Path, tmp_path: Path) -> None:
    printed = evaluate("--data", small_ytf, "--json", "--report", tmp_path / "page.html", cache=tmp_path)[0]
    (made,) = json.loads(printed)
    figures = made["figures"]
    assert (figures["videos"], figures["images"], figures["every"]) == (8, 24, 1)
    assert figures["accuracy"]["mean"] >= 0.9
    assert figures["accuracy"]["pairs"] == 8
    assert [point["supported"] for point in figures["operating_points"]] == [False, False, False]
    assert (tmp_path / "page.html").read_text().count("<svg") == 1
    shown = evaluate("--data", small_ytf, cache=tmp_path)[0]
    assert "8 pairs of videos, 2 folds" in shown
    assert "24, aligned, all" in shown
    assert "frames without a face found" in shown


def test_a_video_is_the_mean_of_its_frames(small_ytf: Path, tmp_path: Path) -> None:
    """Two frames of each video agree with nobody; the third decides, and the mean carries it over."""
    data = open_ytf(small_ytf)
    person = np.array([int(name.split("/")[0].removeprefix("Person_")) for name in data.images.names])
    rows = np.zeros((len(person), 5 + len(person)))
    rows[np.arange(len(person)), 5 + np.arange(len(person))] = 1
    third = np.array([name.endswith((".3.jpg", ".6.jpg")) for name in data.images.names])
    rows[third] = np.eye(5 + len(person))[person[third]]
    np.savez(tmp_path / "rows.npz", names=np.array(data.images.names), embeddings=rows)
    arguments = ("--data", small_ytf, "--embeddings", tmp_path / "rows.npz", "--json")
    (made,) = json.loads(evaluate(*arguments, cache=tmp_path)[0])
    assert made["figures"]["operating_points"][-1]["tar"] == 1.0
    assert made["figures"]["operating_points"][-1]["threshold"] == pytest.approx(1 / 3)
    (sparse,) = json.loads(evaluate(*arguments, "--every", "3", cache=tmp_path)[0])
    assert sparse["figures"]["images"] == 8
    assert sparse["figures"]["operating_points"][-1]["tar"] == 0.0


def test_what_is_wrong_with_the_data_is_told_in_one_line(tmp_path: Path) -> None:
    told = evaluate("--data", tmp_path, cache=tmp_path, code=2)[1]
    assert "error: no YouTube Faces at" in told
    assert "Traceback" not in told
