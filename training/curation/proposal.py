"""Findings -> the edits that would put them right, of the kinds that are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from training.curation.edits import Edits
from training.curation.findings import Findings, Part
from training.curation.grouping import Groups


@dataclass(frozen=True)
class Wanted:
    """Kinds of findings to act on."""

    drop_outliers: bool = False
    drop_duplicates: bool = False
    split_merged: bool = False
    merge_split: bool = False


def proposed(findings: Findings, wanted: Wanted) -> Edits:
    """What to do about them. A record that is dropped is moved nowhere; copies within an identity go where the
    one of them that was looked at goes.
    """
    plan = _Plan(findings)
    if wanted.split_merged:
        plan.split_merged()
    if wanted.merge_split:
        plan.merge_split()
    if wanted.drop_outliers:
        plan.drop_outliers()
    if wanted.drop_duplicates:
        plan.drop_duplicates()
    return plan.edits()


class _Plan:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._drop: dict[int, str] = {}
        self._move: dict[int, tuple[str, str]] = {}
        self._followers = _followers(findings)

    def edits(self) -> Edits:
        return Edits(
            dict(sorted(self._drop.items())),
            {record: to for record, to in sorted(self._move.items()) if record not in self._drop},
        )

    def split_merged(self) -> None:
        for one in self._findings.merged:
            for number, group in enumerate(one.others, 2):
                name = f"{one.identity}~{number}"
                for face in group:
                    self._moved(face.record, name, f"another person than most of {one.identity}")

    def merge_split(self) -> None:
        parts: dict[int, Part] = {}
        same = Groups()
        for split in self._findings.split:
            parts |= {part.records[0]: part for part in (split.keep, split.move)}
            same.join(split.keep.records[0], split.move.records[0])
        for group in same.all():
            # An identity of one person gives its name before a part of an identity of several.
            ordered = sorted((parts[first] for first in group), key=_claim)
            target = self._now(ordered[0])
            for part in ordered[1:]:
                for record in part.records if self._now(part) != target else ():
                    self._moved(record, target, f"{part.identity} and {ordered[0].identity} are one person")

    def drop_outliers(self) -> None:
        for one in self._findings.outliers:
            why = f"cosine {one.cosine} with its identity, whose others have {one.agree}"
            self._dropped(one.face.record, why)

    def drop_duplicates(self) -> None:
        for one in self._findings.copies:
            for face in one.faces:
                if face.record != one.keep:
                    self._drop.setdefault(face.record, f"a copy of record {one.keep}")

    def _now(self, part: Part) -> str:
        return self._move.get(part.records[0], (part.identity, ""))[0]

    def _moved(self, record: int, name: str, why: str) -> None:
        for one in self._with_copies(record):
            self._move[one] = name, why

    def _dropped(self, record: int, why: str) -> None:
        for one in self._with_copies(record):
            self._drop[one] = why

    def _with_copies(self, record: int) -> Iterable[int]:
        return record, *self._followers.get(record, ())


def _claim(part: Part) -> tuple[bool, int, int]:
    return not part.whole, -len(part.records), part.records[0]


def _followers(findings: Findings) -> dict[int, list[int]]:
    """The other copies in its identity, of the first of each."""
    found: dict[int, list[int]] = {}
    for one in findings.copies:
        first: dict[str, int] = {}
        for face in one.faces:
            if first.setdefault(face.identity, face.record) != face.record:
                found.setdefault(first[face.identity], []).append(face.record)
    return found
