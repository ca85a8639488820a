"""From when on two templates look like one person, as a job's options say it; the same words for every kind."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from index.errors import UnknownCollection
from index.job_records import Job
from serving.jobs.kind import JobFailure, Options
from serving.jobs.parts import collection_of
from serving.scoring import Scale
from serving.service import Service

DEFAULT_FMR = 1e-6


class Likeness(Options):
    """A false match rate of one comparison, or a cosine; DEFAULT_FMR where neither is given."""

    max_fmr: float | None = Field(
        default=None, gt=0, lt=1, description="Rate at which two strangers count as alike; 1e-6 by default."
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Cosine from which two templates are alike, in place of a rate."
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.max_fmr is not None and self.threshold is not None:
            raise ValueError("give threshold or max_fmr, not both")
        return self

    def cosine(self, scale: Scale) -> float:
        """From when on. Raises JobFailure where a rate is asked for and nothing says what it means."""
        if self.threshold is not None:
            return self.threshold
        if scale.calibration is None:
            raise JobFailure("the served model pack has no calibration for this collection; give a threshold")
        return scale.calibration.threshold(self.max_fmr or DEFAULT_FMR)


def suits(service: Service, job: Job, options: Likeness) -> bool:
    """Whether this process can tell what the rate means: it serves the collection's contract."""
    if options.threshold is not None or job.collection is None:
        return True
    try:
        return service.served(service.gallery.collection(job.collection).contract_id) is not None
    except UnknownCollection:
        return True  # planning it says so


def scale_of(service: Service, job: Job) -> Scale:
    """What cosines of the job's collection mean, one comparison at a time; nothing where its pack is not served."""
    served = service.served(service.gallery.collection(collection_of(job)).contract_id)
    return Scale(None if served is None else served.pack.calibration)


def score(cosine: float, scale: Scale) -> dict[str, Any]:
    """A cosine and what it means, as findings say it."""
    level = scale.level(cosine)
    return {
        "cosine": round(cosine, 6),
        "match_level": None if level is None else round(level, 3),
        "false_match_rate": scale.rate(cosine),
    }
