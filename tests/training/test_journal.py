"""What a run writes down: lines that survive a crash and a resume, and a picture of the loss."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from training.journal import LINES, PICTURE, POINTS, Journal, loss_picture, read_lines

SVG = "{http://www.w3.org/2000/svg}"


def written(folder: Path, first: int, stop: int, scale: float = 1.0) -> None:
    with Journal(folder, first) as journal:
        for step in range(first, stop):
            journal.write(step, loss=scale * (10.0 - step), rate=0.1)


def broken(folder: Path, losses: list[float], error: BaseException) -> None:
    """A run that ends by an error after its losses."""
    with Journal(folder, 0) as journal:
        for step, loss in enumerate(losses):
            journal.write(step, loss=loss)
        raise error


def drawn(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each curve, in pixels; XML that is not well formed is an error."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        for line in root.iter(f"{SVG}polyline")
    ]


def test_lines_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    with Journal(tmp_path / "run", 0) as journal:
        journal.write(0, loss=4.5, rate=0.1)
        journal.write(1, loss=1 / 3)
        journal.write(1, lfw=0.75)
        # Each line is there at once, for whoever looks at a run that goes on, or was killed.
        assert len(list(read_lines(tmp_path / "run"))) == 3
    assert list(read_lines(tmp_path / "run")) == [
        {"step": 0, "loss": 4.5, "rate": 0.1},
        {"step": 1, "loss": 1 / 3},
        {"step": 1, "lfw": 0.75},
    ]
    assert any((tmp_path / "run" / "tensorboard").iterdir())


def test_a_loss_that_is_not_finite_is_written_and_read_back(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.write(0, loss=math.nan, norm=math.inf)
    (line,) = read_lines(tmp_path)
    assert math.isnan(line["loss"])
    assert line["norm"] == math.inf


def test_a_folder_without_a_record_has_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path)) == []


def test_a_last_line_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, 0, 4)
    whole = (tmp_path / LINES).read_text()
    for cut in (1, 5, len(whole.splitlines()[-1])):
        (tmp_path / LINES).write_text(whole[:-cut])
        assert [line["step"] for line in read_lines(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize("cut", [0, 1, 9])
def test_after_a_resume_every_step_is_there_once_and_the_later_ones_are_new(tmp_path: Path, cut: int) -> None:
    written(tmp_path, 0, 7)
    text = (tmp_path / LINES).read_text()
    (tmp_path / LINES).write_text(text[: len(text) - cut])
    written(tmp_path, 4, 9, scale=2.0)
    lines = list(read_lines(tmp_path))
    assert [line["step"] for line in lines] == list(range(9))
    for line in lines:
        assert line["loss"] == (1.0 if line["step"] < 4 else 2.0) * (10.0 - line["step"])
    assert (tmp_path / LINES).read_text().count("\n") == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == [PICTURE, LINES, "tensorboard"]


def test_a_run_that_begins_anew_forgets_all_lines(tmp_path: Path) -> None:
    written(tmp_path, 0, 5)
    written(tmp_path, 0, 2)
    assert [line["step"] for line in read_lines(tmp_path)] == [0, 1]


def test_the_picture_is_drawn_at_the_end_also_of_a_run_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="of the run"):
        broken(tmp_path, [5.0, 4.0, 3.0, 2.0, 1.0], RuntimeError("of the run"))
    (curve,) = drawn((tmp_path / PICTURE).read_text())
    assert len(curve) == 5
    across, down = zip(*curve, strict=True)
    assert list(across) == sorted(across)
    assert list(down) == sorted(down), "a loss that falls goes down the picture"


def test_an_interrupted_run_of_one_line_has_no_picture(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken(tmp_path, [3.0], KeyboardInterrupt())
    assert [line["step"] for line in read_lines(tmp_path)] == [0]
    assert not (tmp_path / PICTURE).exists()


def test_a_run_with_no_finite_loss_ends_with_its_own_error_and_an_empty_picture(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="diverged"):
        broken(tmp_path, [math.nan] * 3, RuntimeError("diverged"))
    assert drawn((tmp_path / PICTURE).read_text()) == []


def test_losses_that_are_not_finite_are_left_out_of_the_picture() -> None:
    clean = [(0, 4.0), (2, 3.0), (5, 1.0)]
    spoilt = [(0, 4.0), (1, math.nan), (2, 3.0), (3, math.inf), (4, -math.inf), (5, 1.0)]
    assert loss_picture({"": spoilt}) == loss_picture({"": clean})
    assert "nan" not in loss_picture({"": spoilt})


def test_several_curves_have_their_names_and_colours() -> None:
    svg = loss_picture({"plain & <simple>": [(0, 2.0), (1, 1.0)], "other": [(0, 3.0), (1, 0.5)]})
    texts = [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"Loss by step", "step", "loss", "plain & <simple>", "other"} <= set(texts)
    assert len(drawn(svg)) == 2
    assert len(set(re.findall(r'<polyline [^>]*stroke="(#\w+)"', svg))) == 2


def test_a_long_run_is_drawn_by_means_over_stretches() -> None:
    steps = 10 * POINTS + 3
    (curve,) = drawn(loss_picture({"": [(step, 1.0 + step % 2) for step in range(steps)]}))
    assert POINTS * 0.8 < len(curve) <= POINTS
    heights = [down for _, down in curve[:-1]]
    assert max(heights) - min(heights) < 20, "two losses in turn, but their mean is nearly level"


def test_the_lines_are_json_that_any_program_reads(tmp_path: Path) -> None:
    written(tmp_path, 0, 3)
    lines = (tmp_path / LINES).read_bytes().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2]
