"""The measured rows beside the paper's, as text for a table; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from training.reproduce.contestants import Contestant
from training.reproduce.results import Result

HEADINGS = ("loss", "paper, %", "measured, %", "by class means, %", "seeds")


Row = tuple[str, str, str, str, str]
"""Cells in the order of HEADINGS."""


def rows(data: str, contestants: Sequence[Contestant], results: Sequence[Result]) -> list[Row]:
    """One a loss; those without a result have dashes. data: mnist or cifar10."""
    made: list[Row] = []
    for one in contestants:
        mine = [result for result in results if result.loss == one.name]
        own = [result.error for result in mine if result.error is not None]
        means = [result.error_by_means for result in mine]
        seeds = str(len(mine)) if mine else "-"
        made.append((one.name, f"{one.paper[data]:.2f}", spread(own), spread(means), seeds))
    return made


def spread(errors: Sequence[float]) -> str:
    """Mean and sample standard deviation in two digits, the mean alone of one, a dash of none."""
    if not errors:
        return "-"
    if len(errors) == 1:
        return f"{errors[0]:.2f}"
    return f"{mean(errors):.2f} ± {stdev(errors):.2f}"


def markdown(title: str, made: Sequence[Row], remarks: Sequence[str]) -> str:
    """A heading, the table and a paragraph a remark."""
    lines = [f"# {title}", "", _line(HEADINGS), "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
    lines += [_line(row) for row in made]
    for remark in remarks:
        lines += ["", remark]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
