"""Rates by group as tables for people and as JSON values; a group that is too small is named, without a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.all_pairs.rates import percent_words, rate_words
from evaluation.calibration.groups import Differential, FalseMatches, FalseNonMatches, GroupLevel
from evaluation.report.protocol_result import Table, finite

NOTES = (
    "Groups are the user's own; nothing was guessed. A rate is shown where the group, or the pair of groups, is large "
    "enough for thirty errors at the rate that the threshold stands for. Intervals are 95 %, over people.",
    "Differentials are a group's rate over the geometric mean of all groups shown; the greatest is the Max/GeoMean of "
    "NIST IR 8429. They say that rates differ on these photos, and neither why nor how they would on others.",
)


def group_table(column: str, subject: str, levels: Sequence[GroupLevel]) -> Table:
    """All rates and differentials of one column of groups."""
    rows = [["", subject]]
    for level in levels:
        at = f"at FMR {level.fmr:g}"
        rows.append([f"cosine {at}", f"{level.cosine:.4f}"])
        for matches in level.false_matches:
            rows.append([f"{_pair(matches)} {at}: FMR", _matches(matches)])
        for non_matches in level.false_non_matches:
            rows.append([f"{non_matches.group} {at}: FNMR, %", _non_matches(non_matches)])
        rows += _ratios(f"{at}: FMR over the geometric mean", level.match_differential)
        rows += _ratios(f"{at}: FNMR over the geometric mean", level.non_match_differential)
    return Table.of(f"By {column}", rows)


def group_figures(levels: Sequence[GroupLevel]) -> list[dict[str, Any]]:
    """Everything in the levels as JSON values."""
    return [finite(level) for level in levels]


def _pair(cell: FalseMatches) -> str:
    one, other = cell.groups
    return f"within {one}" if one == other else f"{one} with {other}"


def _matches(cell: FalseMatches) -> str:
    if cell.rate is None:
        return f"too small: {cell.people_pairs:,} pairs of people, {cell.needed:,} needed"
    return rate_words(cell.rate)


def _non_matches(cell: FalseNonMatches) -> str:
    if cell.rate is None:
        return f"too small: {cell.people} people with two photos, {cell.needed} needed"
    return percent_words(cell.rate)


def _ratios(words: str, differential: Differential) -> list[list[str]]:
    if not differential.ratios:
        return [[f"groups {words}", f"not given: {differential.why}"]]
    return [
        [
            f"{ratio.group} {words}",
            f"{ratio.value:.2f} ({ratio.interval.low:.2f} to {ratio.interval.high:.2f})",
        ]
        for ratio in differential.ratios
    ]
