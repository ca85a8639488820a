"""A user's own gallery, probes and distractors to one-to-many figures; prints nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evaluation.datasets.images import DatasetError, ImageSet, open_images
from evaluation.datasets.lfw import person_of
from evaluation.embedding.sources import EmbeddingSource
from evaluation.identification.candidate_lists import NOBODY
from evaluation.identification.engine_search import LIMIT, templates
from evaluation.identification.gallery_figures import GalleryFigures, engine_rows, gallery_figures
from evaluation.identification.open_set import fnir_at, fpir_at
from evaluation.identification.open_set_figures import DEFINITIONS, cmc_plot, det_plot, figure_rows, percent
from evaluation.provenance import versions
from evaluation.report.protocol_result import Plot, ProtocolResult, Table
from index.records import Fusion

SHOWN = 50
"""Probes that are named because they did not find their person."""


class GalleryData:
    """What is measured. Photos are `Person/file`; a person's folder has one name in the gallery and among the probes.

    distractors: people who never probe, at any depth below their folder, each image a person of its own.
    """

    def __init__(self, gallery: Path, probes: Path, distractors: Path | None = None) -> None:
        """Reads the names and contents. DatasetError where a folder or tar is missing or holds no images."""
        self.gallery = open_images(gallery)
        self.probes = open_images(probes)
        self.distractors = None if distractors is None else open_images(distractors, nested=True)

    def sets(self) -> dict[str, ImageSet]:
        """What was given, by what it is for."""
        sets = {"gallery": self.gallery, "probes": self.probes}
        return sets if self.distractors is None else sets | {"distractors": self.distractors}


def run_identify(
    source: EmbeddingSource,
    data: GalleryData,
    *,
    fusion: Fusion = Fusion.MEAN,
    threshold: float | None = None,
) -> ProtocolResult:
    """fusion: whether a person with several photos in the gallery is searched by their mean or by every photo.

    threshold: a cosine, -1..1, whose FNIR and FPIR are told beside those of the usual FPIRs.
    """
    if threshold is not None and not -1.0 <= threshold <= 1.0:
        raise DatasetError(f"a threshold is a cosine, -1..1; {threshold} was given")
    enrolled = [person_of(name) for name in data.gallery.names]
    rows = source.photos(data.gallery).central
    if data.distractors is not None:
        enrolled += [f"/{name}" for name in data.distractors.names]  # no folder's name holds a slash
        rows = np.concatenate([rows, source.photos(data.distractors).central])
    persons = sorted({*enrolled, *map(person_of, data.probes.names)})
    number = {person: at for at, person in enumerate(persons)}
    gallery = templates(rows, np.array([number[person] for person in enrolled]), fusion)
    shown = np.array([number[person_of(name)] for name in data.probes.names])
    found = gallery_figures(gallery, source.photos(data.probes).central, shown)
    return ProtocolResult(
        protocol="identify",
        title="Identification in a gallery",
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(data, found, fusion),
        tables=_tables(source.name, found, threshold),
        figures={
            "fusion": str(fusion),
            **found.record(),
            "at_threshold": _at(found, threshold),
            "missed": _missed(found, data.probes.names, persons),
        },
        data={
            name: f"{len(images.names)} images of {images.source.name}, SHA-256 {images.digest}"
            for name, images in data.sets().items()
        },
        versions=versions(),
        plots=_plots(source.name, found),
    )


def _tables(subject: str, found: GalleryFigures, threshold: float | None) -> tuple[Table, ...]:
    head = ["", subject]
    rows = [head, ["people enrolled", f"{found.persons:,}"], *figure_rows(found.figures)]
    if threshold is not None:
        if found.figures.mated:
            rows.append([f"FNIR at cosine {threshold:g}, %", percent(fnir_at(found.searches, threshold))])
        if found.figures.strangers:
            rows.append([f"FPIR at cosine {threshold:g}, %", percent(fpir_at(found.searches, threshold))])
    return (
        Table.of("Identification", rows),
        Table.of("Identification through the vector engine", [head, *engine_rows(found, "gallery")]),
    )


def _plots(subject: str, found: GalleryFigures) -> tuple[Plot, ...]:
    plots = []
    deepest = min(LIMIT, found.persons)
    if found.figures.mated and deepest > 1:
        plots.append(cmc_plot("Identification, rank", subject, found.searches, deepest))
    if found.figures.mated and found.figures.strangers:
        plots.append(det_plot("Identification, open set", subject, found.searches))
    return tuple(plots)


def _at(found: GalleryFigures, threshold: float | None) -> dict[str, float] | None:
    if threshold is None:
        return None
    searches = found.searches
    return {
        "threshold": threshold,
        "fnir": fnir_at(searches, threshold),
        "fpir": fpir_at(searches, threshold),
    }


def _missed(found: GalleryFigures, names: tuple[str, ...], persons: list[str]) -> list[dict[str, Any]]:
    """Mated probes whose person is not first, those with the strongest wrong candidate at the front."""
    searches, best = found.searches, found.lists.best()
    missed = np.flatnonzero(searches.mated & (searches.rank != 1))
    worst = missed[np.argsort(-searches.other[missed], kind="stable")][:SHOWN]
    return [
        {
            "probe": names[at],
            "found": None if best[at] == NOBODY else persons[best[at]].removeprefix("/"),
            "cosine": float(searches.other[at]),
            "rank_of_mate": int(searches.rank[at]) or None,
            "cosine_of_mate": float(searches.mate[at]),
        }
        for at in worst
    ]


def _notes(data: GalleryData, found: GalleryFigures, fusion: Fusion) -> tuple[str, ...]:
    several = len(data.gallery.names) > len({person_of(name) for name in data.gallery.names})
    how = (
        "the mean of their photos, all of equal weight" if fusion is Fusion.MEAN else "every photo of theirs"
    )
    notes = [
        DEFINITIONS,
        "A probe is mated when the gallery has a folder of its person's name, else a stranger's.",
    ]
    if several:
        notes.append(f"People with several photos in the gallery are searched by {how}.")
    if not found.figures.strangers:
        notes.append("No probe shows a stranger, so nothing is said of false positives.")
    return tuple(notes)
