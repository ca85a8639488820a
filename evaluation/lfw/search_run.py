"""LFW as one-to-many identification: one photo a person enrolled, all other photos search; prints nothing.

No standard protocol: LFW's own is pairs. The split is drawn by a seed, so figures are comparable for one seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.datasets.lfw import Lfw, person_of
from evaluation.datasets.lfw_label_errors import corrected
from evaluation.embedding.sources import EmbeddingSource
from evaluation.identification.engine_search import LIMIT, templates
from evaluation.identification.enrolment import draw_enrolment
from evaluation.identification.gallery_figures import GalleryFigures, engine_rows, gallery_figures
from evaluation.identification.open_set import Int64
from evaluation.identification.open_set_figures import DEFINITIONS, cmc_plot, det_plot, figure_rows
from evaluation.provenance import versions
from evaluation.report.protocol_result import ProtocolResult, Table
from index.template import Float32

NOT_ENROLLED = 0.5


@dataclass(frozen=True)
class LfwPhotos:
    """Rows of LFW with their people, wrong labels left out and second names merged where that was asked for.

    rows: (N, D) float32; people: (N,) int64, numbers in the order of names. left_out: photos; merged: second names.
    """

    names: tuple[str, ...]
    rows: Float32
    people: Int64
    left_out: int
    merged: int


def lfw_photos(source: EmbeddingSource, lfw: Lfw, *, as_labelled: bool = False) -> LfwPhotos:
    """Every photo that is there: whole photos through the pipeline, the rest as aligned crops."""
    sets = [source.photos(lfw.images)]
    if lfw.rest is not None:
        sets.append(source.aligned(lfw.rest))
    names = [name for one in sets for name in one.names]
    rows = np.concatenate([one.central for one in sets])
    keep, people = corrected(names, as_labelled=as_labelled)
    kept = tuple(names[at] for at in keep)
    numbers = np.unique(np.array(people), return_inverse=True)[1].astype(np.int64)
    merged = len(set(map(person_of, kept))) - len(set(people))
    return LfwPhotos(kept, rows[keep], numbers, len(names) - len(kept), merged)


def run_lfw_1n(
    source: EmbeddingSource,
    lfw: Lfw,
    *,
    not_enrolled: float = NOT_ENROLLED,
    seed: int = 0,
    as_labelled: bool = False,
) -> ProtocolResult:
    """Closed set: everybody is enrolled. Open set: the share `not_enrolled` (0..1) of the people is not, and all of
    their photos are strangers' searches.
    """
    photos = lfw_photos(source, lfw, as_labelled=as_labelled)
    closed = _searched(photos, 0.0, seed)
    opened = _searched(photos, not_enrolled, seed)
    head = ["", source.name]
    tables = [
        Table.of(
            "LFW 1:N, closed set",
            [head, ["people enrolled", f"{closed.persons:,}"], *figure_rows(closed.figures)],
        ),
        Table.of(
            "LFW 1:N, open set",
            [head, ["people enrolled", f"{opened.persons:,}"], *figure_rows(opened.figures)],
        ),
        Table.of(
            "LFW 1:N, through the vector engine",
            [head, *engine_rows(closed, "closed set"), *engine_rows(opened, "open set")],
        ),
    ]
    plots = []
    if closed.figures.mated:
        plots.append(
            cmc_plot("LFW 1:N, closed set", source.name, closed.searches, min(LIMIT, closed.persons))
        )
    if opened.figures.mated and opened.figures.strangers:
        plots.append(det_plot("LFW 1:N, open set", source.name, opened.searches))
    return ProtocolResult(
        protocol="lfw-1n",
        title="Labeled Faces in the Wild, one to many",
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(photos, lfw, not_enrolled, seed),
        tables=tuple(tables),
        figures={
            "seed": seed,
            "not_enrolled": not_enrolled,
            "photos": len(photos.names),
            "left_out": photos.left_out,
            "merged": photos.merged,
            "closed_set": closed.record(),
            "open_set": opened.record(),
        },
        data=_data(lfw),
        versions=versions(),
        plots=tuple(plots),
    )


def _searched(photos: LfwPhotos, not_enrolled: float, seed: int) -> GalleryFigures:
    drawn = draw_enrolment(photos.people, not_enrolled=not_enrolled, seed=seed)
    gallery = templates(photos.rows[drawn.gallery], photos.people[drawn.gallery])
    return gallery_figures(gallery, photos.rows[drawn.probes], photos.people[drawn.probes])


def _notes(photos: LfwPhotos, lfw: Lfw, not_enrolled: float, seed: int) -> tuple[str, ...]:
    notes = [
        f"LFW 1:N: one photo of each enrolled person, drawn by seed {seed}, is the gallery; all other photos of the "
        f"enrolled search as mated probes. Open set: {100 * not_enrolled:g} % of the people with one photo and of "
        "those with several are not enrolled, and all their photos search as strangers.",
        DEFINITIONS,
    ]
    if photos.left_out or photos.merged:
        notes.append(
            f"{photos.left_out} photos with wrong labels are left out and {photos.merged} second names of one person "
            "are merged with the first, as in the calibration."
        )
    if lfw.rest is not None:
        notes.append(
            f"{len(lfw.images.names):,} photos go through the whole pipeline, {len(lfw.rest.names):,} are crops that "
            "were aligned before."
        )
    return tuple(notes)


def _data(lfw: Lfw) -> dict[str, str]:
    data = {"LFW photos": f"{len(lfw.images.names)} images, SHA-256 {lfw.images.digest}"}
    if lfw.rest is not None:
        data["LFW aligned crops"] = f"{len(lfw.rest.names)} images, SHA-256 {lfw.rest.digest}"
    return data
