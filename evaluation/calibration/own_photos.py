"""All pairs of anybody's own photos counted: the calibration, every threshold, today's rates; shows nothing."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.all_pairs.genuine import GenuinePairs, genuine_pairs
from evaluation.all_pairs.impostors import AllPairs, count_all_pairs
from evaluation.all_pairs.rates import Rate, false_match_rates, false_non_match_rates
from evaluation.all_pairs.strongest import StrongestPairs, lowest_for, strongest_pairs
from evaluation.calibration.curve import calibrate
from evaluation.calibration.pack_thresholds import Operating, operating_points
from evaluation.calibration.tail import Tail
from evaluation.calibration.thresholds import Statement, gallery_rates, people_needed, state, tail_or_none
from evaluation.datasets.images import DatasetError
from evaluation.datasets.people_folder import PeopleFolder
from evaluation.embedding.people import PeopleEmbeddings, embed_people
from evaluation.embedding.sources import EmbeddingSource
from evaluation.resampling import RESAMPLES
from faces.calibration import Calibration

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
ALIKE = 10
"""Pairs of people named as the most alike."""


@dataclass(frozen=True)
class OwnMeasurement:
    """Everything that was counted on the photos.

    statements: one for each of LEVELS; galleries: for gallery_rates(). rejected: the false non-match rate at each
    offered cosine of LEVELS, empty where nobody has two photos. today: false match and non-match rate at each of the
    operating points.
    """

    embedded: PeopleEmbeddings
    pairs: AllPairs
    calibration: Calibration
    strongest: StrongestPairs
    genuine: GenuinePairs
    operating: Operating
    tail: Tail | None
    statements: tuple[Statement, ...]
    galleries: tuple[Statement, ...]
    rejected: tuple[Rate, ...]
    today: tuple[tuple[Rate, Rate | None], ...]


def measure_own(
    source: EmbeddingSource, folder: PeopleFolder, *, resamples: int = RESAMPLES, seed: int = 0
) -> OwnMeasurement:
    """Embeds the photos and counts. DatasetError where the people are too few, saying how many it takes."""
    embedded = embed_people(source, folder)
    pairs = count_all_pairs(embedded.rows, embedded.people, strongest=50 * ALIKE)
    calibration = own_calibration(pairs, folder, embedded)
    operating = operating_points(source, pairs)
    cosines = [cosine for _, cosine in operating.points]
    # Down to a decade above the floor, from which the straight line starts; draws vary, hence half as much again.
    loosest = 1.5 * max(LEVELS[0], 10 * calibration.floor)
    lowest = min([lowest_for(pairs, min(1.0, loosest)), *cosines])
    strongest = strongest_pairs(embedded.rows, embedded.people, lowest)
    genuine = genuine_pairs(embedded.rows, embedded.people)
    has_genuine = bool(genuine.cosines.size)
    rates = [fmr for _, _, fmr in gallery_rates()]
    statements = state((*LEVELS, *rates), calibration, strongest, resamples=resamples, seed=seed)
    own = [statement.offered.cosine for statement in statements[: len(LEVELS)]]
    matched = false_match_rates(strongest, cosines, resamples=resamples, seed=seed)
    rejected: list[Rate] = []
    today: list[tuple[Rate, Rate | None]] = [(rate, None) for rate in matched]
    if has_genuine:
        all_rejected = false_non_match_rates(genuine, [*own, *cosines], resamples=resamples, seed=seed)
        rejected = all_rejected[: len(own)]
        today = list(zip(matched, all_rejected[len(own) :], strict=True))
    return OwnMeasurement(
        embedded=embedded,
        pairs=pairs,
        calibration=calibration,
        strongest=strongest,
        genuine=genuine,
        operating=operating,
        tail=tail_or_none(strongest),
        statements=tuple(statements[: len(LEVELS)]),
        galleries=tuple(statements[len(LEVELS) :]),
        rejected=tuple(rejected),
        today=tuple(today),
    )


def own_calibration(pairs: AllPairs, folder: PeopleFolder, embedded: PeopleEmbeddings) -> Calibration:
    """calibrate() with the words for a manifest; DatasetError where the people are too few or too alike."""
    people = len(set(embedded.people))
    data = (
        f"own photos {folder.images.digest[:12]}: {int(pairs.impostor.sum())} pairs of different people, all among "
        f"{len(embedded.names)} photos of {people} people, each pair of people with one vote"
    )
    try:
        return calibrate(pairs, data)
    except ValueError as error:
        raise DatasetError(
            f"{folder.images.source}: no calibration from {people} people ({error}). Thirty pairs of people are there "
            f"from {people_needed(1.0)} people on; to count a false match rate of 0.01 takes {people_needed(1e-2)}, "
            f"0.001 {people_needed(1e-3)}, 0.0001 {people_needed(1e-4)}"
        ) from error
