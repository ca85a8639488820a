"""A file of changes is read strictly, and every complaint says where and what."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.data.crops import Drawn
from training.curation.changes import read_changes, write_changes
from training.curation.edits import Edits
from training.curation.errors import CurationError

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).filter(
    lambda name: name == name.strip()
)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 9)), st.dictionaries(st.integers(10, 19), NAMES))
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, drop: set[int], move: dict[int, str]
) -> None:
    place = tmp_path_factory.mktemp("changes") / "c.csv"
    edits = Edits(dict.fromkeys(drop, "why"), {record: (name, "why") for record, name in move.items()})
    write_changes(place, edits, Path(), Drawn([0] * 20), "abc")
    read = read_changes(place, 20, "abc")
    assert set(read.drop) == drop
    assert {record: name for record, (name, _) in read.move.items()} == move


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"holds no changes: its first line should be record,action,identity"),
        ("17,drop,\n", r"line 1: expected the heading record,action,identity, found '17,drop,'"),
        ("record,action,identity\n\n3,drop\n", r"line 3: expected record,action,identity, found 2 fields"),
        (
            "record,action,identity\n20,drop,\n",
            r"line 2: the record should be a number within 0\.\.19, it is '20'",
        ),
        ("record,action,identity\n-1,drop,\n", r"within 0\.\.19, it is '-1'"),
        ("record,action,identity\n1.0,drop,\n", r"it is '1\.0'"),
        ("record,action,identity\n1,erase,\n", r"line 2: the action should be drop or move, it is 'erase'"),
        ("record,action,identity\n1,drop,ann\n", r"drop takes no identity, it is 'ann'"),
        ("record,action,identity\n1,move,\n", r"move takes the identity to move to, .* it is ''"),
        ("record,action,identity\n1,move, ann\n", r"without spaces around it, it is ' ann'"),
        (
            "record,action,identity\n1,drop,\n# so\n1,move,ann\n",
            r"line 4: record 1 has a change above already",
        ),
        ('record,action,identity\n1,move,"ann\n', r"line 2: .* is no line of CSV"),
        ("# changes of set xyz\nrecord,action,identity\n", r"line 1: the changes are of another set"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    place = tmp_path / "c.csv"
    place.write_text(text)
    with pytest.raises(CurationError, match=complaint):
        read_changes(place, 20, "abc")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(b"record\xff")
    with pytest.raises(CurationError, match="is not UTF-8 text"):
        read_changes(tmp_path / "c.csv", 20, "abc")
