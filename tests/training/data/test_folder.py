"""Folders of images: order, empty identities, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.training.data.crops import folder, jpeg, picture, png
from training.data.folder import ImageFolder
from training.data.records import BadData, BadRecord


def test_classes_are_the_names_in_the_order_of_their_characters(tmp_path: Path) -> None:
    records = ImageFolder(
        folder(tmp_path, {"10/b.png": png(1), "10/a.png": png(0), "9/a.PNG": png(2), "Zoë/x.jpeg": jpeg(3)})
    )
    assert [records.name(index) for index in range(4)] == ["10/a.png", "10/b.png", "9/a.PNG", "Zoë/x.jpeg"]
    assert records.labels.tolist() == [0, 0, 1, 2]
    assert [records.class_names[number] for number in range(records.classes)] == ["10", "9", "Zoë"]
    assert (records.image(2) == picture(2)).all()
    assert records.encoded(3) == jpeg(3)


def test_empty_identities_are_named_and_have_no_class(tmp_path: Path) -> None:
    folder(tmp_path, {"b/1.png": png(0), "c/notes.txt": b"", "c/.hidden.png": png(0)})
    (tmp_path / "a").mkdir()
    records = ImageFolder(tmp_path)
    assert records.empty == ("a", "c")
    assert records.classes == 1
    assert records.labels.tolist() == [0]


def test_what_is_no_identity_is_passed_over(tmp_path: Path) -> None:
    records = ImageFolder(folder(tmp_path, {"a/1.png": png(0), ".cache/1.png": png(1), "cover.png": png(2)}))
    assert len(records) == 1
    assert records.empty == ()


def test_a_folder_without_images_says_how_they_should_lie(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(BadData, match=r"identity/file\.jpg \(1 empty folders\)"):
        ImageFolder(tmp_path)
    with pytest.raises(BadData, match=r"no folder at .*/b"):
        ImageFolder(tmp_path / "b")


def test_a_corrupt_image_is_named_and_the_others_can_be_read(tmp_path: Path) -> None:
    records = ImageFolder(folder(tmp_path, {"a/1.jpg": jpeg(0)[:-200], "a/2.jpg": jpeg(1), "a/3.jpg": b""}))
    with pytest.raises(BadRecord, match=r"a/1\.jpg in .*: damaged JPEG: .*cut short") as caught:
        records.image(0)
    assert (caught.value.source, caught.value.record) == (str(tmp_path), "a/1.jpg")
    assert records.image(1).shape == (112, 112, 3)
    with pytest.raises(BadRecord, match=r"a/3\.jpg in .*empty"):
        records.image(2)


def test_an_image_of_another_size_or_gone_since_is_named(tmp_path: Path) -> None:
    large = bytes(cv2.imencode(".png", picture(0).repeat(2, axis=1))[1])
    small = bytes(cv2.imencode(".png", picture(0)[:50])[1])
    records = ImageFolder(folder(tmp_path, {"a/1.png": large, "a/2.png": small, "a/3.png": png(0)}))
    with pytest.raises(BadRecord, match=r"a/1\.png in .*224x112"):
        records.image(0)
    with pytest.raises(BadRecord, match=r"a/2\.png in .*112x50"):
        records.image(1)
    (tmp_path / "a/3.png").unlink()
    with pytest.raises(BadRecord, match=r"a/3\.png in .*cannot be read: No such file"):
        records.image(2)
