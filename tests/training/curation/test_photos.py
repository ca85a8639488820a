"""A folder of photos is walked in one order, from anywhere in it, and never left by a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.curation.errors import CurationError
from training.curation.photos import Entered, NotFollowed, Photo, Photos


def tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(file.encode())
    return root


def test_every_file_of_an_identity_counts_in_the_order_of_code_points(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        "b/2.jpg",
        "b/10.jpg",
        "b/10/x.png",
        "b/.hidden.jpg",
        "a/z",
        "Ä/1.jpg",
        ".git/x",
        "loose.jpg",
    )
    (root / "empty").mkdir()
    photos = Photos(root)
    assert list(photos.walk()) == [
        Entered("a"),
        Photo("a", "z"),
        Entered("b"),
        Photo("b", "10/x.png"),
        Photo("b", "10.jpg"),
        Photo("b", "2.jpg"),
        Entered("empty"),
        Entered("Ä"),
        Photo("Ä", "1.jpg"),
    ]
    assert (photos.count(), photos.loose) == (5, 1)


def test_a_walk_goes_on_after_any_photo_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    photos = Photos(tree(tmp_path, "a/1", "a/1.5/x", "a/1.5/y/z", "a/2", "b/0", "b/1", "c/1"))
    whole = list(photos.walk())
    for at, found in enumerate(whole):
        if isinstance(found, Photo):
            rest = list(photos.walk(found))
            assert rest[0] == Entered(found.identity)
            assert rest[1:] == whole[at + 1 :]


def test_links_that_leave_the_photos_are_not_followed(tmp_path: Path) -> None:
    outside = tree(tmp_path / "outside", "secret/1.jpg")
    root = tree(tmp_path / "photos", "a/1.jpg", "b/1.jpg")
    (root / "a/2.jpg").symlink_to(outside / "secret/1.jpg")
    (root / "a/3.jpg").symlink_to(root / "b/1.jpg")
    (root / "a/4.jpg").symlink_to(root / "nowhere")
    (root / "a/5").symlink_to(root / "a")
    (root / "c").symlink_to(outside / "secret")
    (root / "d").symlink_to(root)
    photos = Photos(root)
    assert photos.identities == ["a", "b"]
    assert [found for found in photos.walk() if not isinstance(found, Entered)] == [
        NotFollowed("c", ""),
        NotFollowed("d", ""),
        Photo("a", "1.jpg"),
        NotFollowed("a", "2.jpg"),
        Photo("a", "3.jpg"),
        NotFollowed("a", "4.jpg"),
        NotFollowed("a", "5"),
        Photo("b", "1.jpg"),
    ]
    assert photos.read(Photo("a", "3.jpg"), 100) == b"b/1.jpg"


def test_of_a_file_no_more_is_read_than_tells_that_it_is_too_large(tmp_path: Path) -> None:
    photos = Photos(tree(tmp_path, "a/12345678"))
    assert photos.read(Photo("a", "12345678"), 3) == b"a/12"


def test_a_folder_without_identities_or_with_one_that_cannot_name_a_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="no folder of photos at"):
        Photos(tmp_path / "nowhere")
    tree(tmp_path, "1.jpg")
    with pytest.raises(CurationError, match=r"holds no folders: .* the 1 files in it belong to no identity"):
        Photos(tmp_path)
    tree(tmp_path, "two\nlines/1.jpg")
    with pytest.raises(CurationError, match=r"'two\\nlines' .* rename it"):
        Photos(tmp_path)
