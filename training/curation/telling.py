"""Numbers of records, groups and identities -> findings with the names that people know; judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from training.curation.across import Groups, Same
from training.curation.findings import Copies, Damaged, Doubtful, Face, Merged, Outlier, Part, Split
from training.curation.homes import Home, support
from training.curation.levels import Levels
from training.curation.origin import Origins
from training.data.records import BadRecord, FaceRecords


class Told:
    """The findings of one set."""

    def __init__(self, source: Path, records: FaceRecords, levels: Levels, homes: Sequence[Home]) -> None:
        self._records, self._levels = records, levels
        self._homes = {home.identity: home for home in homes}
        self._groups = Counter({home.identity: len(home.found.groups) for home in homes})
        self._names = records.class_names
        self._origins = Origins(source, records)

    def face(self, record: int) -> Face:
        identity = self._names[int(self._records.labels[record])]
        return Face(record, self._origins[record], identity)

    def damaged(self, record: int) -> Damaged:
        try:
            self._records.image(record)
        except BadRecord as error:
            return Damaged(self.face(record), error.reason)
        return Damaged(self.face(record), "it could not be decoded when it was embedded")

    def copies(self, group: list[int], exact: bool) -> Copies:
        labels = [int(self._records.labels[record]) for record in group]
        across = len(set(labels)) > 1
        agreeing = [
            support(self._homes.get(label), record) for label, record in zip(labels, group, strict=True)
        ]
        # Within one identity any of them will do; the first is the one that was looked at.
        keep = group[max(range(len(group)), key=lambda at: (agreeing[at], -at))] if across else group[0]
        return Copies("exact" if exact else "near", [self.face(record) for record in group], keep, across)

    def outlier(self, record: int, cosines: tuple[float, float], alike: tuple[int, float] | None) -> Outlier:
        name, cosine = (self._names[alike[0]], rounded(alike[1])) if alike is not None else (None, None)
        return Outlier(self.face(record), rounded(cosines[0]), rounded(cosines[1]), name, cosine)

    def merged(self, home: Home) -> Merged:
        first, *others = home.found.groups
        faces = [[self.face(record) for record in home.faces[group].tolist()] for group in others]
        return Merged(self._names[home.identity], len(first), faces, rounded(home.found.between))

    def doubtful(self, home: Home) -> Doubtful:
        records = sorted(record for group in home.found.groups for record in home.faces[group].tolist())
        return Doubtful(self._names[home.identity], [self.face(record) for record in records])

    def split(self, groups: Groups, same: Same) -> Split:
        keep, move = sorted((same.one, same.other), key=lambda at: (-len(groups.members[at]), at))
        calibration = self._levels.calibration
        rate = float(f"{calibration.false_match_rate(same.cosine):.2g}")
        beyond = calibration.is_extrapolated(same.cosine)
        cosine = rounded(same.cosine)
        return Split(self._part(groups, keep), self._part(groups, move), cosine, rate, beyond)

    def _part(self, groups: Groups, group: int) -> Part:
        identity = int(groups.identity[group])
        records = groups.members[group].tolist()
        return Part(self._names[identity], self._origins[records[0]], records, self._groups[identity] == 1)


def rounded(cosine: float) -> float:
    """To what two runs agree on."""
    return round(cosine, 3)
