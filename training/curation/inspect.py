"""A set of faces and its features -> what is wrong with it; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faces.pack import ModelPack
from training.curation.across import Groups, resembled, same_people
from training.curation.copies import exact_copies, grouped, near_copies
from training.curation.features import Features
from training.curation.findings import Findings, Looked
from training.curation.homes import Home, groups_of, stray_cosines, strays_of
from training.curation.levels import Levels
from training.curation.search import EXACT
from training.curation.steps import Steps
from training.curation.telling import Told, rounded
from training.curation.within import household
from training.data.index import identities
from training.data.records import FaceRecords


@dataclass(frozen=True)
class Inspection:
    """A set with its features, ready to be looked at. fingerprint: of the set. features_folder: where those lie."""

    source: Path
    records: FaceRecords
    fingerprint: str
    features: Features
    features_folder: Path
    pack: ModelPack
    levels: Levels

    def findings(self, *, workers: int, steps: Steps) -> Findings:
        """Look at everything. workers: threads that compare pictures."""
        usable = self._usable()
        copies, once = self._copies(usable, workers, steps)
        homes = self._homes(once, steps)
        with steps("comparing identities", None):
            groups = groups_of(homes, self.features)
            split = same_people(groups, self.features.rows, self.levels)
            strays, own = strays_of(homes)
            alike = resembled(strays, own, groups, self.features.rows, self.levels)
        told = Told(self.source, self.records, self.levels, homes)
        return Findings(
            self._looked(groups, len(strays)),
            [told.damaged(record) for record in np.flatnonzero(~usable).tolist()],
            [told.copies(group, exact) for group, exact in copies],
            [
                told.outlier(*found)
                for found in zip(strays.tolist(), stray_cosines(homes), alike, strict=True)
            ],
            [told.merged(home) for home in homes if len(home.found.groups) > 1 and not home.found.doubtful],
            [told.split(groups, same) for same in split],
            [told.doubtful(home) for home in homes if home.found.doubtful],
        )

    def _usable(self) -> NDArray[np.bool_]:
        usable = np.empty(len(self.features), np.bool_)
        for start, rows, _ in self.features.parts():
            usable[start : start + len(rows)] = rows.any(axis=1)
        return usable

    def _copies(
        self, usable: NDArray[np.bool_], workers: int, steps: Steps
    ) -> tuple[list[tuple[list[int], bool]], NDArray[np.bool_]]:
        """Groups of copies with whether all are exact, and which records are to be looked at: one of each group
        and identity.
        """
        exact = [pair for pair in exact_copies(self.features) if usable[pair[0]]]
        first = usable.copy()
        first[[other for _, other in exact]] = False
        with steps("looking for copies", None):
            near = list(near_copies(self.records, self.features, np.flatnonzero(first), workers))
        groups = grouped(exact + [(one, other) for one, other, _ in near])
        inexact = {record for one, other, _ in near for record in (one, other)}
        once = usable.copy()
        for group in groups:
            seen: set[int] = set()
            for record in group:
                label = int(self.records.labels[record])
                once[record] &= label not in seen
                seen.add(label)
        return [(group, not inexact.intersection(group)) for group in groups], once

    def _homes(self, once: NDArray[np.bool_], steps: Steps) -> list[Home]:
        members = identities(np.asarray(self.records.labels), self.records.classes)
        homes = []
        with steps("comparing faces of each identity", len(members)) as advance:
            for identity in range(len(members)):
                faces = members.of(identity)
                faces = faces[once[faces]]
                if len(faces):
                    homes.append(Home(identity, faces, household(self.features.rows(faces), self.levels)))
                advance(1)
        return homes

    def _looked(self, groups: Groups, strays: int) -> Looked:
        labels = np.asarray(self.records.labels)
        counts = np.bincount(labels, minlength=self.records.classes)
        compared = {"split": groups.comparisons, "resembles": strays * len(groups.members)}
        return Looked(
            source=str(self.source.resolve()),
            fingerprint=self.fingerprint,
            records=len(self.records),
            identities=int((counts > 0).sum()),
            single=int((counts == 1).sum()),
            pack=self.pack.name,
            contract_id=self.pack.contract_id,
            levels={
                "stranger": rounded(self.levels.stranger),
                "agree": rounded(self.levels.agree),
                **{name: rounded(self.levels.match(count)) for name, count in compared.items()},
            },
            comparisons=compared,
            tolerated=self.levels.tolerated,
            features=str(self.features_folder),
            approximate=max(len(self.records), len(groups.members)) > EXACT,
        )
