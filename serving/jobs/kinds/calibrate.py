"""Measures on a collection's own persons how often strangers reach a cosine; changes nothing, not even a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from evaluation.all_pairs.impostors import AllPairs, count_all_pairs
from evaluation.all_pairs.rates import Rate, false_match_rates
from evaluation.all_pairs.strongest import StrongestPairs, lowest_for, strongest_pairs
from evaluation.calibration.curve import calibrate
from evaluation.calibration.thresholds import Basis, Statement, people_needed, state
from faces.calibration import Calibration
from index.job_records import Claim, Job, NewItem, Values
from index.reading import PersonRows, Reading
from index.records import Fusion
from index.store.persons import AT_ONCE
from serving.jobs.kind import JobFailure, OfCollection, Options, Write
from serving.jobs.likeness import scale_of
from serving.jobs.parts import collection_of
from serving.service import Service

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
RESAMPLES = 200
CELLS = 1 << 22
"""Cosines held at once."""
WARNING = (
    "Two persons of the collection who are one, or an enrolment of a wrong photo, count as strangers that look alike "
    "and raise the rates: run a dedup job first."
)


class CalibrateOptions(Options):
    """What is compared, and how much of it."""

    of: Literal["faces", "means"] = Field(
        default="faces", description="Single faces, as the packs' calibrations; or one mean a person."
    )
    rows: int = Field(default=10_000, ge=10, le=50_000, description="Templates compared at most.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the sample, where there are more.")


class Calibrate(OfCollection):
    """See docs/job-kinds.md."""

    name = "calibrate"
    batch = 1
    options: type[Options] = CalibrateOptions

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan. One measurement of one moment: it has no items, and `finish` does it."""
        service.gallery.collection(collection_of(job))
        return iter(())

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        raise JobFailure("a calibration has no items")

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        options = CalibrateOptions.model_validate(claim.job.options)
        with service.gallery.reading() as reading:
            everybody = reading.with_faces(collection_of(claim.job))
            sample = _sample(reading, collection_of(claim.job), everybody, options)
        pairs, strongest, calibration = _count(sample)
        served = scale_of(service, claim.job).calibration
        return {
            "of": options.of,
            "persons": len(everybody),
            "compared_persons": len(np.unique(sample.keys)),
            "compared_rows": len(sample.rows),
            "sampled": len(np.unique(sample.keys)) < len(everybody),
            "seed": options.seed,
            "pairs": int(pairs.impostor.sum()),
            "counted_down_to": calibration.floor,
            "levels": _levels(calibration, strongest, options.seed),
            "served": [] if served is None else _served(served, strongest, options.seed),
            "warning": WARNING,
        }


CALIBRATE = Calibrate()


def _sample(
    reading: Reading, collection: str, everybody: NDArray[np.int64], options: CalibrateOptions
) -> PersonRows:
    """Whole persons in an order drawn by the seed, as many as the rows allow."""
    fusion = Fusion.MEAN if options.of == "means" else Fusion.SAMPLES
    drawn = np.random.default_rng(options.seed).permutation(everybody)
    keys, rows, ids, left = [], [], {}, options.rows
    for start in range(0, len(drawn), AT_ONCE):
        part = reading.rows_of(collection, sorted(drawn[start : start + AT_ONCE].tolist()), fusion)
        keys.append(part.keys[:left])
        rows.append(part.rows[:left])
        ids.update(part.ids)
        left -= len(keys[-1])
        if left <= 0:
            break
    if not keys:
        keys, rows = [np.empty(0, np.int64)], [np.empty((0, 1), np.float32)]
    return PersonRows(np.concatenate(keys), np.concatenate(rows), ids)


def _count(sample: PersonRows) -> tuple[AllPairs, StrongestPairs, Calibration]:
    people = [str(key) for key in sample.keys.tolist()]
    if len(set(people)) < people_needed(1.0):
        raise JobFailure(
            f"{len(set(people))} persons of the collection have a face; rates of strangers need {people_needed(1.0)} "
            f"at least, and {people_needed(1e-3)} to count a rate of 1e-3"
        )
    units = sample.rows / np.linalg.norm(sample.rows, axis=1, keepdims=True)
    block = max(16, CELLS // len(units))
    pairs = count_all_pairs(units, people, block=block)
    calibration = calibrate(pairs, "the collection's own persons")
    lowest = lowest_for(pairs, min(1.0, 1.5 * max(LEVELS[0], 10 * calibration.floor)))
    return pairs, strongest_pairs(units, people, lowest, block=block), calibration


def _levels(calibration: Calibration, strongest: StrongestPairs, seed: int) -> list[dict[str, Any]]:
    """The cosine of each rate, with the 95 % interval of a bootstrap over persons, and whether it was counted."""
    return [_level(one) for one in state(LEVELS, calibration, strongest, resamples=RESAMPLES, seed=seed)]


def _level(statement: Statement) -> dict[str, Any]:
    offered = statement.offered
    interval = offered.interval
    return {
        "max_fmr": offered.fmr,
        "cosine": round(offered.cosine, 4),
        "low": None if interval is None else round(interval.low, 4),
        "high": None if interval is None else round(interval.high, 4),
        "counted": offered.basis is Basis.COUNTED,
        "persons_needed": people_needed(offered.fmr),
    }


def _served(served: Calibration, strongest: StrongestPairs, seed: int) -> list[dict[str, Any]]:
    """How often strangers of the collection pass where the served pack's calibration says how often they should."""
    points = [(fmr, served.threshold(fmr)) for fmr in LEVELS]
    points = [(fmr, cosine) for fmr, cosine in points if cosine >= strongest.lowest]
    rates = false_match_rates(strongest, [cosine for _, cosine in points], resamples=RESAMPLES, seed=seed)
    return [_against(fmr, cosine, rate) for (fmr, cosine), rate in zip(points, rates, strict=True)]


def _against(fmr: float, cosine: float, rate: Rate) -> dict[str, Any]:
    return {
        "max_fmr": fmr,
        "cosine": round(cosine, 4),
        "measured_fmr": rate.value,
        "low": rate.interval.low,
        "high": rate.interval.high,
        "times": round(rate.value / fmr, 3),
    }
