"""The default pack, loaded once, and one set with every fault, aligned and inspected once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.curation.planted import faulty
from training.curation.align import AlignOptions, align_photos
from training.curation.findings import Findings
from training.curation.photos import Photos
from training.curation.session import Models, alignment_report, load_models
from training.curation.steps import silent


@dataclass(frozen=True)
class AlignedSet:
    photos: Path
    out: Path
    findings: Findings


@pytest.fixture(scope="session")
def models() -> Models:
    return load_models("default", 2, 0.1)


@pytest.fixture(scope="session")
def aligned_set(models: Models, tmp_path_factory: pytest.TempPathFactory) -> AlignedSet:
    root = tmp_path_factory.mktemp("faulty")
    photos, out = faulty(root / "photos"), root / "out"
    align_photos(Photos(photos), out, models.analyzer, AlignOptions(per_shard=20), workers=2, steps=silent)
    findings, _ = alignment_report(out, models, already=False, keep=True, steps=silent)
    return AlignedSet(photos, out, findings)
