"""Own photos a folder a person, the groups of their people in a CSV file, and pairs drawn in LFW's manner."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from evaluation.datasets.groups_csv import read_groups
from evaluation.datasets.images import DatasetError, Images
from evaluation.datasets.lfw import person_of
from evaluation.datasets.people_folder import drawn_pairs, open_people
from evaluation.embedding.people import embed_people
from evaluation.embedding.pipeline import EmbeddedSet


class Counted:
    """Embeds by the order of names: rows of (1, number), no face in every image whose name says so."""

    name, contract_id = "counted", "counted-1"

    def photos(self, images: Images) -> EmbeddedSet:
        central = np.array([[1.0, at] for at, _ in enumerate(images.names)], np.float32)
        faces = np.array([0 if "empty" in name else 2 if "two" in name else 1 for name in images.names])
        return EmbeddedSet(images.names, central, central + 1, faces.astype(np.int32))

    def aligned(self, crops: Images) -> EmbeddedSet:
        ones = np.ones((len(crops.names), 2), np.float32)
        return EmbeddedSet(crops.names, ones, ones, np.ones(len(ones), np.int32))


def folder_of(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder_and_a_tar_of_it_show_the_same_people(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own", "Ann/1.jpg", "Bob/1.png", "Bob/2.png", "Bob/notes.txt", "stray.jpg")
    with tarfile.open(tmp_path / "own.tar", "w") as archive:
        archive.add(folder, "anything")
    from_folder, from_tar = open_people(folder), open_people(tmp_path / "own.tar")
    assert from_folder.people == ("Ann", "Bob")
    assert from_folder.images.names == ("Ann/1.jpg", "Bob/1.png", "Bob/2.png")
    # In the tar the stray photo lies in a folder too, whose name then passes for a person.
    assert set(from_tar.people) == {"Ann", "Bob", "anything"}
    assert from_folder.described.startswith("3 photos of 2 people, SHA-256 ")
    assert "aligned crops" in open_people(folder, aligned=True).described


def test_one_person_alone_and_no_photos_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="shows one person alone, Ann"):
        open_people(folder_of(tmp_path / "one", "Ann/1.jpg", "Ann/2.jpg"))
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="holds no images"):
        open_people(tmp_path / "none")
    with pytest.raises(DatasetError, match="neither a tar nor a folder"):
        open_people(tmp_path / "nowhere")


def test_the_largest_face_counts_and_photos_without_one_are_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own", "Ann/1.jpg", "Ann/empty.jpg", "Bob/two.jpg", "Cid/empty.jpg")
    embedded = embed_people(Counted(), open_people(folder))
    assert embedded.names == ("Ann/1.jpg", "Bob/two.jpg")
    assert embedded.people == ("Ann", "Bob")
    assert embedded.rows.tolist() == [[2, 1], [2, 3]]
    assert embedded.without_face == ("Ann/empty.jpg", "Cid/empty.jpg")
    assert embedded.several_faces == 1
    assert embedded.only(frozenset({"Bob/two.jpg"})).rows.tolist() == [[2, 3]]
    crops = embed_people(Counted(), open_people(folder, aligned=True))
    assert len(crops.names) == 4
    faceless = folder_of(tmp_path / "faceless", "Ann/1.jpg", "Bob/empty.jpg")
    with pytest.raises(DatasetError, match="faces of 1 people were found in 2 images"):
        embed_people(Counted(), open_people(faceless))


def test_drawn_pairs_have_folds_of_their_own_people_and_both_kinds_alike() -> None:
    names = [f"p{person:02d}/{photo}.jpg" for person in range(25) for photo in range(person % 4 + 1)]
    pairs = drawn_pairs(names, seed=3)
    assert pairs == drawn_pairs(list(reversed(names)), seed=3) != drawn_pairs(names, seed=4)
    several = 25 - 7
    assert sum(pair.same for pair in pairs) == sum(not pair.same for pair in pairs) == several
    fold_of: dict[str, set[int]] = {}
    for pair in pairs:
        left, right = person_of(pair.left), person_of(pair.right)
        assert (left == right) == pair.same
        assert pair.left != pair.right
        assert {pair.left, pair.right} <= set(names)
        for person in (left, right):
            fold_of.setdefault(person, set()).add(pair.fold)
    assert all(len(folds) == 1 for folds in fold_of.values())
    assert {pair.fold for pair in pairs} == set(range(9))
    with pytest.raises(DatasetError, match="3 people have two photos or more; pairs in two folds need four"):
        drawn_pairs(names[:10])


def csv_of(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "groups.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_groups_are_read_by_column_and_an_empty_cell_is_no_group(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path, '\ufeffperson, site,shift\r\nAnn,"north, old",day\r\n\r\nBob,,night\r\nCid,south,\r\n'
    )
    groups = read_groups(path, ["Ann", "Bob"])
    assert groups.columns == {"site": {"Ann": "north, old"}, "shift": {"Ann": "day", "Bob": "night"}}
    assert groups.unused == 1
    assert groups.digest != read_groups(csv_of(tmp_path, "person,a\nAnn,x\nBob,y\n"), ["Ann"]).digest


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty; its first line must be"),
        ("name,group\nAnn,x\n", r"line 1: expected `person` and at least one column"),
        ("person\nAnn\n", r"line 1: expected `person` and at least one column"),
        ("person,a,a\nAnn,x,y\n", "line 1: every column needs a name of its own"),
        ("person,a,\nAnn,x,y\n", "line 1: every column needs a name of its own"),
        ("person,a\nAnn,x,y\nBob,x\n", "line 2: expected 2 cells, found 3"),
        ("person,a\nAnn,x\n,y\n", "line 3: the person's name is empty"),
        ("person,a\nAnn,x\nBob,y\nAnn,z\n", "line 4: 'Ann' has a line already"),
        ("person,a\nAnn,x\n", r"no line for 1 of the 2 people .* the first is 'Bob'"),
        ("person,a,b\nAnn,x,\nBob,y,\n", "column 'b' gives none of the 2 people a group"),
        ('person,a\nAnn,"x\n', "no CSV"),
    ],
)
def test_a_file_of_groups_that_is_wrong_is_refused_with_its_line(
    tmp_path: Path, text: str, match: str
) -> None:
    with pytest.raises(DatasetError, match=match):
        read_groups(csv_of(tmp_path, text), ["Ann", "Bob"])


def test_a_file_of_groups_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not UTF-8 text"):
        read_groups(csv_of(tmp_path, "person,a\nJosé,x\n", "latin-1"), ["José"])
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        read_groups(tmp_path / "nowhere.csv", ["Ann"])
