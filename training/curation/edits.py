"""Which records leave a set and which change their identity, and what the set is then."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.curation.errors import CurationError
from training.curation.selection import Selection


@dataclass(frozen=True)
class Edits:
    """drop: records, each with why. move: records, each with the identity it goes to and why."""

    drop: dict[int, str] = field(default_factory=dict)
    move: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.drop) + len(self.move)


def edited(selection: Selection, edits: Edits) -> Selection:
    """The records that stay, under the identities they have then. CurationError where none stays."""
    names = [selection.class_names[label] for label in range(selection.classes)]
    place = {name: label for label, name in enumerate(names)}
    labels = selection.labels.copy()
    for record, (name, _) in edits.move.items():
        if name not in place:
            place[name] = len(names)
            names.append(name)
        labels[record] = place[name]
    kept = np.ones(len(selection), np.bool_)
    kept[list(edits.drop)] = False
    if not kept.any():
        raise CurationError(f"all {len(selection)} records would be dropped; nothing is written")
    return selection.kept(kept, labels, names)
