"""Sources of an enrolment: what they list, in which order, and what they refuse to read."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from faces.image import ImageError
from serving.jobs.sources.folder import Folder
from serving.jobs.sources.manifest import Manifest
from serving.jobs.sources.source import Listed, SourceError, Trouble, Unfit
from serving.jobs.sources.tar import Tar
from serving.jobs.sources.templates import Templates, holds_templates

MOST = 100


def keys(listed: object) -> list[str]:
    return [item.item for item in listed]  # type: ignore[attr-defined]


def write(path: Path, data: bytes = b"photo") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def add(archive: tarfile.TarFile, name: str, data: bytes = b"photo", **fields: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(data))


# Folders


def test_a_folder_lists_sub_folders_as_people_and_files_by_their_names_in_order(tmp_path: Path) -> None:
    for name in ("ben/2.jpg", "ben/10.PNG", "ben/old/1.webp", "anna.jpg", "ben/notes.txt", "cleo/x.gif"):
        write(tmp_path / name)
    source = Folder(path=str(tmp_path))
    found = [(item.item, item.person) for item in source.listing()]
    assert found == [
        ("anna.jpg", "anna"),
        ("ben/10.PNG", "ben"),
        ("ben/2.jpg", "ben"),
        ("ben/old/1.webp", "ben"),
    ]
    assert found == [(item.item, item.person) for item in source.listing()]


def test_a_name_that_cannot_be_kept_is_an_item_that_says_so(tmp_path: Path) -> None:
    write(tmp_path / "anna" / "1.jpg")
    os.rename(tmp_path / "anna" / "1.jpg", os.fsencode(tmp_path / "anna") + b"/\xff\n.jpg")
    (item,) = Folder(path=str(tmp_path)).listing()
    assert item.item == "anna/\\udcff\\x0a.jpg"
    assert "rename it" in item.invalid


def test_a_file_is_read_whole_and_what_is_none_is_trouble(tmp_path: Path) -> None:
    source = Folder(path=str(tmp_path))
    write(tmp_path / "a.jpg", b"x" * MOST)
    write(tmp_path / "b.jpg", b"x" * (MOST + 1))
    os.mkfifo(tmp_path / "c.jpg")
    assert source.read({"file": "a.jpg"}, MOST) == b"x" * MOST
    with pytest.raises(ImageError, match="101 bytes"):
        source.read({"file": "b.jpg"}, MOST)
    for name, reason in (
        ("c.jpg", "unreadable"),
        ("gone.jpg", "file_missing"),
        ("a.jpg/x.jpg", "unreadable"),
    ):
        with pytest.raises(Trouble) as trouble:
            source.read({"file": name}, MOST)
        assert trouble.value.reason == reason


def test_a_folder_that_is_none_is_said_before_anything_is_listed(tmp_path: Path) -> None:
    source = Folder(path=str(tmp_path / "nowhere"))
    assert not source.visible()
    with pytest.raises(SourceError, match="no folder"):
        source.listing()


def test_a_path_that_depends_on_where_the_process_runs_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute path"):
        Folder(path="people")


# Archives


def test_a_tar_lists_its_photos_and_reads_them_where_they_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    long = "anna/" + "x" * 180 + ".jpg"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        add(archive, "./ben/1.jpg", b"ben's")
        add(archive, "anna/notes.txt")
        add(archive, long, b"anna's")
        add(archive, "cleo.png", b"")
    source = Tar(path=str(path))
    found = {item.item: item for item in source.listing()}
    assert [(key, item.person) for key, item in found.items()] == [
        ("ben/1.jpg", "ben"),
        (long, "anna"),
        ("cleo.png", "cleo"),
    ]
    assert source.read(found["ben/1.jpg"].where, MOST) == b"ben's"
    assert source.read(found[long].where, MOST) == b"anna's"
    assert source.read(found["cleo.png"].where, MOST) == b""
    with pytest.raises(ImageError):
        source.read(found[long].where, 5)


def test_links_and_names_that_lead_elsewhere_are_items_that_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "anna/1.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "anna/2.jpg", b"", type=tarfile.LNKTYPE, linkname="anna/3.jpg")
        add(archive, "../out.jpg")
        add(archive, "/etc/x.jpg")
        add(archive, "anna/3.jpg")
    found = list(Tar(path=str(path)).listing())
    assert [bool(item.invalid) for item in found] == [True, True, True, True, False]
    assert not any(item.item.startswith("/") for item in found)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_refused_with_what_to_do(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        add(archive, "anna/1.jpg")
    with pytest.raises(SourceError, match=r"compressed .* unpack it"):
        list(Tar(path=str(path)).listing())


@pytest.mark.parametrize("damage", ["cut", "header", "nonsense", "empty"])
def test_a_damaged_tar_does_not_pass_for_a_shorter_one(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(4):
            add(archive, f"anna/{number}.jpg", b"x" * 600)
    data = bytearray(path.read_bytes())
    if damage == "cut":
        data = data[: 3 * 1536 + 700]
    elif damage == "header":
        data[2 * 1536 + 150] ^= 0xFF
    else:
        data = bytearray(b"no archive at all" * 100 if damage == "nonsense" else b"")
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"damaged|no tar"):
        list(Tar(path=str(path)).listing())


# Lists


def rows(path: Path, text: str | bytes) -> list[Listed]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(Manifest(path=str(path)).listing())


def test_a_csv_names_persons_files_and_names_and_its_other_columns_are_not_looked_at(tmp_path: Path) -> None:
    text = '\ufefffile,Person,age,name\r\na/1.jpg,anna,7,"Anna, the first"\r\n\r\nb.jpg,ben,,\r\n'
    found = rows(tmp_path / "l.csv", text)
    assert [(item.item, item.person, item.name, item.where["file"]) for item in found] == [
        ("line 2: a/1.jpg", "anna", "Anna, the first", "a/1.jpg"),
        ("line 4: b.jpg", "ben", "", "b.jpg"),
    ]


def test_json_lines_say_the_same(tmp_path: Path) -> None:
    text = (
        '{"person": "anna", "file": "a/1.jpg", "name": "Anna"}\n{"person": "ben", "file": "b.jpg", "age": 3}'
    )
    found = rows(tmp_path / "l.jsonl", text)
    assert [(item.item, item.person, item.name) for item in found] == [
        ("line 1: a/1.jpg", "anna", "Anna"),
        ("line 2: b.jpg", "ben", ""),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b"anna", "1 fields"),
        (b"anna,a.jpg,more", "3 fields"),
        (b",a.jpg", "person"),
        (b"anna,", "file"),
        (b"anna,/etc/passwd", "own folder"),
        (b"anna,../a.jpg", "own folder"),
        (b"anna,x/../../a.jpg", "own folder"),
        (b'anna,"a.jpg', "unexpected end"),
        (b"anna,\xff.jpg", "UTF-8"),
        (b"anna,a\x00.jpg", ""),
        (b"anna," + b"x" * 2000, "characters"),
        (b"anna," + b"x" * 20_000, "bytes"),
    ],
)
def test_a_bad_row_is_an_item_with_its_line_and_spoils_no_other(
    tmp_path: Path, row: bytes, told: str
) -> None:
    text = b"person,file\nanna,1.jpg\n" + row + b"\nben,2.jpg\n"
    first, bad, last = rows(tmp_path / "l.csv", text)
    assert (first.person, last.person, last.item) == ("anna", "ben", "line 4: 2.jpg")
    assert (bad.item, bad.where) == ("line 3", {"line": 3})
    assert bad.invalid
    assert told in bad.invalid


@pytest.mark.parametrize("row", ['{"person": 7, "file": "a.jpg"}', "[]", "{", '{"person": "x"}', "[" * 5000])
def test_a_bad_line_of_json_is_an_item_too(tmp_path: Path, row: str) -> None:
    bad, good = rows(tmp_path / "l.jsonl", row + '\n{"person": "ben", "file": "b.jpg"}\n')
    assert bad.invalid
    assert good.person == "ben"


@pytest.mark.parametrize("text", ["who,file\n", "person\n", "person,file,file\n", "anna,1.jpg\n", "\n\nx\n"])
def test_a_csv_without_the_columns_is_refused_as_a_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="first line"):
        rows(tmp_path / "l.csv", text)


def test_a_link_that_leads_out_of_the_lists_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "secret.jpg")
    inside = write(tmp_path / "list" / "a.jpg", b"mine").parent
    (inside / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (inside / "in.jpg").symlink_to("a.jpg")
    source = Manifest(path=str(inside / "l.csv"))
    assert source.read({"file": "in.jpg"}, MOST) == b"mine"
    with pytest.raises(Unfit, match="leads out"):
        source.read({"file": "out.jpg"}, MOST)


# Templates


def test_arrays_of_any_layout_are_mapped_and_read_row_for_row(tmp_path: Path) -> None:
    wide = np.asfortranarray(np.arange(12.0).reshape(4, 3))
    np.savez(tmp_path / "t.npz", rows=wide, persons=np.array(["a", "b", "", "d" * 300]))
    source = Templates(path=str(tmp_path / "t.npz"))
    assert source.contract_id() is None
    found = list(source.listing())
    assert keys(found) == ["row 0", "row 1", "row 2", "row 3"]
    assert [bool(item.invalid) for item in found] == [False, False, True, False]
    read = source.read([found[3].where, found[1].where])
    assert [row.embedding.tolist() for row in read] == [wide[3].tolist(), wide[1].tolist()]  # type: ignore[union-attr]


def test_pickles_and_compressed_arrays_are_refused(tmp_path: Path) -> None:
    persons = np.array(["a"])
    np.savez(tmp_path / "o.npz", rows=np.array([[object()]]), persons=persons)
    np.savez_compressed(tmp_path / "c.npz", rows=np.ones((1, 2)), persons=persons)
    np.savez(tmp_path / "w.npz", rows=np.ones((1, 2)), persons=np.array([1]))
    np.savez(tmp_path / "n.npz", rows=np.ones((2, 2)), persons=persons)
    np.savez(tmp_path / "m.npz", rows=np.ones((2, 2)))
    write(tmp_path / "x.npz", b"no zip")
    told = {
        "o": "Python objects",
        "c": "savez_compressed",
        "w": "texts",
        "n": "entries",
        "m": "persons",
        "x": "npz",
    }
    for name, words in told.items():
        with pytest.raises(SourceError, match=words):
            list(Templates(path=str(tmp_path / f"{name}.npz")).listing())


def test_templates_are_told_from_lists_by_their_first_line(tmp_path: Path) -> None:
    for text, expected in (
        ('{"contract_id": "c"}', True),
        ('{"person": "a", "embedding": [1.0]}', True),
        ('{"person": "a", "file": "a.jpg"}', False),
        ("", False),
    ):
        path = write(tmp_path / "x.jsonl", text.encode())
        assert holds_templates(path) is expected


def test_a_long_list_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    with path.open("w") as file:
        file.write("person,file\n")
        file.writelines(f"person-{number},photos/{number}.jpg\n" for number in range(20_000))
    tracemalloc.start()
    assert sum(1 for _ in Manifest(path=str(path)).listing()) == 20_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000, "what is listed takes 14 MB"


def test_a_long_archive_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "l.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(5_000):
            add(archive, f"person-{number}/{number}.jpg", b"")
    tracemalloc.start()
    assert sum(1 for _ in Tar(path=str(path)).listing()) == 5_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000
