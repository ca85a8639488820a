"""The folders of published 1:1 sets: what is accepted, and how what is missing is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.datasets.cfp import open_cfp
from evaluation.datasets.images import DatasetError
from evaluation.datasets.pair_folders import AGEDB_30, CALFW, CPLFW, open_pair_folder
from evaluation.datasets.pairs import Pair, equal_runs

TEN = [f"a{n}.jpg b{n}.jpg 1\na{n}.jpg c{n}.jpg -1\n" for n in range(10)]


def two_lines(genuine: int, impostor: int, tokens: list[int] | None = None) -> str:
    """A list as of CALFW: genuine pairs first, Person3 with Person3, then each person with the next."""
    numbers = tokens or [1] * genuine
    lines = [f"Person{n}_0001.jpg {token}\nPerson{n}_0002.jpg {token}\n" for n, token in enumerate(numbers)]
    lines += [f"Person{n}_0001.jpg 0\nPerson{n + 1}_0002.jpg 0\n" for n in range(impostor)]
    return "".join(lines)


def write_images(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"content of {name}".encode())


def people_names(count: int) -> list[str]:
    return [f"Person{n}_000{number}.jpg" for n in range(count) for number in (1, 2)]


@pytest.mark.parametrize("place", ["images", "images&landmarks/images", "aligned images", "."])
def test_calfw_is_read_as_it_is_published(tmp_path: Path, place: str) -> None:
    (tmp_path / "pairs_CALFW.txt").write_text(two_lines(20, 20, [1 + n // 2 for n in range(20)]))
    write_images(tmp_path / place, people_names(21))
    data = open_pair_folder(CALFW, tmp_path, aligned=False)
    assert (data.protocol, data.title, data.aligned) == ("calfw", "CALFW", False)
    assert len(data.pairs) == 40
    assert data.images.source == tmp_path / place
    assert set(data.images.names) == data.names
    assert data.people is not None
    assert data.people["Person3_0001.jpg"] == "Person3"
    assert data.remarks == ("The published list has 6,000 pairs, this one 40: its figures are others.",)


def test_photos_and_aligned_crops_of_cplfw_lie_beside_each_other(tmp_path: Path) -> None:
    (tmp_path / "pairs_CPLFW.txt").write_text(two_lines(10, 10))
    for place in ("images", "aligned images"):
        write_images(tmp_path / place, people_names(11))
    assert open_pair_folder(CPLFW, tmp_path, aligned=False).images.source == tmp_path / "images"
    assert open_pair_folder(CPLFW, tmp_path, aligned=True).images.source == tmp_path / "aligned images"
    elsewhere = tmp_path / "elsewhere"
    write_images(elsewhere, people_names(11))
    assert open_pair_folder(CPLFW, tmp_path, aligned=True, images=elsewhere).images.source == elsewhere


@pytest.mark.parametrize(
    ("file", "place", "inside"),
    [
        ("agedb_30_pair.txt", "agedb30_align_112", ""),
        ("agedb_30_pair.txt", ".", ""),
        ("agedb_30_ann.txt", ".", "agedb_30_112x112/"),
    ],
)
def test_agedb_30_is_read_in_the_forms_it_is_spread_in(
    tmp_path: Path, file: str, place: str, inside: str
) -> None:
    names = [f"{inside}{n:05d}.jpg" for n in range(1, 81)]
    lines = []
    for n in range(40):
        left, right, label = names[2 * n], names[2 * n + 1], 1 - n % 2
        lines.append(f"{label} {left} {right}" if "_ann" in file else f"{left} {right} {label or -1}")
    (tmp_path / file).write_text("\n".join(lines))
    write_images(tmp_path / place, names)
    data = open_pair_folder(AGEDB_30, tmp_path, aligned=True)
    assert [pair.same for pair in data.pairs[:3]] == [True, False, True]
    assert [pair.fold for pair in data.pairs] == equal_runs(40)
    assert data.people is None


def test_what_a_pair_folder_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no AgeDB-30 at .*nowhere: give the folder with agedb_30_pair\.txt"
    ):
        open_pair_folder(AGEDB_30, tmp_path / "nowhere", aligned=True)
    with pytest.raises(DatasetError, match="holds no list of pairs of AgeDB-30"):
        open_pair_folder(AGEDB_30, tmp_path, aligned=True)
    (tmp_path / "04_FINAL_protocol_30_years.mat").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"holds a list as \.mat, which is not read"):
        open_pair_folder(AGEDB_30, tmp_path, aligned=True)
    (tmp_path / "agedb_30_pair.txt").write_text("".join(TEN))
    with pytest.raises(DatasetError, match=r"a0\.jpg lies in none of .*agedb30_align_112.*--images"):
        open_pair_folder(AGEDB_30, tmp_path, aligned=True)
    write_images(tmp_path, ["a0.jpg"])
    with pytest.raises(DatasetError, match=r"lacks 29 images that are named, the first is a1\.jpg"):
        open_pair_folder(AGEDB_30, tmp_path, aligned=True)


def write_cfp(folder: Path, people: int = 20) -> Path:
    """Two people a fold, with two frontal images and one profile image each."""
    protocol = folder / "Protocol"
    protocol.mkdir(parents=True)
    frontal = [f"{p:03d}/frontal/{n:02d}.jpg" for p in range(1, people + 1) for n in (1, 2)]
    profile = [f"{p:03d}/profile/01.jpg" for p in range(1, people + 1)]
    write_images(folder / "Data/Images", [*frontal, *profile])
    for name, images in (("Pair_list_F.txt", frontal), ("Pair_list_P.txt", profile)):
        lines = [f"{at} ../Data/Images/{image}\n" for at, image in enumerate(images, start=1)]
        (protocol / name).write_text("".join(lines))
    for fold in range(10):
        one, other = 2 * fold + 1, 2 * fold + 2
        files = {
            "FF/same": f"{2 * one - 1},{2 * one}\n",
            "FF/diff": f"{2 * one},{2 * other - 1}\n",
            "FP/same": f"{2 * one},{one}\n{2 * other},{other}\n",
            "FP/diff": f"{2 * one},{other}\n",
        }
        for name, text in files.items():
            kind, file = name.split("/")
            path = protocol / "Split" / kind / f"{fold + 1:02d}" / f"{file}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def test_the_two_protocols_of_cfp_are_read_as_they_are_published(tmp_path: Path) -> None:
    write_cfp(tmp_path)
    frontal = open_cfp(tmp_path, "FF", aligned=False)
    assert frontal.protocol == "cfp-ff"
    assert frontal.pairs[:2] == (
        Pair("001/frontal/01.jpg", "001/frontal/02.jpg", True, 0),
        Pair("001/frontal/02.jpg", "002/frontal/01.jpg", False, 0),
    )
    profile = open_cfp(tmp_path, "FP", aligned=False)
    assert profile.pairs[3:6] == (
        Pair("003/frontal/02.jpg", "003/profile/01.jpg", True, 1),
        Pair("004/frontal/02.jpg", "004/profile/01.jpg", True, 1),
        Pair("003/frontal/02.jpg", "004/profile/01.jpg", False, 1),
    )
    assert {pair.fold for pair in profile.pairs} == set(range(10))
    assert set(profile.images.names) == profile.names
    assert profile.people is not None
    assert profile.people["003/profile/01.jpg"] == "003"
    assert profile.lists_digest != frontal.lists_digest
    assert profile.remarks == ("The published list has 7,000 pairs, this one 30: its figures are others.",)


def test_cfp_is_found_in_the_folder_its_archive_makes_and_its_crops_elsewhere(tmp_path: Path) -> None:
    write_cfp(tmp_path / "cfp-dataset")
    assert len(open_cfp(tmp_path, "FF", aligned=False).pairs) == 20
    (tmp_path / "cfp-dataset/Data/Images").rename(tmp_path / "crops")
    data = open_cfp(tmp_path, "FP", aligned=True, images=tmp_path / "crops")
    assert data.images.source == tmp_path / "crops"
    with pytest.raises(DatasetError, match=r"lies in none of .*Data/Images"):
        open_cfp(tmp_path, "FP", aligned=True)


def test_cfp_is_read_rearranged_as_numbered_crops(tmp_path: Path) -> None:
    names = [f"{n:05d}.jpg" for n in range(60)]
    lines = [f"{names[2 * n]} {names[2 * n + 1]} {1 if n % 2 else -1}\n" for n in range(30)]
    (tmp_path / "cfp_fp_pair.txt").write_text("".join(lines))
    write_images(tmp_path / "CFP_FP_aligned_112", names)
    data = open_cfp(tmp_path, "FP", aligned=True)
    assert (data.protocol, data.title) == ("cfp-fp", "CFP, frontal-profile")
    assert len(data.pairs) == 30


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Pair_list_F.txt", "1 ../Data/Images/../x.jpg\n", r"line 1: expected a path such as"),
        ("Pair_list_F.txt", "1 /Data/Images/001/frontal/01.jpg\n", r"line 1: expected a path such as"),
        (
            "Pair_list_P.txt",
            "1 ../Data/Images/001/profile/01.jpg\n",
            "there is no image 2 in the list, which has 1",
        ),
        ("Split/FP/03/diff.txt", "1\n", r"03/diff\.txt, line 1: expected two numbers"),
        ("Split/FP/03/same.txt", "", r"03/same\.txt is empty"),
        ("Split/FP/03/same.txt", "0,1", r"03/same\.txt, line 1: there is no image 0"),
    ],
)
def test_a_malformed_cfp_is_refused_naming_file_and_line(
    tmp_path: Path, file: str, text: str, message: str
) -> None:
    write_cfp(tmp_path)
    (tmp_path / "Protocol" / file).write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_cfp(tmp_path, "FP", aligned=False)


def test_a_cfp_with_a_fold_missing_is_refused(tmp_path: Path) -> None:
    write_cfp(tmp_path)
    (tmp_path / "Protocol/Split/FF/10/diff.txt").unlink()
    with pytest.raises(DatasetError, match=r"CFP lacks .*Split/FF/10/diff\.txt"):
        open_cfp(tmp_path, "FF", aligned=False)


def test_one_changed_pair_changes_the_digest_of_the_lists(tmp_path: Path) -> None:
    before = open_cfp(write_cfp(tmp_path), "FF", aligned=False).lists_digest
    (tmp_path / "Protocol/Split/FF/10/diff.txt").write_text("1,40\n")
    assert open_cfp(tmp_path, "FF", aligned=False).lists_digest != before


def test_a_folder_without_cfp_is_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"no CFP at .*: give the folder with Protocol and Data, or with cfp_ff_pair"
    ):
        open_cfp(tmp_path, "FF", aligned=False)
