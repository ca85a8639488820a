"""One evaluation on IJB-B or IJB-C, from images and lists to tables, curves and a record; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.ijb import Ijb, IjbSearch, TemplatePairs
from evaluation.datasets.images import DatasetError
from evaluation.embedding.parts import embed_listed
from evaluation.embedding.sources import EmbeddingSource
from evaluation.identification.open_set import FPIRS, Searches
from evaluation.provenance import versions
from evaluation.report.protocol_result import Plot, ProtocolResult, Table
from evaluation.report.svg import Axis, Curve
from evaluation.templates.means import pair_scores, template_means
from evaluation.templates.search import cumulative_match, search, tpir_at_fpir
from evaluation.verification.curves import roc_plot
from evaluation.verification.measures import OperatingPoint, Roc, roc, tar_at_far

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
RANKS = (1, 5, 10)
DEEPEST = 20
"""The last rank of the CMC's picture."""


class Weights(StrEnum):
    """What an image's row is multiplied by before it is averaged: nothing, or the detector's score."""

    NONE = "none"
    DETECTOR = "detector"


def run_ijb(source: EmbeddingSource, data: Ijb, *, weights: Weights = Weights.NONE) -> ProtocolResult:
    """Embeds by the given landmarks, builds templates and measures what the lists that were read allow.

    DatasetError where an image is missing or undecodable, or a template's images all have the weight 0.
    """
    templates, images_digest = _templates(source, data, weights)
    tables: list[Table] = []
    plots: list[Plot] = []
    figures: dict[str, Any] = {
        "weights": weights.value,
        "images": len(data.images.names),
        "templates": len(data.templates),
    }
    if data.pairs is not None:
        points, curve = _verification(templates, data.pairs)
        tables.append(_verification_table(source.name, points, curve))
        plots.append(roc_plot(f"{data.name}, 1:1: true over false accept rate", source.name, _sparse(curve)))
        figures["verification"] = {
            "genuine": curve.genuine,
            "impostor": curve.impostor,
            "operating_points": [asdict(point) for point in points],
        }
    if data.search is not None:
        searches = _searches(templates, data.search)
        found = {name: _identification(one) for name, one in searches.items()}
        found["mean"] = _mean(list(found.values()))
        tables += [_search_table(source.name, name, one) for name, one in found.items()]
        plots += _search_plots(data.name, source.name, list(searches.values()))
        figures["identification"] = found
    return ProtocolResult(
        protocol=data.name.lower() + ("" if weights is Weights.NONE else f"-{weights}"),
        title=data.name + ("" if weights is Weights.NONE else ", weighted by the detector's score"),
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(data, weights),
        tables=tuple(tables),
        figures=figures,
        data=_data(data, images_digest),
        versions=versions(),
        plots=tuple(plots),
    )


def _templates(
    source: EmbeddingSource, data: Ijb, weights: Weights
) -> tuple[NDArray[np.float32], str | None]:
    """(T, D) unit rows, and the digest of the images where they were opened; the images' own rows are let go."""
    of_images = _weights(data, weights)
    embedded = embed_listed(source, data.images)
    return template_means(embedded.rows, data.template, data.medium, of_images), embedded.images_digest


def _weights(data: Ijb, weights: Weights) -> NDArray[np.float32] | None:
    if weights is Weights.NONE:
        return None
    empty = np.flatnonzero(np.bincount(data.template, weights=data.detector) == 0)
    if empty.size:
        raise DatasetError(
            f"all images of template {data.templates[empty[0]]} have the detector's score 0, so they cannot be "
            "weighted by it; choose the weights 'none'"
        )
    return data.detector


def _verification(
    templates: NDArray[np.float32], pairs: TemplatePairs
) -> tuple[tuple[OperatingPoint, ...], Roc]:
    curve = roc(pair_scores(templates, pairs.left, pairs.right), pairs.same)
    return tuple(tar_at_far(curve, far) for far in FARS), curve


def _searches(templates: NDArray[np.float32], lists: IjbSearch) -> dict[str, Searches]:
    probes = templates[lists.probes.templates]
    return {
        gallery.name: search(probes, lists.probes.subjects, templates[gallery.templates], gallery.subjects)
        for gallery in lists.galleries
    }


def _identification(searches: Searches) -> dict[str, Any]:
    """The figures of one gallery as JSON values."""
    closed = cumulative_match(searches, max(RANKS))
    return {
        "mated": int(searches.mated.sum()),
        "non_mated": int((~searches.mated).sum()),
        "ranks": {str(rank): float(closed[rank - 1]) for rank in RANKS},
        "open_set": [asdict(tpir_at_fpir(searches, fpir)) for fpir in FPIRS],
    }


