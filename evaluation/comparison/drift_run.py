"""One pack on photos of before and after, from files to how its cosines and its errors moved; prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evaluation.all_pairs.genuine import genuine_pairs
from evaluation.all_pairs.impostors import AllPairs, at_or_above, bin_edges, count_all_pairs
from evaluation.all_pairs.rates import Rate, percent_words, rate_words
from evaluation.all_pairs.strongest import MOST_PAIRS, strongest_pairs
from evaluation.calibration.pack_thresholds import Operating, operating_points, reached
from evaluation.comparison.drift import Drift, PhotoSet, RateShift, Shift, drift
from evaluation.datasets.images import DatasetError
from evaluation.datasets.people_folder import PeopleFolder
from evaluation.embedding.people import PeopleEmbeddings, embed_people
from evaluation.embedding.sources import EmbeddingSource
from evaluation.provenance import versions
from evaluation.report.protocol_result import Plot, ProtocolResult, Table
from evaluation.report.svg import Axis, Curve
from evaluation.resampling import RESAMPLES, Interval

NOTES = (
    "Each pair of people has one vote among strangers and each person one among genuine pairs; means are of all pairs "
    "of photos. Intervals are 95 %, by drawing people anew, those who are in both sets for both at once.",
    "A change may come from the camera, the light, the people or the labels; these figures do not tell which. Where "
    "the people of the two sets differ, part of it is the people.",
    "The largest face of each photo counts; photos without a face are left out.",
)


def run_drift(
    source: EmbeddingSource,
    before: PeopleFolder,
    after: PeopleFolder,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ProtocolResult:
    """Compares two folders at the pack's thresholds for 1e-2 to 1e-4, or without a calibration at those of the photos
    before. DatasetError where there is no calibration and the photos before are too few for one.
    """
    first, second = (embed_people(source, folder) for folder in (before, after))
    counted = [count_all_pairs(one.rows, one.people) for one in (first, second)]
    operating = _operating(source, before, counted)
    lowest = min((cosine for _, cosine in operating.points), default=1.0)
    sets = [_photo_set(one, lowest) for one in (first, second)]
    found = drift(sets[0], sets[1], operating.points, resamples=resamples, seed=seed)
    sentences = drift_sentences(found)
    return ProtocolResult(
        protocol="drift",
        title="Before and after",
        subject=source.name,
        contract_id=source.contract_id,
        notes=(*sentences, *NOTES, f"Thresholds are those of {operating.whence}."),
        tables=(_table(source.name, first, second, found),),
        figures={
            "photos": {"before": len(first.names), "after": len(second.names)},
            "without_face": {"before": len(first.without_face), "after": len(second.without_face)},
            "people": {"before": len(set(first.people)), "after": len(set(second.people))},
            "drift": found,
            "sentences": list(sentences),
            "resamples": resamples,
            "seed": seed,
        },
        data={"before": before.described, "after": after.described},
        versions=versions(),
        plots=(
            _plot("False match rate by cosine", source.name, [_match_curve(pairs) for pairs in counted]),
            _plot("False non-match rate by cosine", source.name, [_non_match_curve(one) for one in sets]),
        ),
    )


def drift_sentences(found: Drift) -> tuple[str, ...]:
    """What moved, in words, and whether that is more than chance."""
    sentences = [_sentence("Cosines of strangers", found.impostor)]
    if found.genuine is None:
        sentences.append("One of the sets has nobody with two photos: nothing can be said of genuine pairs.")
    else:
        sentences.append(_sentence("Cosines of one person's photos", found.genuine))
    for shift in found.false_match:
        sentences.append(
            f"The threshold for FMR {shift.fmr:g} ({shift.cosine:.4f}) lets through {rate_words(shift.after)} of "
            f"strangers after, {rate_words(shift.before)} before."
        )
    return tuple(sentences)


def _sentence(what: str, shift: Shift) -> str:
    low, high = shift.interval.low, shift.interval.high
    if not shift.beyond_chance:
        return f"{what} have not moved by more than chance ({shift.change:+.4f}, {low:+.4f} to {high:+.4f})."
    way = "rose" if shift.change > 0 else "fell"
    nearer, further = sorted((abs(low), abs(high)))
    return f"{what} {way} by {abs(shift.change):.4f} ({nearer:.4f} to {further:.4f}) on average."


def _operating(source: EmbeddingSource, before: PeopleFolder, counted: Sequence[AllPairs]) -> Operating:
    try:
        operating = operating_points(source, counted[0])
    except ValueError as error:
        raise DatasetError(
            f"{source.name} has no calibration, and {before.images.source} is too small for one: {error}"
        ) from error
    kept = tuple(point for point in operating.points if reached(counted[1], point[1]) <= MOST_PAIRS)
    if len(kept) == len(operating.points):
        return operating
    words = f"; some left out, where more than {MOST_PAIRS:,} pairs pass after"
    return Operating(kept, operating.whence + words)


def _photo_set(embedded: PeopleEmbeddings, lowest: float) -> PhotoSet:
    return PhotoSet(
        embedded.rows,
        embedded.people,
        genuine_pairs(embedded.rows, embedded.people),
        strongest_pairs(embedded.rows, embedded.people, lowest),
    )


def _table(subject: str, first: PeopleEmbeddings, second: PeopleEmbeddings, found: Drift) -> Table:
    rows = [["", subject]]
    for when, one in (("before", first), ("after", second)):
        words = f"{len(one.names):,} of {len(set(one.people)):,} people"
        rows.append([f"photos {when}", f"{words}, {len(one.without_face)} more without a face"])
    rows.append(["people in both", f"{found.shared:,}"])
    rows += _shift_rows("strangers", found.impostor)
    if found.genuine is not None:
        rows += _shift_rows("one person's photos", found.genuine)
    if found.across is not None:
        mean, interval = found.across
        rows.append(
            ["mean cosine of a person before with the same after", f"{mean:.4f} {_between(interval)}"]
        )
    for shift in found.false_match:
        rows += _rate_rows("FMR", shift, "", rate_words)
    for shift in found.false_non_match:
        rows += _rate_rows("FNMR", shift, ", %", percent_words)
    return Table.of("Before and after", rows)


def _shift_rows(what: str, shift: Shift) -> list[list[str]]:
    return [
        [f"mean cosine of {what}, before and after", f"{shift.before:.4f}, {shift.after:.4f}"],
        [f"mean cosine of {what}, change", f"{shift.change:+.4f} {_between(shift.interval, '+')}"],
    ]


def _rate_rows(what: str, shift: RateShift, unit: str, words: Callable[[Rate], str]) -> list[list[str]]:
    at = f"{what} at the threshold for FMR {shift.fmr:g}"
    rows = [[f"{at}, before{unit}", words(shift.before)], [f"{at}, after{unit}", words(shift.after)]]
    if np.isfinite(shift.ratio):
        low, high = shift.ratio_interval.low, shift.ratio_interval.high
        rows.append([f"{at}, after over before", f"{shift.ratio:.2f} ({low:.2f} to {high:.2f})"])
    return rows


def _between(interval: Interval, sign: str = "") -> str:
    return f"({interval.low:{sign}.4f} to {interval.high:{sign}.4f})"


def _match_curve(pairs: AllPairs) -> list[tuple[float, float]]:
    """Down to the last pair, every fiftieth bin."""
    share = at_or_above(pairs.impostor_people) / pairs.impostor_people.sum()
    edges = bin_edges()
    return [(float(edges[at]), float(share[at])) for at in range(0, edges.size, 50) if share[at] >= 1e-8]


def _non_match_curve(photos: PhotoSet) -> list[tuple[float, float]]:
    if photos.genuine.cosines.size == 0:
        return []
    grid = np.linspace(-0.2, 1.0, 241).tolist()
    rates = [(cosine, photos.genuine.false_non_match_rate(cosine)) for cosine in grid]
    return [(cosine, rate) for cosine, rate in rates if rate > 0]


def _plot(title: str, subject: str, curves: Sequence[Sequence[tuple[float, float]]]) -> Plot:
    shown = [[(x, y) for x, y in points if x >= -0.2] for points in curves]
    lowest = min((y for points in shown for _, y in points), default=0.1)
    return Plot(
        title,
        Axis("cosine", -0.2, 1.0),
        Axis("rate", 10.0 ** np.floor(np.log10(min(lowest, 0.1))), 1.0, logarithmic=True),
        tuple(
            Curve(f"{subject}, {when}", points, colour=colour)
            for colour, (when, points) in enumerate(zip(("before", "after"), shown, strict=True))
        ),
    )
