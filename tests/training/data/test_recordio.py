"""RecordIO: MXNet's framing with InsightFace's records in it, and files that are not as they should be."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crops import jpeg, picture, png
from tests.training.data.rec import MAGIC, framed, packed, write_rec
from training.data.recordio import RecordIO
from training.data.recordio_scan import content
from training.data.records import BadData, BadRecord

pieces = st.lists(st.one_of(st.just(MAGIC), st.binary(min_size=1, max_size=9)), min_size=1, max_size=9).map(
    b"".join
)


@given(pieces)
def test_a_record_comes_back_wherever_the_magic_stands_in_it(data: bytes) -> None:
    assert content(framed(data)) == data


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), pieces), min_size=1, max_size=6), st.booleans(), st.booleans())
def test_every_image_comes_back_with_its_label(
    samples: list[tuple[int, bytes]], first: bool, index: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        records = RecordIO(write_rec(Path(place), samples, first=first, index=index))
        ordered = sorted({label for label, _ in samples})
        assert records.labels.tolist() == [ordered.index(label) for label, _ in samples]
        assert [records.class_names[at] for at in range(records.classes)] == [str(label) for label in ordered]
        assert [records.encoded(at) for at in range(len(records))] == [image for _, image in samples]


def test_a_magic_in_the_header_of_an_image_is_read(tmp_path: Path) -> None:
    (tmp_path / "train.rec").write_bytes(
        framed(packed(3.0, png(0), 0xCED7230A)) + framed(packed(4.0, png(1), 1))
    )
    records = RecordIO(tmp_path)
    assert [records.class_names[at] for at in range(2)] == ["3", "4"]
    assert (records.image(0) == picture(0)).all()
    assert (records.image(1) == picture(1)).all()


def test_the_first_of_several_labels_is_the_class(tmp_path: Path) -> None:
    records = RecordIO(write_rec(tmp_path, [([2, 7], png(0)), ([0, 8, 9], png(1)), ([2], png(2))]))
    assert records.labels.tolist() == [1, 0, 1]
    assert (records.image(2) == picture(2)).all()


def test_property_says_how_many_classes_there_are(tmp_path: Path) -> None:
    records = RecordIO(write_rec(tmp_path, [(1, png(0)), (3, png(1))], classes=5))
    assert records.labels.tolist() == [1, 3]
    assert (records.classes, records.class_names[4]) == (5, "4")
    with pytest.raises(BadData, match=r"label 3 of the image at byte \d+ is outside 0\.\.2"):
        RecordIO(write_rec(tmp_path, [(1, png(0)), (3, png(1))], classes=3))
    assert RecordIO(tmp_path, damaged="skip").labels.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("5,224,112", "the images are 112x224; 112x112 are needed"),
        ("5", "says '5'; it should be"),
        ("many,112,112", "says 'many,112,112'"),
        ("0,112,112", "says '0,112,112'"),
    ],
)
def test_a_property_that_does_not_fit_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    write_rec(tmp_path, [(0, png(0))])
    (tmp_path / "property").write_text(text)
    with pytest.raises(BadData, match=complaint):
        RecordIO(tmp_path)


@pytest.mark.parametrize("label", [2**24, 2**24 + 2, 1e30, float("inf")])
@pytest.mark.parametrize("damaged", ["raise", "skip"])
def test_labels_that_float32_cannot_tell_apart_are_refused_with_the_reason(
    tmp_path: Path, label: float, damaged: str
) -> None:
    write_rec(tmp_path, [(0, png(0)), (label, png(1))])
    with pytest.raises(BadData, match=r"has label .* float32, which from 16,777,216 on .*one label.*64 bits"):
        RecordIO(tmp_path, damaged=damaged)  # type: ignore[arg-type]


def test_the_largest_label_below_2_to_the_24_is_read(tmp_path: Path) -> None:
    records = RecordIO(write_rec(tmp_path, [(2**24 - 1, png(0)), (0, png(1))]))
    assert records.labels.tolist() == [1, 0]
    assert records.class_names[1] == str(2**24 - 1)


@pytest.mark.parametrize("label", [-1.0, 0.5, float("nan")])
def test_a_label_that_is_no_class_is_named_or_left_out(tmp_path: Path, label: float) -> None:
    write_rec(tmp_path, [(0, png(0)), (label, png(1)), (1, png(2))])
    with pytest.raises(BadData, match=rf"label {label} of the record at byte \d+ is no class"):
        RecordIO(tmp_path)
    records = RecordIO(tmp_path, damaged="skip")
    assert records.labels.tolist() == [0, 1]
    assert records.encoded(1) == png(2)
    assert records.damage[0].lost == 1


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1), st.booleans())
def test_a_truncated_file_is_named_with_its_complete_images_or_read_as_far_as_it_goes(
    part: float, index: bool
) -> None:
    samples = [(number % 2, png(number)) for number in range(4)]
    sizes = [len(framed(packed(label, image, 1))) for label, image in samples]
    begin = len(framed(packed([5, 7], b"", 0)))
    with tempfile.TemporaryDirectory() as place:
        path = write_rec(Path(place), samples, index=index) / "train.rec"
        # Not so late that only the padding of the last image is gone, which nobody misses.
        cut = begin + 1 + int(part * (sum(sizes) - 8))
        os.truncate(path, cut)
        complete = sum(begin + sum(sizes[: at + 1]) - (-len(samples[at][1]) % 4) <= cut for at in range(4))
        with pytest.raises(BadData, match=f"train.rec has {complete} complete records: "):
            RecordIO(path)
        if not complete:
            return
        records = RecordIO(path, damaged="skip")
        assert [records.encoded(at) for at in range(len(records))] == [png(at) for at in range(complete)]
        assert records.damage[0].lost == 4 - complete


def test_an_index_of_another_file_is_named(tmp_path: Path) -> None:
    write_rec(tmp_path, [(0, png(0)), (1, png(1))], first=False)
    (tmp_path / "train.idx").write_text("0\t0\n1\t40\n2\t42\n")
    with pytest.raises(BadData, match="no record begins at byte 40; no record begins at byte 42"):
        RecordIO(tmp_path)
    (tmp_path / "train.idx").write_text("0\t0\n1\tx\n")
    with pytest.raises(BadData, match=r"train\.idx is not 2 lines of a key and a byte"):
        RecordIO(tmp_path)


def test_a_first_record_that_counts_otherwise_is_named(tmp_path: Path) -> None:
    head = framed(packed([4, 6], b"", 0))
    (tmp_path / "train.rec").write_bytes(head + framed(packed(0, png(0), 1)))
    with pytest.raises(BadData, match="its first record says 3 images, and 1 are there"):
        RecordIO(tmp_path)
    assert RecordIO(tmp_path, damaged="skip").damage[0].lost == 2


def test_a_corrupt_image_and_a_damaged_frame_are_named(tmp_path: Path) -> None:
    records = RecordIO(write_rec(tmp_path, [(0, jpeg(0)[:-40]), (1, jpeg(1))]))
    with pytest.raises(BadRecord, match=r"image 0 at byte \d+ in train\.rec: damaged JPEG"):
        records.image(0)
    path = tmp_path / "train.rec"
    data = path.read_bytes()
    at = data.rindex(MAGIC + struct.pack("<I", len(jpeg(1)) + 24))
    path.write_bytes(data[:at] + bytes(4) + data[at + 4 :])
    with pytest.raises(BadRecord, match=r"image 1 at byte \d+ in train\.rec: its framing is damaged"):
        records.image(1)


def test_an_image_of_no_bytes_is_a_bad_record_and_not_passed_over(tmp_path: Path) -> None:
    records = RecordIO(write_rec(tmp_path, [(0, png(0)), (1, b"")], first=False))
    assert records.labels.tolist() == [0, 1]
    with pytest.raises(BadRecord, match=r"image 1 at byte \d+ in train\.rec: the image is empty"):
        records.image(1)


def test_files_without_records_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no RecordIO file at .*/train\.rec"):
        RecordIO(tmp_path)
    (tmp_path / "train.rec").write_bytes(b"")
    with pytest.raises(BadData, match="has 0 bytes: it holds no record"):
        RecordIO(tmp_path)
    (tmp_path / "train.rec").write_bytes(b"something else, but long enough" * 3)
    with pytest.raises(BadData, match="no record begins at byte 0"):
        RecordIO(tmp_path, damaged="skip")
    (tmp_path / "train.rec").write_bytes(framed(packed([1, 1], b"", 0)))
    with pytest.raises(BadData, match="holds no images"):
        RecordIO(tmp_path)


def test_the_index_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_rec(tmp_path / "a", [(5, png(0)), (9, png(1))])
    first = RecordIO(tmp_path / "a", cache=cache)
    again = RecordIO(tmp_path / "a", cache=cache)
    assert again.labels.tolist() == first.labels.tolist() == [0, 1]
    assert again.class_names[1] == "9"
    write_rec(tmp_path / "a", [(5, png(0)), (9, png(1)), (7, png(2))])
    assert RecordIO(tmp_path / "a", cache=cache).labels.tolist() == [0, 2, 1]
