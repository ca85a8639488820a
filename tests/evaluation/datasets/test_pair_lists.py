"""The lists of published 1:1 sets: what is accepted, and how each mistake is named."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.datasets.images import DatasetError
from evaluation.datasets.pair_folders import person_in_name
from evaluation.datasets.pair_lists import (
    parse_index_pairs,
    parse_labelled_lines,
    parse_numbered_images,
    parse_two_line_pairs,
)
from evaluation.datasets.pairs import (
    Pair,
    check_kinds,
    equal_runs,
    known_people,
    list_folds,
    self_pairs,
)

TEN = [f"a{n}.jpg b{n}.jpg 1\na{n}.jpg c{n}.jpg -1\n" for n in range(10)]


def two_lines(genuine: int, impostor: int, tokens: list[int] | None = None) -> str:
    """A list as of CALFW: genuine pairs first, Person3 with Person3, then each person with the next."""
    numbers = tokens or [1] * genuine
    lines = [f"Person{n}_0001.jpg {token}\nPerson{n}_0002.jpg {token}\n" for n, token in enumerate(numbers)]
    lines += [f"Person{n}_0001.jpg 0\nPerson{n + 1}_0002.jpg 0\n" for n in range(impostor)]
    return "".join(lines)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 12))
def test_equal_runs_are_the_folds_of_an_unshuffled_split(count: int, folds: int) -> None:
    runs = equal_runs(count, folds)
    assert runs == sorted(runs)
    assert len(runs) == count
    lengths = [runs.count(fold) for fold in range(folds)]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)


def test_a_list_with_both_kinds_in_every_tenth_is_cut_as_it_stands() -> None:
    folds, how = list_folds([True, False] * 20, "list")
    assert folds == [n // 4 for n in range(40)]
    assert how == "the list cut into 10 equal runs, in order"


def test_a_list_with_its_genuine_pairs_first_is_cut_kind_by_kind() -> None:
    same = [True] * 20 + [False] * 30
    folds, how = list_folds(same, "list")
    assert folds == [n // 2 for n in range(20)] + [n // 3 for n in range(30)]
    assert "each cut" in how
    with pytest.raises(
        DatasetError, match=r"list has 9 genuine and 30 impostor pairs; 10 folds need 10 of each"
    ):
        list_folds([True] * 9 + [False] * 30, "list")


def test_labels_stand_last_or_first() -> None:
    last = parse_labelled_lines("".join(TEN), "list", label_first=False)
    turned = "".join(
        f"{label} {left} {right}\n"
        for left, right, label in (line.split() for line in "".join(TEN).splitlines())
    )
    assert parse_labelled_lines(turned, "list", label_first=True) == last
    assert last.pairs[:3] == (
        Pair("a0.jpg", "b0.jpg", True, 0),
        Pair("a0.jpg", "c0.jpg", False, 0),
        Pair("a1.jpg", "b1.jpg", True, 1),
    )


def test_a_list_may_have_a_byte_order_mark_windows_line_ends_and_blank_lines_at_its_end() -> None:
    text = "\ufeff" + "".join(TEN).replace("\n", "\r\n") + "\r\n\r\n"
    assert parse_labelled_lines(text, "list", label_first=False).pairs[0].left == "a0.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list is empty"),
        ("a.jpg b.jpg\n", "list, line 1: expected 'left right label', found 'a.jpg b.jpg'"),
        ("".join(TEN) + "a.jpg b.jpg 2\n", "line 21: the label .* must be 1, 0 or -1, found '2'"),
        ("".join(TEN) + "1 a.jpg b.jpg\n", "line 21: the label .* found 'b.jpg'"),
        ("".join(TEN).replace("a3.jpg b3", "../a3.jpg b3"), r"line 7: '\.\./a3\.jpg' is no path"),
        ("".join(TEN[:9]), "has 9 genuine and 9 impostor pairs"),
        ("".join(TEN) + "\na.jpg b.jpg 1\n", "line 21: expected"),
    ],
)
def test_a_malformed_labelled_list_is_refused_naming_the_line(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_labelled_lines(text, "list", label_first=False)


def test_the_list_of_cplfw_is_two_lines_a_pair_and_cut_kind_by_kind() -> None:
    found = parse_two_line_pairs(two_lines(20, 10), "pairs_CPLFW.txt")
    assert found.pairs[2] == Pair("Person2_0001.jpg", "Person2_0002.jpg", True, 1)
    assert found.pairs[20] == Pair("Person0_0001.jpg", "Person1_0002.jpg", False, 0)
    assert Counter(pair.fold for pair in found.pairs) == dict.fromkeys(range(10), 3)


def test_the_list_of_calfw_numbers_the_folds_of_its_genuine_pairs() -> None:
    tokens = [1] * 11 + list(range(2, 11))
    found = parse_two_line_pairs(two_lines(20, 20, tokens), "pairs_CALFW.txt")
    assert [pair.fold for pair in found.pairs if pair.same] == [token - 1 for token in tokens]
    assert [pair.fold for pair in found.pairs if not pair.same] == [n // 2 for n in range(20)]
    assert found.folds.startswith("genuine pairs as the list numbers them")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (two_lines(10, 10) + "x.jpg 0\n", "has 41 lines; two make a pair"),
        (
            two_lines(10, 10).replace("Person4_0002.jpg 1", "Person4_0002.jpg 0", 1),
            "line 9: a pair has one number",
        ),
        (
            two_lines(10, 10).replace("Person4_0002.jpg 1", "Person4_0002.jpg", 1),
            "line 9: expected two lines",
        ),
        (two_lines(10, 10).replace(" 1", " one"), "line 1: expected two lines 'image number'"),
        (two_lines(3, 10, [1, 2, 4]), "numbers its genuine pairs 1, 2, 4; expected 1 throughout"),
        (two_lines(10, 9, list(range(1, 11))), "has 9 impostor pairs"),
        (
            two_lines(10, 10).replace("Person4_0002", "/Person4_0002"),
            "line 9: '/Person4_0002.jpg' is no path",
        ),
    ],
)
def test_a_malformed_two_line_list_is_refused_naming_the_line(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_two_line_pairs(text, "list")


def test_lists_of_numbers_say_where_they_are_wrong() -> None:
    assert parse_index_pairs("1,2\n30, 4\n", "same.txt") == [
        (1, 2, "same.txt, line 1"),
        (30, 4, "same.txt, line 2"),
    ]
    for text in ("1;2", "1,2,3", "1,x", "-1,2"):
        with pytest.raises(DatasetError, match=r"same\.txt, line 1: expected two numbers"):
            parse_index_pairs(text, "same.txt")
    with pytest.raises(DatasetError, match=r"F\.txt, line 2: image 1 stands there already, as x"):
        parse_numbered_images("1 x\n1 y\n", "F.txt")
    with pytest.raises(DatasetError, match=r"F\.txt, line 1: expected 'number path'"):
        parse_numbered_images("x 1\n", "F.txt")


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Ada_Lovelace_0001.jpg", "Ada_Lovelace"),
        ("calfw_112x112/Ada_2.bmp", "Ada"),
        ("00012.jpg", None),
        ("00012_3.jpg", None),
        ("12_AdaLovelace_35_f.jpg", None),
    ],
)
def test_a_person_is_read_from_a_name_with_a_number_at_its_end(name: str, person: str | None) -> None:
    assert person_in_name(name) == person


def test_names_that_contradict_the_list_are_told_and_not_believed() -> None:
    pairs = [Pair("Ada_1.jpg", "Ada_2.jpg", True, 0), Pair("Ada_1.jpg", "Bo_1.jpg", False, 0)]
    assert known_people(pairs, person_in_name) == (
        {"Ada_1.jpg": "Ada", "Ada_2.jpg": "Ada", "Bo_1.jpg": "Bo"},
        (),
    )
    people, remarks = known_people([*pairs, Pair("Ada_2.jpg", "Bo_1.jpg", True, 1)], person_in_name)
    assert people is None
    assert remarks == (
        "The names of the images contradict the list in 1 of its pairs, the first of them Ada_2.jpg and Bo_1.jpg; "
        "the list is believed.",
    )
    assert known_people([*pairs, Pair("Ada_2.jpg", "7.jpg", True, 1)], person_in_name) == (None, ())


def test_pairs_of_one_image_are_told() -> None:
    assert self_pairs([Pair("a", "a", True, 0), Pair("a", "b", True, 0)]) == (
        "In 1 of the pairs an image is compared with itself; they count like all others.",
    )
    assert self_pairs([Pair("a", "b", True, 0)]) == ()


def test_a_kind_must_not_be_missing_outside_of_any_fold() -> None:
    pairs = [Pair("a", "b", True, 0), Pair("a", "c", False, 1), Pair("a", "d", True, 1)]
    with pytest.raises(DatasetError, match=r"list, outside fold 2, has no impostor pair among its 1"):
        check_kinds(pairs, "list", folded=True)
    check_kinds(pairs, "list", folded=False)
    with pytest.raises(DatasetError, match="names one fold alone"):
        check_kinds([Pair("a", "b", True, 4), Pair("a", "c", False, 4)], "list", folded=True)
