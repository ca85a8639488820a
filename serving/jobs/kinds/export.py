"""Writes a collection as it is at one moment into one file of the data folder; reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from index.carried import CarriedPerson
from index.errors import LeaseLost
from index.gallery import Gallery
from index.job_records import ACTIVE, Claim, Job, NewItem, Values
from index.reading import Reading
from index.writing import Settlement, Writing
from serving.jobs.exported import header_of
from serving.jobs.exported_file import put_in_place, remove_halves, write_beside
from serving.jobs.kind import JobFailure, OfCollection, Options, Write
from serving.jobs.parts import collection_of, done, records
from serving.jobs.results import FOLDER
from serving.service import Service

SPAN = 100
"""Persons read at once; all are of one moment."""


class ExportOptions(Options):
    """What goes along."""

    crops: bool = Field(default=True, description="Whether kept crops go along, which re-embedding needs.")


class Export(OfCollection):
    """See docs/job-kinds.md. One item, one file, one read transaction: an attempt that is interrupted begins anew."""

    name = "export"
    batch = 1
    options: type[Options] = ExportOptions

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        service.gallery.collection(collection_of(job))
        yield [NewItem("file")]

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work. The file gets its name in the transaction that settles the item, so it is the one that the
        result tells of, whoever else began it too.
        """
        job, (item,) = claim.job, claim.items
        options = ExportOptions.model_validate(job.options)
        path = _path(service, job)
        remove_halves(path)
        with service.gallery.reading() as reading:
            collection = reading.collection(collection_of(job))
            header = header_of(collection, datetime.now(UTC))
            persons = _persons(reading, service.gallery, job, with_crops=options.crops)
            try:
                beside, written = write_beside(path, header, persons)
            except OSError as error:
                raise JobFailure(
                    f"the export could not be written: {error.strerror}; resume the job when there is room"
                ) from error
        result = {"file": path.name, **vars(written), "contract_id": collection.contract_id}

        def write(writing: Writing) -> Settlement:
            try:
                writing.require(claim)
                put_in_place(beside, path)
                writing.exported(collection.id, written.faces)
            finally:
                beside.unlink(missing_ok=True)
            return Settlement([done(item, result)])

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        (record,) = records(service.gallery, claim.job.id)
        if not record.result:
            raise JobFailure("the file was not written; resume the job to try again")
        return record.result


EXPORT = Export()


def _path(service: Service, job: Job) -> Path:
    return service.settings.folder / FOLDER / f"{job.id}.jsonl"


def _persons(reading: Reading, gallery: Gallery, job: Job, *, with_crops: bool) -> Iterator[CarriedPerson]:
    """Everybody, by number. Raises LeaseLost when the job is cancelled meanwhile."""
    for span in reading.spans(collection_of(job), SPAN):
        if gallery.jobs.get(job.id).state not in ACTIVE:
            raise LeaseLost(f"job {job.id} has ended; its file is not written")
        yield from reading.carried(collection_of(job), span, with_crops=with_crops)
