"""MegaFace folders, lists and noise lists: what is accepted, and how each mistake is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.datasets.images import DatasetError, open_images
from evaluation.datasets.megaface import open_megaface, read_noise

PROBES = ("Ada/Ada_1.png", "Ada/Ada_2.png", "Bo/Bo_7.png")
DISTRACTORS = ("11/22@N01/33_0.jpg", "11/22@N01/34_0.jpg", "12/1@N02/35_1.jpg")


def laid_out(folder: Path, probes: str = "facescrub_images", distractors: str = "megaface_images") -> Path:
    for root, names in ((probes, PROBES), (distractors, DISTRACTORS)):
        for name in names:
            (folder / root / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / root / name).write_bytes(f"content of {name}".encode())
    return folder


@pytest.mark.parametrize("layout", [("facescrub_images", "megaface_images"), ("probes", "distractors")])
def test_without_lists_every_image_counts(tmp_path: Path, layout: tuple[str, str]) -> None:
    found = open_megaface(laid_out(tmp_path, *layout))
    assert found.probes.names == PROBES
    assert found.people == ("Ada", "Ada", "Bo")
    assert found.distractors.names == DISTRACTORS
    assert found.lists == (f"all images of {layout[0]}", f"all images of {layout[1]}")
    assert found.probes.digest == open_images(tmp_path / layout[0]).digest
    assert dict(found.probes.read())["Bo/Bo_7.png"] == b"content of Bo/Bo_7.png"


def test_files_that_are_no_images_do_not_count(tmp_path: Path) -> None:
    laid_out(tmp_path)
    (tmp_path / "megaface_images/11/22@N01/33_0.jpg.json").write_text("{}")
    (tmp_path / "facescrub_images/readme.txt").write_text("x")
    found = open_megaface(tmp_path)
    assert (found.probes.names, found.distractors.names) == (PROBES, DISTRACTORS)


@pytest.mark.parametrize("place", ["", "devkit/templatelists/"])
def test_the_development_kits_lists_are_found_and_obeyed(tmp_path: Path, place: str) -> None:
    laid_out(tmp_path)
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    probes = {"path": [PROBES[1], PROBES[0]], "id": ["A", "A"]}
    (tmp_path / place / "facescrub_features_list.json").write_text(json.dumps(probes))
    (tmp_path / place / "megaface_features_list.json_1000000_1").write_text(
        json.dumps({"path": DISTRACTORS[1:], "id": ["x", "y"]})
    )
    found = open_megaface(tmp_path)
    assert found.probes.names == PROBES[:2]
    assert found.people == ("A", "A")
    assert found.distractors.names == DISTRACTORS[1:]
    assert found.lists[0].startswith("facescrub_features_list.json (")


def test_lists_of_text_and_lists_that_are_given_come_first(tmp_path: Path) -> None:
    laid_out(tmp_path)
    (tmp_path / "facescrub_lst").write_text("Ada/Ada_1.png\n\nAda/Ada_2.png\n")
    (tmp_path / "megaface_lst").write_text("\n".join(DISTRACTORS[:2]))
    assert open_megaface(tmp_path).probes.names == PROBES[:2]
    given = tmp_path / "mine.txt"
    given.write_text(DISTRACTORS[2])
    found = open_megaface(tmp_path, distractor_list=given)
    assert found.distractors.names == DISTRACTORS[2:]
    assert found.probes.names == PROBES[:2]


def test_noise_is_left_out_by_file_name_or_path_and_names_in_vain_are_counted(tmp_path: Path) -> None:
    laid_out(tmp_path)
    of_probes, of_distractors = tmp_path / "facescrub_noises.txt", tmp_path / "megaface_noises.txt"
    of_probes.write_text("# by hand\nBo_7.png\nNobody_1.png\n")
    of_distractors.write_text("# by hand\n17\t11/22@N01/33_0.jpg\n12/1@N02/none.jpg\n12/1@N02/other.jpg\n")
    found = open_megaface(tmp_path, probe_noise=[of_probes], distractor_noise=[of_distractors])
    assert found.probes.names == PROBES[:2]
    assert found.distractors.names == DISTRACTORS[1:]
    assert (found.noise_left_out, found.noise_unknown) == ((1, 1), (1, 2))
    assert read_noise(of_distractors)[0] == DISTRACTORS[0]


def test_listed_images_need_not_be_there_before_they_are_opened(tmp_path: Path) -> None:
    laid_out(tmp_path)
    (tmp_path / "facescrub_lst").write_text("Ada/Ada_1.png\nAda/Ada_9.png\n")
    found = open_megaface(tmp_path)
    assert found.probes.names == ("Ada/Ada_1.png", "Ada/Ada_9.png")
    with pytest.raises(DatasetError, match=r"lacks 1 of 2 images .* is Ada/Ada_9\.png"):
        found.probes.require_files()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Ada/Ada_1.png\n../secret.png\n",
            "line 2: '../secret.png' is no path below the folder of the images",
        ),
        ("/etc/x.png\n", "line 1: '/etc/x.png' is no path"),
        ("Ada\\Ada_1.png\n", "line 1: .* is no path"),
        ("\n\n", "names no images"),
        ("Ada/Ada_1.png\nAda/Ada_1.png\n", "list names Ada/Ada_1.png twice"),
        ("Ada/Ada_1.png\nBo/Bo_7.png\n", "none of the 2 people of .* has two photos"),
        ('{"path": ["Ada/Ada_1.png"', "is no JSON"),
        ('{"paths": []}', '"path" must be a list of texts'),
        ('{"path": ["Ada/Ada_1.png", 3]}', '"path" must be a list of texts'),
        ('{"path": ["Ada/Ada_1.png"], "id": []}', '"id" must be a list of texts, as long as "path", 1'),
        ('{"path": ["Ada/../../x.png"], "id": ["A"]}', "entry 0: .* is no path"),
    ],
)
def test_a_malformed_list_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    laid_out(tmp_path)
    (tmp_path / "list").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_megaface(tmp_path, probe_list=tmp_path / "list")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no probes in .*: give the folder that holds facescrub_images or probes/"
    ):
        open_megaface(tmp_path)
    (tmp_path / "probes").mkdir()
    with pytest.raises(DatasetError, match="no distractors in"):
        open_megaface(tmp_path)
    (tmp_path / "distractors").mkdir()
    with pytest.raises(DatasetError, match=r"names no images laid out as Person/file\.jpg"):
        open_megaface(tmp_path)
    laid_out(tmp_path, "probes", "distractors")
    with pytest.raises(DatasetError, match="nowhere cannot be read"):
        open_megaface(tmp_path, probe_list=tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="noise cannot be read"):
        open_megaface(tmp_path, probe_noise=[tmp_path / "noise"])
    (tmp_path / "noise").write_text("\n".join(PROBES))
    with pytest.raises(DatasetError, match="the noise lists name all 3 probes"):
        open_megaface(tmp_path, probe_noise=[tmp_path / "noise"])
