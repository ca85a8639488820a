"""The record of finished pairs: whole lines count, half a line does not, and nothing foreign is taken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training.reproduce.errors import ReproductionError
from training.reproduce.results import LINES, Result, append, read, versions

ONE = Result(
    loss="coco",
    seed=0,
    error=0.41,
    error_by_means=0.43,
    wrong=41,
    wrong_by_means=43,
    tested=10_000,
    seconds=312.4,
    losses=[0.3, 0.02],
    skipped=0,
    settings={"epochs": 2, "channels": [16, 16], "loss": {"scale": 8.8}},
    versions=versions(),
)


def test_what_was_added_is_read_in_its_order(tmp_path: Path) -> None:
    triplet = replace(ONE, loss="triplet", error=None, wrong=None, seed=2)
    append(tmp_path / "new", ONE)
    append(tmp_path / "new", triplet)
    assert read(tmp_path / "new") == [ONE, triplet]
    assert read(tmp_path) == []


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_half_a_line_of_a_crash_is_left_out_and_does_not_spoil_the_next(tmp_path: Path, kept: int) -> None:
    append(tmp_path, ONE)
    whole = (tmp_path / LINES).read_text()
    (tmp_path / LINES).write_text(whole + whole.rstrip("\n")[:kept])
    assert read(tmp_path) == [ONE]
    other = replace(ONE, seed=1)
    append(tmp_path, other)
    assert read(tmp_path) == [ONE, other]


def test_a_whole_line_of_something_else_is_named(tmp_path: Path) -> None:
    append(tmp_path, ONE)
    with (tmp_path / LINES).open("a") as file:
        file.write(json.dumps({"step": 1, "loss": 2.0}) + "\n")
    with pytest.raises(ReproductionError, match=r"line 2 of .*results\.jsonl is no result of this command"):
        read(tmp_path)


def test_a_figure_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        append(tmp_path, replace(ONE, losses=[float("nan")]))
    assert read(tmp_path) == []
