"""One source of embeddings on one 1:1 data set, from pairs to a protocol result; prints and draws nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError
from evaluation.datasets.pairs import PairSet
from evaluation.embedding.sources import EmbeddingSource
from evaluation.provenance import versions
from evaluation.report.protocol_result import ProtocolResult, Table
from evaluation.resampling import RESAMPLES, Interval
from evaluation.verification.curves import det_plot, roc_plot
from evaluation.verification.figures import PairFigures, drawn_folds, pair_figures
from evaluation.verification.measures import Labels, OperatingPoint, Scores, pair_cosines
from evaluation.verification.rows import accuracy_rows

SEED = 0


@dataclass(frozen=True)
class PairScores:
    """cosines: (N,) float64, one for each pair. no_face, several: images in which no face was found, and more than
    one; both 0 for aligned crops.
    """

    cosines: Scores
    no_face: int
    several: int


def run_pairs(
    source: EmbeddingSource,
    data: PairSet,
    *,
    folds: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> ProtocolResult:
    """Embeds the images of the set and judges its pairs; see `judged_pairs`."""
    return judged_pairs(source, data, score_pairs(source, data), folds=folds, resamples=resamples, seed=seed)


def score_pairs(source: EmbeddingSource, data: PairSet) -> PairScores:
    """The cosine of each pair. Of a photo, the face nearest its middle counts, and its middle where none was found."""
    embedded = source.aligned(data.images) if data.aligned else source.photos(data.images)
    rows = embedded.rows
    left = np.array([rows[pair.left] for pair in data.pairs])
    right = np.array([rows[pair.right] for pair in data.pairs])
    return PairScores(
        pair_cosines(embedded.central, left, right),
        no_face=int((embedded.faces == 0).sum()),
        several=int((embedded.faces > 1).sum()),
    )


def judged_pairs(
    source: EmbeddingSource,
    data: PairSet,
    scores: PairScores,
    *,
    folds: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> ProtocolResult:
    """All figures as tables, plots and JSON values.

    folds: how many to draw at random where the set has none; without it such a set gets no accuracy. seed: of those
    and of the intervals. DatasetError where folds are asked for that the set has itself, or that it has too few pairs
    for.
    """
    same = same_labels(data)
    fold_of, how = _folds(data, same, folds, seed)
    figures = pair_figures(
        scores.cosines, same, fold_of, people=_people(data), resamples=resamples, seed=seed
    )
    count = f"{len(data.pairs):,} pairs"
    label = source.name if figures.accuracy is None else f"{source.name}: {100 * figures.accuracy.mean:.2f} %"
    return ProtocolResult(
        protocol=data.protocol,
        title=data.title,
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(data, figures, how),
        tables=(Table.of(f"{data.title}, {count}", _rows(source.name, data, figures, scores)),),
        figures=_values(data, figures, scores, how),
        data=_data(data),
        versions=versions(),
        plots=(
            roc_plot(f"{data.title}, {count}: true over false accept rate", label, figures.curve),
            det_plot(f"{data.title}, {count}: false non-match over false match rate", label, figures.curve),
        ),
    )


def same_labels(data: PairSet) -> Labels:
    """(N,) whether each pair is genuine."""
    return np.array([pair.same for pair in data.pairs], dtype=bool)


def _folds(data: PairSet, same: Labels, folds: int | None, seed: int) -> tuple[NDArray[np.int64] | None, str]:
    if folds is None:
        own = np.array([pair.fold for pair in data.pairs], np.int64) if data.folds else None
        return own, data.folds
    if data.folds:
        raise DatasetError(f"{data.lists} has folds of its own; others cannot be drawn")
    try:
        return drawn_folds(same, folds, seed), f"{folds}, drawn at random with seed {seed}"
    except ValueError as error:
        raise DatasetError(f"{data.lists}: {error}") from error


def _people(data: PairSet) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    if data.people is None:
        return None
    number = {person: at for at, person in enumerate(sorted(set(data.people.values())))}
    return (
        np.array([number[data.people[pair.left]] for pair in data.pairs], np.int64),
        np.array([number[data.people[pair.right]] for pair in data.pairs], np.int64),
    )


def _rows(name: str, data: PairSet, figures: PairFigures, scores: PairScores) -> list[list[str]]:
    rows = [["", name]]
    if figures.accuracy is not None:
        rows += accuracy_rows(figures.accuracy)
    for at, point in enumerate(figures.points):
        rows.append([f"TAR at FAR {point.far:g}, %", _tar_cell(point, figures.tar_interval(at))])
    equal = f"{100 * figures.equal_error_rate:.2f}{_between(figures.intervals.equal_error_rate)}"
    rows.append(["equal error rate, %", equal])
    if not data.aligned:
        rows.append(["photos without a face found", f"{scores.no_face:,}"])
        rows.append(["photos with several faces", f"{scores.several:,}"])
    return rows


def _tar_cell(point: OperatingPoint, interval: Interval | None) -> str:
    return f"{100 * point.tar:.2f}{_between(interval)}" if point.supported else "not measurable"


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" ({100 * interval.low:.2f} to {100 * interval.high:.2f})"


def _notes(data: PairSet, figures: PairFigures, how: str) -> tuple[str, ...]:
    genuine, impostor = figures.curve.genuine, figures.curve.impostor
    intervals = figures.intervals
    drawn = f"{intervals.units:,} {intervals.drawn}"
    if intervals.drawn == "people":
        drawn += ", an impostor pair counting as often as both of its people were drawn, which errs on the wide side"
    notes = [
        f"{genuine:,} genuine and {impostor:,} impostor pairs. "
        + (
            f"Folds: {how}. Each fold is judged with the threshold that is best on all the others; the standard "
            "error is that of the mean over the folds."
            if how
            else "The pairs have no folds, so there is no accuracy by cross-validation."
        ),
        "TAR at a FAR is the share of genuine pairs accepted at the loosest measured threshold that accepts at most "
        f"that share of the impostor pairs. Rates below 1 in {impostor:,} cannot be told from zero here, and are "
        "called not measurable.",
        f"In brackets: 95 % percentile bootstrap intervals over {intervals.resamples:,} draws of "
        f"{drawn} (seed {intervals.seed}). They tell what other pairs like these would do, and nothing of other "
        "kinds of photos; one of no width says only that no draw changed the figure.",
    ]
    if not data.aligned:
        notes.append(
            "Of a photo the face nearest its middle is compared; where none was found, the middle of the photo is. No "
            "pair is left out."
        )
    return (*notes, *data.remarks)


def _values(data: PairSet, figures: PairFigures, scores: PairScores, how: str) -> dict[str, Any]:
    intervals = figures.intervals
    points = [
        {**asdict(point), "tar_interval": _pair(figures.tar_interval(at))}
        for at, point in enumerate(figures.points)
    ]
    return {
        "pairs": len(data.pairs),
        "genuine": figures.curve.genuine,
        "impostor": figures.curve.impostor,
        "aligned": data.aligned,
        "accuracy": None if figures.accuracy is None else asdict(figures.accuracy),
        "folds": how or None,
        "operating_points": points,
        "equal_error_rate": figures.equal_error_rate,
        "equal_error_rate_interval": _pair(intervals.equal_error_rate),
        "equal_error_threshold": figures.equal_error_threshold,
        "bootstrap": {
            "drawn": intervals.drawn,
            "units": intervals.units,
            "resamples": intervals.resamples,
            "left_out": intervals.left_out,
            "seed": intervals.seed,
            "level": 0.95,
        },
        "no_face": scores.no_face,
        "several_faces": scores.several,
    }


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _data(data: PairSet) -> dict[str, str]:
    what = "aligned crops" if data.aligned else "photos"
    return {
        f"pairs of {data.title}": f"{len(data.pairs):,} in {data.lists}, SHA-256 {data.lists_digest}",
        f"images of {data.title}": f"{len(data.images.names):,} {what}, SHA-256 {data.images.digest}",
    }
