"""One retrieval task from a set and embeddings to a result that can be printed, stored and compared; prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError
from evaluation.datasets.retrieval_set import RetrievalSet, Role
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings, Report, silent
from evaluation.embedding.whole_images import whole_embeddings
from evaluation.provenance import versions
from evaluation.report.protocol_result import Plot, ProtocolResult, Table
from evaluation.report.svg import Axis, Curve
from evaluation.resampling import RESAMPLES, Interval
from evaluation.retrieval.figures import TIE, LabelledRows, RetrievalFigures, probe_figures, retrieval_figures

SEED = 1


def run_retrieval(
    source: EmbeddingSource,
    data: RetrievalSet,
    *,
    report: Report = silent,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> ProtocolResult:
    """Embeds what the set lists, ranks the gallery for every query and sums up. DatasetError where no query has a
    mate.
    """
    listed = data.listed
    embedded = whole_embeddings(source, listed)
    queries, gallery = _sides(data, embedded.central)
    with report("ranking", len(queries.identity)) as progress:
        per_probe = probe_figures(queries, gallery, progress=progress)
    if not per_probe.mates.any():
        raise DatasetError(f"{data.title}: no query has an image of its identity that counts in the gallery")
    figures = retrieval_figures(
        per_probe, queries.identity, len(gallery.identity), data.ranks, resamples=resamples, seed=seed
    )
    of_pack = isinstance(source, PackEmbeddings)
    measured_on = {data.title: f"{len(data.images):,} images, list SHA-256 {data.digest}"}
    if of_pack:
        measured_on[f"{data.title}, images"] = f"SHA-256 {listed.digest}"
    return ProtocolResult(
        protocol=data.key,
        title=data.title,
        subject=source.name,
        contract_id=source.contract_id,
        notes=tuple(_notes(data, figures, of_pack, resamples)),
        tables=(_table(data, figures, source.name),),
        figures=_record(data, figures, resamples, seed),
        data=measured_on,
        versions=versions(),
        plots=(_plot(data, figures, source.name),),
    )


def _sides(data: RetrievalSet, embeddings: NDArray[np.float32]) -> tuple[LabelledRows, LabelledRows]:
    identity = _codes([image.identity for image in data.images])
    camera = _codes([image.camera or "" for image in data.images]) if data.has_cameras else None

    def side(rows: list[int]) -> LabelledRows:
        at = np.array(rows, np.int64)
        # All against all is the large case: there both sides share one array.
        chosen = embeddings if at.size == len(embeddings) else embeddings[at]
        return LabelledRows(chosen, identity[at], at, None if camera is None else camera[at])

    return side(data.queries), side(data.gallery)


def _codes(labels: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.array(labels, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _table(data: RetrievalSet, figures: RetrievalFigures, name: str) -> Table:
    def at(rank: int) -> str:
        return f"rank-{rank}, %" if data.has_cameras else f"R@{rank}, %"

    rows = [["", name]]
    for rank, share in figures.at_rank.items():
        rows.append([at(rank), _percent(share)])
        if rank == 1:
            rows.append(["95 % interval", _interval(figures.rank1_interval)])
    rows += [
        ["mAP, %", _percent(figures.mean_average_precision)],
        ["95 % interval of mAP", _interval(figures.map_interval)],
    ]
    if data.has_cameras:
        rows.append(["mAP by trapezoids, %", _percent(figures.mean_trapezoid)])
    else:
        rows += [["mAP@R, %", _percent(figures.map_at_r)], ["R-precision, %", _percent(figures.r_precision)]]
    rows += [
        ["queries", f"{figures.probes:,}"],
        ["queries without a mate, left out", f"{figures.without_mate:,}"],
        ["identities of the queries", f"{figures.identities:,}"],
        ["gallery", f"{figures.gallery:,}"],
    ]
    return Table.of(data.title, rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{_percent(interval.low)} to {_percent(interval.high)}"


def _notes(data: RetrievalSet, figures: RetrievalFigures, of_pack: bool, resamples: int) -> Iterator[str]:
    everywhere = all(image.role is Role.BOTH for image in data.images)
    compared = (
        f"{figures.gallery:,} images against each other" if everywhere else "Every query against the gallery"
    )
    yield f"{compared}, by cosine. An image is never its own mate."
    if data.has_cameras:
        yield (
            "Images of the query's identity from the query's camera are left out of its ranking. mAP is the mean over "
            "queries of the mean precision at each right image; by trapezoids it is as Market-1501's first evaluation "
            "code has it, never higher, for comparison with figures that were made so."
        )
    else:
        yield (
            "R@k: the share of queries with a right image among the first k. mAP: mean precision at each right image, "
            "over the whole ranking; mAP@R over the first R places, R being the number of right images."
        )
    if data.junk:
        yield f"Images that the set declares junk, neither right nor wrong, were not ranked: {data.junk:,}."
    yield f"A wrong image whose cosine is within {TIE:g} of a right one's is ranked before it: ties count as errors."
    yield (
        f"Intervals: bootstrap over the identities of the queries, {resamples:,} resamples, with the gallery as it is."
    )
    if figures.without_mate:
        yield f"Queries without a right image in the gallery, left out of all figures: {figures.without_mate:,}."
    found = (figures.probes + figures.without_mate, figures.gallery)
    if data.published not in (None, found):
        queries, gallery = data.published or found
        yield (
            f"This copy of {data.title} has {found[0]:,} queries and a gallery of {found[1]:,}; the published one has "
            f"{queries:,} and {gallery:,}."
        )
    if of_pack:
        yield "Images were resized whole to 112x112, without keeping their proportions; no face was looked for."


def _record(data: RetrievalSet, figures: RetrievalFigures, resamples: int, seed: int) -> dict[str, Any]:
    record = asdict(figures)
    del record["cumulative"]
    return {
        **record,
        "same_camera_left_out": data.has_cameras,
        "junk": data.junk,
        "tie": TIE,
        "bootstrap": {
            "over": "identities of the queries",
            "resamples": resamples,
            "seed": seed,
            "level": 0.95,
        },
    }


def _plot(data: RetrievalSet, figures: RetrievalFigures, name: str) -> Plot:
    last = figures.cumulative.size
    ranks = np.unique(np.geomspace(1, last, 60).round().astype(int))
    points = [(float(rank), float(figures.cumulative[rank - 1])) for rank in ranks]
    bottom = min(0.95, float(np.floor(points[0][1] * 20) / 20))
    return Plot(
        f"{data.title}: queries with a right image among the first k",
        Axis("k", 1.0, float(last), logarithmic=True),
        Axis("share of queries", bottom, 1.0),
        (Curve(name, points),),
    )
