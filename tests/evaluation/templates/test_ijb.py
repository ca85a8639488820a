"""The lists of IJB-B and IJB-C: what is accepted, and how each mistake is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from evaluation.datasets.ijb import Ijb, Task, open_ijb
from evaluation.datasets.images import DatasetError

HEAD = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT"
POINTS = "46.060 62.026 87.785 60.323 68.851 77.656 52.162 99.875 86.450 98.648"

# Subjects 1 and 2 in the first gallery, 3 in the second, 4 in none; template 20 has a video of two frames and a still.
LISTS = {
    "face_tid_mid.txt": (
        "1.jpg 1 100\n2.jpg 2 200\n10.jpg 3 300\n11.jpg 20 500\n"
        "12.jpg 20 500\n3.jpg 20 501\n4.jpg 21 600\n5.jpg 22 700\n"
    ),
    "name_5pts_score.txt": "".join(
        f"{name}.jpg {POINTS} {score}\n"
        for name, score in zip(
            (1, 2, 10, 11, 12, 3, 4, 5), (0.9, 1, 0.5, 0, 0.25, 0.75, 0.999, 1), strict=True
        )
    ),
    "template_pair_label.txt": "1 20 1\n2 20 0\n3 21 0\n",
    "1N_gallery_1.csv": f"{HEAD}\n1,1,img/1.jpg,100,0,0,9,9\n2,2,img/2.jpg,200,0,0,9,9\n",
    "1N_gallery_2.csv": f"{HEAD}\n3,3,img/10.jpg,300,0,0,9,9\n",
    "1N_probe_mixed.csv": (
        f"{HEAD}\n21,4,img/4.jpg,600,0,0,9,9\n20,1,frames/11.jpg,500,0,0,9,9\n20,1,frames/12.jpg,500,0,0,9,9\n"
        "22,3,img/5.jpg,700,0,0,9,9\n"
    ),
}


def write(folder: Path, letter: str = "c", **changed: str | None) -> Path:
    """A folder of lists; changed: other content by the name without dots, None for a list that is not there."""
    (folder / "meta").mkdir()
    galleries = {"b": "S", "c": "G"}[letter]
    for name, content in LISTS.items():
        chosen = changed.get(name.split(".")[0].removeprefix("1N_"), content)
        if chosen is not None:
            path = f"ijb{letter}_{name.replace('gallery_', 'gallery_' + galleries)}"
            (folder / "meta" / path).write_text(chosen)
    return folder


@pytest.fixture
def ijbc(tmp_path: Path) -> Ijb:
    return open_ijb(write(tmp_path))


def test_images_are_sorted_and_keep_their_template_medium_score_and_landmarks(ijbc: Ijb) -> None:
    assert ijbc.name == "IJB-C"
    assert ijbc.images.names == ("1.jpg", "10.jpg", "11.jpg", "12.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg")
    assert ijbc.templates.tolist() == [1, 2, 3, 20, 21, 22]
    assert ijbc.templates[ijbc.template].tolist() == [1, 3, 20, 20, 2, 20, 21, 22]
    assert ijbc.medium.tolist() == [100, 300, 500, 500, 200, 501, 600, 700]
    assert ijbc.detector.tolist() == np.float32([0.9, 0.5, 0, 0.25, 1, 0.75, 0.999, 1]).tolist()
    assert ijbc.images.landmarks is not None
    assert ijbc.images.landmarks.shape == (8, 5, 2)
    assert ijbc.images.landmarks[0, 1].tolist() == np.float32([87.785, 60.323]).tolist()


def test_pairs_name_templates_and_their_kind(ijbc: Ijb) -> None:
    assert ijbc.pairs is not None
    assert ijbc.templates[ijbc.pairs.left].tolist() == [1, 2, 3]
    assert ijbc.templates[ijbc.pairs.right].tolist() == [20, 20, 21]
    assert ijbc.pairs.same.tolist() == [True, False, False]


def test_galleries_and_probes_name_a_template_once_whatever_its_images(ijbc: Ijb) -> None:
    assert ijbc.search is not None
    first, second = ijbc.search.galleries
    assert (first.name, second.name) == ("G1", "G2")
    assert ijbc.templates[first.templates].tolist() == [1, 2]
    assert second.subjects.tolist() == [3]
    assert ijbc.templates[ijbc.search.probes.templates].tolist() == [20, 21, 22]
    assert ijbc.search.probes.subjects.tolist() == [1, 4, 3]


def test_ijb_b_is_recognised_by_its_files_and_calls_its_galleries_s(tmp_path: Path) -> None:
    found = open_ijb(write(tmp_path, "b"))
    assert found.name == "IJB-B"
    assert found.search is not None
    assert [gallery.name for gallery in found.search.galleries] == ["S1", "S2"]


@pytest.mark.parametrize("task", list(Task))
def test_only_the_lists_of_the_task_are_read(tmp_path: Path, task: Task) -> None:
    unneeded: dict[str, str | None] = {
        "1:1": {"gallery_1": None, "gallery_2": None, "probe_mixed": None},
        "1:n": {"template_pair_label": None},
        "both": {},
    }[task.value]
    found = open_ijb(write(tmp_path, **unneeded), task)
    assert (found.pairs is None) == (task is Task.SEARCH)
    assert (found.search is None) == (task is Task.VERIFY)
    assert len(found.digests) == {"1:1": 3, "1:n": 5, "both": 6}[task.value]
    content = (tmp_path / "meta/ijbc_face_tid_mid.txt").read_bytes()
    assert found.digests["ijbc_face_tid_mid.txt"] == hashlib.sha256(content).hexdigest()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no IJB-B or IJB-C at .*nowhere: give the folder"):
        open_ijb(tmp_path / "nowhere")
    write(tmp_path, template_pair_label=None)
    with pytest.raises(DatasetError, match=r"lacks ijbc_template_pair_label\.txt; the task 1:n does without"):
        open_ijb(tmp_path)
    (tmp_path / "meta/ijbc_1N_probe_mixed.csv").unlink()
    with pytest.raises(DatasetError, match=r"lacks ijbc_template_pair_label\.txt, ijbc_1N_probe_mixed\.csv$"):
        open_ijb(tmp_path)
    (tmp_path / "meta/ijbc_name_5pts_score.txt").unlink()
    with pytest.raises(DatasetError, match=r"lacks ijbc_name_5pts_score\.txt"):
        open_ijb(tmp_path, Task.SEARCH)
    (tmp_path / "meta/ijbb_face_tid_mid.txt").write_text("1.jpg 1 1\n")
    with pytest.raises(DatasetError, match=r"lists of IJB-B and of IJB-C"):
        open_ijb(tmp_path)


@pytest.mark.parametrize(
    ("list_", "old", "new", "words"),
    [
        (
            "face_tid_mid",
            "2.jpg 2 200",
            "2.jpg 2",
            r"line 2: expected 'name template medium', found '2\.jpg 2'",
        ),
        ("face_tid_mid", "2.jpg 2 200", "", r"line 2: expected 'name template medium', found ''"),
        ("face_tid_mid", "2.jpg 2 200", "2.jpg -2 200", "line 2: expected the number of a template"),
        ("face_tid_mid", "2.jpg 2 200", "2.jpg 2 2e2", "line 2: expected the number of a medium"),
        ("face_tid_mid", "2.jpg 2 200", f"2.jpg {2**31} 200", "line 2: expected the number of a template"),
        ("face_tid_mid", "2.jpg 2 200", "../2.jpg 2 200", r"line 2: '\.\./2\.jpg' is no path below"),
        ("face_tid_mid", "2.jpg 2 200", "/2.jpg 2 200", r"line 2: '/2\.jpg' is no path below"),
        ("face_tid_mid", "2.jpg 2 200", "1.jpg 2 200", r"holds 1\.jpg twice"),
        (
            "name_5pts_score",
            "2.jpg",
            "7.jpg",
            r"line 2: expected 2\.jpg, as in the list of media, and found '7\.jpg'",
        ),
        ("name_5pts_score", "46.060", "", r"line 1: expected 'name', five points as ten numbers"),
        ("name_5pts_score", "46.060", "left", r"line 1: expected eleven numbers after the name"),
        ("name_5pts_score", "46.060", "nan", r"line 1: expected finite points and a score in 0\.\.1"),
        ("name_5pts_score", " 0.5\n", " 1.5\n", r"line 3: expected finite points and a score in 0\.\.1"),
        ("name_5pts_score", f"5.jpg {POINTS} 1\n", "", "has 7 lines; the list of media has 8"),
        (
            "name_5pts_score",
            f"5.jpg {POINTS} 1\n",
            f"5.jpg {POINTS} 1\n6.jpg {POINTS} 1\n",
            "line 9: expected the end",
        ),
        ("template_pair_label", "2 20 0", "2 20", "line 2: expected 'template template 0|1', found '2 20'"),
        ("template_pair_label", "2 20 0", "2 20 0 1", "line 2: expected 'template template 0|1'"),
        ("template_pair_label", "2 20 0", "2 twenty 0", "line 2: expected the number of a template"),
        ("template_pair_label", "2 20 0", "2 20 2", "line 2: expected the label 0 or 1, found '2'"),
        ("template_pair_label", "2 20 0", "2 23 0", "line 2: template 23 has no image in the list of media"),
        ("template_pair_label", "2 20 0", "2.0 20 0", "line 2: expected the number of a template"),
        ("template_pair_label", "1 20 1", "1 20 0", "holds no genuine pair"),
        ("template_pair_label", "2 20 0\n3 21 0\n", "", "holds no impostor pair"),
        ("template_pair_label", LISTS["template_pair_label.txt"], "", "is empty"),
        (
            "template_pair_label",
            LISTS["template_pair_label.txt"],
            "1 20\n2 20\n",
            "line 1: expected 'template",
        ),
        ("gallery_1", "TEMPLATE_ID", "TID", r"line 1: expected a head with TEMPLATE_ID and SUBJECT_ID"),
        (
            "gallery_1",
            LISTS["1N_gallery_1.csv"],
            "",
            r"line 1: expected a head with TEMPLATE_ID and SUBJECT_ID",
        ),
        ("gallery_1", LISTS["1N_gallery_1.csv"], HEAD, "names no template"),
        ("gallery_1", "2,2,img", "2,img", "line 3: expected 8 fields as in the head, found 7"),
        ("gallery_1", "2,2,img", "2,two,img", "line 3: expected the number of a subject"),
        ("gallery_1", "2,2,img", "1,2,img", "line 3: template 1 is of subject 2, and of 1 above"),
        ("gallery_1", "2,2,img", "9,2,img", "1 templates have no image in the list of media, the first is 9"),
        ("gallery_1", "2,2,img", "20,2,img", "template 20 is in gallery G1 and among the probes"),
        (
            "gallery_2",
            "3,3,img",
            "3,7,img",
            r"ijbc_1N_gallery_G2\.csv holds no subject of ijbc_1N_probe_mixed\.csv",
        ),
    ],
)
def test_a_malformed_list_is_refused_naming_the_line(
    tmp_path: Path, list_: str, old: str, new: str, words: str
) -> None:
    name = next(name for name in LISTS if name.split(".")[0].removeprefix("1N_") == list_)
    assert old in LISTS[name]
    write(tmp_path, **{list_: LISTS[name].replace(old, new, 1)})
    with pytest.raises(DatasetError, match=words):
        open_ijb(tmp_path)


def test_an_empty_list_of_media_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is empty"):
        open_ijb(write(tmp_path, face_tid_mid=""))


def test_a_head_may_be_written_small_and_its_columns_may_be_moved(tmp_path: Path) -> None:
    moved = "subject_id,template_id\n1,1\n2,2\n"
    found = open_ijb(write(tmp_path, gallery_1=moved))
    assert found.search is not None
    assert found.search.galleries[0].subjects.tolist() == [1, 2]
