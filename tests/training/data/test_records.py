"""Labels made dense and grouped, names without objects, and every reader giving the same of the same pictures."""

from __future__ import annotations

import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crops import Drawn, folder, picture, png
from tests.training.data.rec import write_rec
from training.data.folder import ImageFolder
from training.data.index import dense, identities
from training.data.names import FileNames, LineNames, NumberNames, as_lines
from training.data.recordio import RecordIO
from training.data.records import BadData, BadRecord, FaceRecords, decoded
from training.data.shard_writer import write_shards
from training.data.shards import Shards
from training.data.source import open_records

numbers = st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**63 - 1)), min_size=1, max_size=40)


@given(numbers)
def test_dense_labels_are_places_among_the_sorted_numbers(said: list[int]) -> None:
    labels, values = dense(np.array(said, np.int64))
    ordered = sorted(set(said))
    assert labels.tolist() == [ordered.index(number) for number in said]
    assert (range(len(ordered)) if values is None else values.tolist()) == (
        range(len(ordered)) if ordered == list(range(len(ordered))) else ordered
    )


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(8, 12))
def test_every_identity_gets_its_records_in_order(labels: list[int], classes: int) -> None:
    grouped = identities(np.array(labels, np.int64), classes)
    assert [grouped.of(identity).tolist() for identity in range(classes)] == [
        [row for row, label in enumerate(labels) if label == identity] for identity in range(classes)
    ]
    assert grouped.counts.tolist() == [labels.count(identity) for identity in range(classes)]
    assert grouped.empty.tolist() == [identity for identity in range(classes) if identity not in labels]
    assert sorted(grouped.order.tolist()) == list(range(len(labels)))


def test_a_label_beyond_the_classes_is_not_grouped() -> None:
    with pytest.raises(ValueError, match=r"labels 0\.\.5 are not all within 0\.\.4"):
        identities(np.array([0, 5]), 5)
    with pytest.raises(IndexError, match=r"class 2 is outside 0\.\.1"):
        identities(np.array([0, 1]), 2).of(2)


def test_a_million_identities_are_grouped_without_an_object_for_each() -> None:
    labels = np.arange(2_000_000, dtype=np.int64) * 1_000_003 % 1_000_000
    grouped = identities(labels, 1_000_000)
    assert set(grouped.counts.tolist()) == {2}
    assert (labels[grouped.of(765_432)] == 765_432).all()


text = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(text, max_size=12))
def test_names_come_back_from_their_lines(names: list[str]) -> None:
    lines = LineNames(as_lines(tuple(names)))
    assert [lines[at] for at in range(len(lines))] == names
    for outside in (len(names), -len(names) - 1):
        with pytest.raises(IndexError, match="is outside"):
            lines[outside]


def test_names_that_cannot_be_lines_or_are_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'a\\nb' of class 1 holds a newline"):
        as_lines(("a", "a\nb"))
    with pytest.raises(ValueError, match="cut short"):
        LineNames(b"a\nb")
    (tmp_path / "names.txt").write_bytes(b"a\nb\n")
    assert FileNames(tmp_path / "names.txt", 2)[-1] == "b"
    with pytest.raises(ValueError, match=r"names\.txt holds 2 names for 3 classes"):
        FileNames(tmp_path / "names.txt", 3)[0]
    with pytest.raises(ValueError, match="1 numbers were given for 2 classes"):
        NumberNames(2, np.array([5]))


def test_a_bad_record_says_what_where_and_why_and_travels_between_processes() -> None:
    with pytest.raises(BadRecord, match=r"x\.jpg in s\.tar: this is no image") as caught:
        decoded(b"nothing", "s.tar", "x.jpg")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.source, copy.record, str(copy)) == ("s.tar", "x.jpg", str(caught.value))


def _same(one: FaceRecords, other: FaceRecords) -> None:
    assert one.labels.tolist() == other.labels.tolist()
    assert one.classes == other.classes
    for index in range(len(one)):
        assert one.encoded(index) == other.encoded(index)
        assert (one.image(index) == other.image(index)).all()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_every_reader_gives_the_same_of_the_same_records(labels: list[int]) -> None:
    drawn = Drawn(sorted(labels), classes=4)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_shards(root / "shards", drawn, per_shard=2)
        write_rec(
            root / "rec", [(label, drawn.encoded(at)) for at, label in enumerate(sorted(labels))], classes=4
        )
        _same(drawn, open_records(root / "shards"))
        _same(drawn, open_records(root / "rec"))


def test_a_path_finds_its_reader(tmp_path: Path) -> None:
    images = folder(tmp_path / "images", {"b/1.png": png(1), "a/1.png": png(0)})
    write_shards(tmp_path / "shards", ImageFolder(images))
    write_rec(tmp_path / "rec", [(0, png(0)), (1, png(1))])
    expected = {
        images: ImageFolder,
        tmp_path / "shards": Shards,
        tmp_path / "shards/shard-000000.tar": Shards,
        tmp_path / "rec": RecordIO,
        tmp_path / "rec/train.rec": RecordIO,
    }
    for path, reader in expected.items():
        records = open_records(path)
        assert isinstance(records, reader)
        assert (records.image(1) == picture(1)).all()
    with pytest.raises(BadData, match=r"no faces at .*/nowhere"):
        open_records(tmp_path / "nowhere")
