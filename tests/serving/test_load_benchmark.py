"""The commands of benchmarks/load keep working, at sizes at which their figures mean nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.report import MISSED, bar
from benchmarks.load.soak import line

ROOT = Path(__file__).parents[2]


def load(*options: str, people: int = 3) -> str:
    """What the command prints; it must end as a benchmark does, whatever its figures are."""
    command = [sys.executable, "-m", "benchmarks.load", "--persons", "50", "--people", str(people), *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    assert (done.returncode == 1) == any(row.endswith(MISSED) for row in done.stdout.splitlines())
    return done.stdout


def cells(text: str, first: str) -> list[str]:
    """Of the row of a table that begins with `first`."""
    found = re.search(rf"^\| ({re.escape(first)} \|.*) \|$", text, re.M)
    assert found is not None, text
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.slow
def test_throughput_is_measured_with_batching_and_without_and_every_answer_checked() -> None:
    text = load("--clients", "3", "--seconds", "1")
    assert re.search(r"15 probes, asked alone: \d+ named right, \d+ unknown, \d+ named wrong", text)
    for batching in ("off", "on"):
        row = cells(text, f"3 | {batching}")
        assert float(row[2]) > 0
        assert row[-3:] == ["0", "0", "0"]
    assert "every answer the same as alone, none failed (wanted: all): met" in text


def test_shared_runs_of_a_fake_accelerator_serve_more() -> None:
    text = load("--accelerator", "--seconds", "0.4")
    assert float(cells(text, "32")[1]) > 2 * float(cells(text, "1")[1])


@pytest.mark.slow
def test_an_overload_is_made_and_its_end_seen() -> None:
    text = load("--overload", "--seconds", "3")
    for wanted in (
        "neither 200 nor 429, or no answer (wanted: none): met",
        "429 without Retry-After: 0 (wanted: none): met",
        "answers that differ from those alone (wanted: none): met",
    ):
        assert wanted in text
    assert re.search(r"answered: 4 of 4, after \d+ \d+ \d+ \d+ tries", text)


@pytest.mark.slow
def test_a_soak_reads_the_memory_and_draws_a_line() -> None:
    text = load("--soak", "0.1", "--every", "0.5")
    row = cells(text, "0.1")
    assert row[2:4] == ["0", "0"]
    assert re.fullmatch(r"-?[\d.]+ ± [\d.]+", row[7])


@pytest.mark.slow
def test_a_profile_tells_the_time_of_every_stage_and_of_both_models() -> None:
    text = load("--profile", "--seconds", "2")
    for stage in ("decode", "detect", "align", "embed", "search"):
        assert float(cells(text, f"on | stage {stage}, clock")[3]) >= 0
    assert len(cells(text, "16")) == 5


def test_the_line_through_readings_is_the_one_of_least_squares() -> None:
    at = np.array([0.0, 7.0, 11.0, 30.0, 42.0, 51.0])
    mib = np.array([100.0, 104.0, 103.0, 117.0, 119.0, 131.0])
    found, covariance = np.polyfit(at, mib, 1, cov=True)
    slope, error = line(at, mib)
    assert slope == pytest.approx(found[0])
    assert error == pytest.approx(np.sqrt(covariance[0, 0]))
    assert np.isnan(line(at[:2], mib[:2])).all()


def test_a_bar_that_is_not_reached_is_told_at_the_end_of_its_line() -> None:
    assert bar("ratio 1.2", False, "at least 1.3").endswith(MISSED)
    assert bar("ratio 1.4", True, "at least 1.3").endswith("met")
