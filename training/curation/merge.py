"""Several sets of faces as one: whose identities are whose. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from faces.analyzer import Analyzer
from training.curation.edits import edited
from training.curation.embed import featured, fingerprint
from training.curation.errors import CurationError
from training.curation.features import Features
from training.curation.findings import Findings, Split
from training.curation.inspect import Inspection
from training.curation.levels import Levels
from training.curation.proposal import Wanted, proposed
from training.curation.selection import Selection, Source
from training.curation.steps import Steps

By = Literal["names", "distinct"]


def merged(sources: Sequence[Source], by: By) -> Selection:
    """All records of all sets, set after set.

    by: names: an identity of the same name is the same person; distinct: nobody is in two sets, and an identity
    is called SET:NAME. CurationError where a set is given twice.
    """
    places = Counter(source.path.resolve() for source in sources)
    twice = [place for place, count in places.items() if count > 1]
    if twice:
        raise CurationError(f"{twice[0]} is given twice; give each set once")
    fronts = [""] * len(sources)
    if by == "distinct":
        fronts = [f"{name}:" for name in set_names([source.path for source in sources])]
    names: list[str] = []
    labels = []
    for front, source in zip(fronts, sources, strict=True):
        labels.append(np.asarray(source.records.labels, np.int64) + len(names))
        names += [front + source.records.class_names[label] for label in range(source.records.classes)]
    counts = [len(source.records) for source in sources]
    return Selection(
        sources,
        np.repeat(np.arange(len(sources), dtype=np.int32), counts),
        np.concatenate([np.arange(count) for count in counts]),
        np.concatenate(labels),
        names,
    )


def set_names(paths: Sequence[Path]) -> list[str]:
    """A name a set: its folder's, or its file's; numbered where several have the same."""
    stems = [path.resolve().name.removesuffix(".tar").removesuffix(".rec") for path in paths]
    often = Counter(stems)
    seen: Counter[str] = Counter()
    found = []
    for stem in stems:
        seen[stem] += 1
        found.append(f"{stem}-{seen[stem]}" if often[stem] > 1 else stem)
    return found


def matched(
    selection: Selection, analyzer: Analyzer, levels: Levels, *, workers: int, steps: Steps
) -> tuple[Selection, list[Split]]:
    """The same with identities of different sets that show one person made one, and which those are.

    analyzer: of the pack that levels belong to.
    """
    features = Features.joined(
        [
            featured(path, records, fingerprint(path, records), analyzer, workers=workers, steps=steps)[0]
            for path, records in ((source.path, source.records) for source in selection.sources)
        ]
    )
    look = Inspection(Path(), selection, "", features, Path(), analyzer.pack, levels)
    findings = look.findings(workers=workers, steps=steps)
    across = [one for one in findings.split if _in_two_sets(selection, one)]
    edits = proposed(
        Findings(findings.looked, copies=findings.copies, split=across), Wanted(merge_split=True)
    )
    return edited(selection, edits), across


def _in_two_sets(selection: Selection, split: Split) -> bool:
    return len(np.unique(selection.source[[*split.keep.records, *split.move.records]])) > 1
