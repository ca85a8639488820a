"""Sets become one, by name or apart, with the bytes of every image as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.curation.conftest import AlignedSet
from tests.training.data.crops import folder, png, tar
from training.curation.edits import Edits, edited
from training.curation.errors import CurationError
from training.curation.merge import matched, merged, set_names
from training.curation.origin import Origins
from training.curation.selection import Selection, everything
from training.curation.session import Models, opened, write_selection
from training.curation.steps import silent
from training.data.source import open_records


def written(out: Path, selection: Selection) -> list[tuple[str, str, bytes]]:
    """Of every record in the new set: its identity, what it was called and its image."""
    write_selection(out, selection, 2, silent)
    records, origins = open_records(out), Origins(out, open_records(out))
    return [
        (records.class_names[int(records.labels[record])], origins[record], records.encoded(record))
        for record in range(len(records))
    ]


def test_identities_of_one_name_become_one_and_images_stay_as_they_are(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"ann/1.png": png(1), "bob/1.png": png(2)})
    tar(tmp_path / "two.tar", {"zoe/5.png": png(3), "ann/9.png": png(4)})
    chosen = merged([opened(one), opened(tmp_path / "two.tar")], "names")
    assert written(tmp_path / "out", chosen) == [
        ("ann", "ann/1.png", png(1)),
        ("bob", "bob/1.png", png(2)),
        ("zoe", "zoe/5.png in two.tar", png(3)),
        ("ann", "ann/9.png in two.tar", png(4)),
    ]


def test_identities_of_distinct_sets_stay_apart_under_the_name_of_their_set(tmp_path: Path) -> None:
    sets = [folder(tmp_path / place / "faces", {"ann/1.png": png(at)}) for at, place in enumerate("ab")]
    sets.append(folder(tmp_path / "more", {"ann/1.png": png(7)}))
    chosen = merged([opened(path) for path in sets], "distinct")
    assert [name for name, _, _ in written(tmp_path / "out", chosen)] == [
        "faces-1:ann",
        "faces-2:ann",
        "more:ann",
    ]
    assert set_names([Path("/x/a"), Path("/y/b.tar"), Path("/z/a")]) == ["a-1", "b", "a-2"]


def test_a_merge_of_merges_keeps_the_first_names_of_the_photos(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"ann/1.png": png(1)})
    two = folder(tmp_path / "two", {"bob/1.png": png(2)})
    three = folder(tmp_path / "three", {"cy/1.png": png(3)})
    written(tmp_path / "ab", merged([opened(one), opened(two)], "names"))
    again = written(tmp_path / "abc", merged([opened(tmp_path / "ab"), opened(three)], "names"))
    assert [name for _, name, _ in again] == ["ann/1.png", "bob/1.png", "cy/1.png"]


def test_the_output_is_never_an_input_and_a_set_is_given_once(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", {"ann/1.png": png(1)})
    with pytest.raises(CurationError, match="is or holds the input"):
        write_selection(one, everything(opened(one)), 10, silent)
    with pytest.raises(CurationError, match="is or holds the input"):
        write_selection(tmp_path, everything(opened(one)), 10, silent)
    with pytest.raises(CurationError, match="one is given twice"):
        merged([opened(one), opened(tmp_path / "one/../one")], "names")


def test_edits_move_drop_and_make_identities_and_those_left_empty_are_gone(tmp_path: Path) -> None:
    files = {f"{name}/{number}.png": png(number) for name in "abc" for number in range(2)}
    before = everything(opened(folder(tmp_path / "set", files)))
    edits = Edits({0: ""}, {1: ("b", ""), 4: ("0new", "")})
    after = edited(before, edits)
    assert [after.class_names[label] for label in range(after.classes)] == ["0new", "b", "c"]
    assert [(after.class_names[int(after.labels[at])], after.name(at)) for at in range(len(after))] == [
        ("b", "a/1.png"),
        ("b", "b/0.png"),
        ("b", "b/1.png"),
        ("0new", "c/0.png"),
        ("c", "c/1.png"),
    ]
    with pytest.raises(CurationError, match="all 6 records would be dropped"):
        edited(before, Edits(dict.fromkeys(range(6), "")))


def test_a_person_with_two_names_in_two_sets_is_matched(
    aligned_set: AlignedSet, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.curation.embed.cache_folder", lambda: tmp_path / "cache")
    whole = everything(opened(aligned_set.out))
    names = [whole.class_names[int(label)] for label in whole.labels]
    files = {
        f"{'one' if record % 2 else 'two'}/{name}{'' if record % 2 else '-two'}/{record:03d}.jpg": whole.encoded(
            record
        )
        for record, name in enumerate(names)
        if name in ("p09", "p10", "p12")
    }
    folder(tmp_path, files)
    sources = [opened(tmp_path / "one"), opened(tmp_path / "two")]
    chosen, same = matched(merged(sources, "names"), models.analyzer, models.levels, workers=2, steps=silent)
    assert chosen.classes == len(same) == 3
    assert {frozenset((one.keep.identity, one.move.identity)) for one in same} == {
        frozenset((name, f"{name}-two")) for name in ("p09", "p10", "p12")
    }