def _mean(galleries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The plain mean of the galleries' rates; thresholds and counts have none."""
    points: list[list[dict[str, Any]]] = [list(one["open_set"]) for one in galleries]
    return {
        "ranks": {
            str(rank): float(np.mean([one["ranks"][str(rank)] for one in galleries])) for rank in RANKS
        },
        "open_set": [
            {
                "fpir": same[0]["fpir"],
                **{
                    rate: float(np.mean([point[rate] for point in same]))
                    for rate in ("measured_fpir", "tpir", "tpir_any_rank")
                },
                "supported": all(point["supported"] for point in same),
            }
            for same in zip(*points, strict=True)
        ],
    }


def _verification_table(subject: str, points: Sequence[OperatingPoint], curve: Roc) -> Table:
    rows = [["", subject]]
    rows += [[f"TAR at FAR {point.far:g}, %", _percent(point.tar, point.supported)] for point in points]
    rows += [["genuine pairs", f"{curve.genuine:,}"], ["impostor pairs", f"{curve.impostor:,}"]]
    return Table.of("1:1 verification", rows)


def _search_table(subject: str, gallery: str, found: dict[str, Any]) -> Table:
    rows = [["", subject]]
    rows += [[f"rank-{rank}, %", _percent(share)] for rank, share in found["ranks"].items()]
    rows += [
        [f"TPIR at FPIR {point['fpir']:g}, %", _percent(point["tpir"], point["supported"])]
        for point in found["open_set"]
    ]
    if "mated" in found:
        rows += [
            ["mated searches", f"{found['mated']:,}"],
            ["non-mated searches", f"{found['non_mated']:,}"],
        ]
    title = "mean of the galleries" if gallery == "mean" else f"gallery {gallery}"
    return Table.of(f"1:N mixed search, {title}", rows)


def _percent(share: float, supported: bool = True) -> str:
    return f"{100 * share:.2f}" + ("" if supported else " (unsupported)")


def _sparse(curve: Roc) -> Roc:
    """The points of a curve that hold 200 rates a decade: fifteen million of them would draw the same line."""
    allowed = np.floor(_rates(1 / curve.impostor, 200) * curve.impostor + 1e-9)
    counts = np.rint(curve.false_match_rate * curve.impostor)
    at = np.unique(np.searchsorted(counts, allowed, side="right") - 1)
    return replace(
        curve,
        thresholds=curve.thresholds[at],
        false_match_rate=curve.false_match_rate[at],
        true_match_rate=curve.true_match_rate[at],
    )


def _search_plots(name: str, subject: str, galleries: Sequence[Searches]) -> list[Plot]:
    match = np.mean([cumulative_match(one, DEEPEST) for one in galleries], axis=0)
    lowest = 1 / min(int((~one.mated).sum()) for one in galleries)
    rates = _rates(min(lowest, 0.1), 40)
    tpirs = np.mean([[tpir_at_fpir(one, float(rate)).tpir for rate in rates] for one in galleries], axis=0)
    return [
        Plot(
            f"{name}, 1:N, mean of the galleries: cumulative match",
            Axis("rank", 1, DEEPEST),
            Axis("share of mated searches", _floor(match), 1.0),
            (Curve(subject, _points(np.arange(1, DEEPEST + 1), match)),),
        ),
        Plot(
            f"{name}, 1:N, mean of the galleries: TPIR over FPIR",
            Axis("false positive identification rate (FPIR)", float(rates[0]), 1.0, logarithmic=True),
            Axis("true positive identification rate (TPIR)", _floor(tpirs), 1.0),
            (Curve(subject, _points(rates, tpirs)),),
        ),
    ]


def _rates(lowest: float, a_decade: int) -> NDArray[np.float64]:
    """From `lowest` to 1, evenly on a logarithmic axis."""
    steps = max(1, round(-a_decade * np.log10(lowest)))
    rates: NDArray[np.float64] = np.geomspace(lowest, 1.0, 1 + steps)
    return rates


def _points(across: NDArray[Any], up: NDArray[Any]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(map(float, across), map(float, up), strict=True))


def _floor(shares: NDArray[Any]) -> float:
    """Where the axis of shares begins: a tenth below the lowest, at most .9."""
    return float(max(0.0, min(0.9, np.floor(10 * np.min(shares)) / 10)))


def _notes(data: Ijb, weights: Weights) -> tuple[str, ...]:
    weighted = "multiplied by the detector's score" if weights is Weights.DETECTOR else "of weight 1"
    notes = [
        f"{data.name}: crops are cut by the landmarks of the list, nothing is detected. A template is the sum of its "
        f"media's means, brought to unit length; an image's row is of unit length, {weighted}."
    ]
    if data.pairs is not None:
        notes.append(
            "TAR at FAR takes the loosest threshold that keeps the rate over the pairs of the list, without "
            "interpolation; unsupported: not one impostor pair was allowed to pass. Pairs share templates and "
            "subjects, so they are far from independent."
        )
    if data.search is not None:
        notes.append(
            "1:N: every probe is searched in each gallery; one whose subject is not in it is a non-mated search. "
            "Rank and TPIR count mated searches, TPIR those whose mate is the first candidate and at or above the "
            "threshold that FPIR allows; a tie counts against the mate. The mean is over the galleries, each of equal "
            "weight; unsupported: not one non-mated search was allowed a candidate."
        )
    return tuple(notes)


def _data(data: Ijb, images_digest: str | None) -> dict[str, str]:
    digest = "not opened" if images_digest is None else f"SHA-256 {images_digest}"
    return {
        f"{data.name} images": f"{len(data.images.names):,} in {len(data.templates):,} templates, {digest}",
        **{name: f"SHA-256 {digest}" for name, digest in data.digests.items()},
    }
