"""The table's text: the paper's figures beside ours, dashes where there is none, and honest deviations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.reproduce.test_results import ONE
from training.reproduce.contestants import CONTESTANTS
from training.reproduce.table import HEADINGS, markdown, rows, spread

RESULTS = [
    replace(ONE, loss="coco", seed=0, error=0.30, error_by_means=0.32),
    replace(ONE, loss="coco", seed=1, error=0.40, error_by_means=0.32),
    replace(ONE, loss="triplet", error=None, wrong=None, error_by_means=1.5),
]


def test_rows_stand_in_the_papers_order_with_dashes_for_what_is_missing() -> None:
    assert rows("mnist", CONTESTANTS, RESULTS) == [
        ("softmax", "0.36", "-", "-", "-"),
        ("center+softmax", "0.32", "-", "-", "-"),
        ("triplet", "1.45", "-", "1.50", "1"),
        ("triplet+softmax", "0.38", "-", "-", "-"),
        ("coco", "0.30", "0.35 ± 0.07", "0.32 ± 0.00", "2"),
    ]
    assert rows("cifar10", CONTESTANTS[-1:], [])[0][:2] == ("coco", "6.25")


def test_markdown_is_a_table_of_equal_rows_and_its_remarks() -> None:
    text = markdown("MNIST", rows("mnist", CONTESTANTS, RESULTS), ["One.", "Two."])
    lines = text.splitlines()
    assert lines[0] == "# MNIST"
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(CONTESTANTS)
    assert {line.count("|") for line in table} == {len(HEADINGS) + 1}
    assert lines[-4:] == ["", "One.", "", "Two."]


@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=6))
def test_the_deviation_is_that_of_a_sample(errors: list[float]) -> None:
    mean, deviation = map(float, spread(errors).split(" ± "))
    assert mean == pytest.approx(np.mean(errors), abs=0.0051)
    assert deviation == pytest.approx(np.std(errors, ddof=1), abs=0.0051)


def test_one_error_has_no_deviation_and_none_is_a_dash() -> None:
    assert spread([1.234]) == "1.23"
    assert spread([]) == "-"
