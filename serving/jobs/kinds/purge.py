"""Removes faces or persons that are older than so many days from rows, crops, index and snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from index.carried import Purged, Span
from index.job_records import Claim, Job, NewItem, Values
from index.store import clock
from index.writing import Settlement, Writing
from serving.jobs.kind import OfCollection, Options, Write
from serving.jobs.parts import collection_of, done, span_items, span_of, totals
from serving.service import Service

SPAN = 200


class PurgeOptions(Options):
    """Age is counted back from when the job was made, so that a job which waits removes no more than was asked."""

    days: float = Field(gt=0, le=36_500, description="Age from which they go.")
    by: Literal["face", "person"] = Field(
        default="face", description="face: by when it was enrolled. person: by when it was changed last."
    )
    remove_empty: bool = Field(
        default=True, description="Whether a person goes whose last face has gone; else they stay, unfound."
    )
    dry_run: bool = Field(default=False, description="Only counts.")


class Purge(OfCollection):
    """See docs/job-kinds.md."""

    name = "purge"
    batch = 4
    options: type[Options] = PurgeOptions

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        return span_items(service, job, SPAN)

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work. What is old is found in the very transaction that removes it."""
        job = claim.job
        options = PurgeOptions.model_validate(job.options)
        if options.dry_run:
            counted = [_would_go(service, job, options, span_of(item)) for item in claim.items]
            outcomes = [done(item, vars(purged)) for item, purged in zip(claim.items, counted, strict=True)]
            return lambda _: Settlement(outcomes)

        def write(writing: Writing) -> Settlement:
            return Settlement(
                [done(item, vars(_remove(writing, job, options, span_of(item)))) for item in claim.items]
            )

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish. A snapshot still holds what it held; a new one does not."""
        options = PurgeOptions.model_validate(claim.job.options)
        counted = totals(service.gallery, claim.job.id)
        renewed = False
        if not options.dry_run and counted["faces"]:
            renewed = service.gallery.snapshot(collection_of(claim.job))
        return {
            "faces": counted["faces"],
            "persons": counted["persons"],
            "before": _before(claim.job, options).isoformat(),
            "dry_run": options.dry_run,
            "snapshot_renewed": renewed,
        }


PURGE = Purge()


def _before(job: Job, options: PurgeOptions) -> datetime:
    return job.created_at - timedelta(days=options.days)


def _would_go(service: Service, job: Job, options: PurgeOptions, span: Span) -> Purged:
    before = clock.microseconds(_before(job, options))
    with service.gallery.reading() as reading:
        if options.by == "person":
            return reading.old_persons(collection_of(job), span, before)
        return reading.old_faces(collection_of(job), span, before, remove_empty=options.remove_empty)


def _remove(writing: Writing, job: Job, options: PurgeOptions, span: Span) -> Purged:
    before = clock.microseconds(_before(job, options))
    if options.by == "person":
        return writing.purge_persons(collection_of(job), span, before)
    return writing.purge_faces(collection_of(job), span, before, remove_empty=options.remove_empty)
