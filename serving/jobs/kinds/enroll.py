"""The kind `enroll`: photos or templates of a source into a collection, each once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from index.errors import UnknownCollection
from index.job_records import Claim, ItemState, Job, NewItem, Values
from index.writing import Settlement, Writing
from serving.jobs.enrolling import photos, templates
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.enrolling.samples import write
from serving.jobs.kind import JobFailure, Options, Write
from serving.jobs.parts import records, some_at_a_time
from serving.jobs.sources.source import Listed, SourceError
from serving.jobs.sources.templates import Templates
from serving.service import Service


class Enroll:
    """See Kind. A face has the digest of its photo as source; with the same person it is enrolled once."""

    name = "enroll"
    batch = 32
    options: type[Options] = EnrollOptions
    needs_collection = True
    local = frozenset({"source"})

    def suits(self, service: Service, job: Job) -> bool:
        """The source is within reach, and photos are to be analysed by a pack that is served here."""
        options = EnrollOptions.model_validate(job.options)
        if not options.source.visible():
            return False
        if isinstance(options.source, Templates):
            return True
        try:
            collection = service.gallery.collection(job.collection or "")
        except UnknownCollection:
            return True  # whoever takes it up says so, and the job ends
        return service.served(collection.contract_id) is not None

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        options = EnrollOptions.model_validate(job.options)
        if isinstance(options.source, Templates):
            templates.contract(options, options.source)
        try:
            yield from some_at_a_time(map(_item, options.source.listing()))
        except SourceError as error:
            raise JobFailure(str(error)) from error

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        options = EnrollOptions.model_validate(claim.job.options)
        collection = claim.job.collection
        assert collection is not None
        if isinstance(options.source, Templates):
            ready = templates.prepare(service, claim, options.source)
            # Without a template to write the contract may not be known: the file is gone.
            contract_id = templates.contract(options, options.source) if ready.samples else ""
        else:
            served = service.of(service.gallery.collection(collection))
            contract_id = served.pack.contract_id
            ready = photos.prepare(service, served.pipeline, claim, options.source, options)

        def written(writing: Writing) -> Settlement:
            return write(writing, collection, ready, contract_id=contract_id)

        return written

    def finish(self, service: Service, claim: Claim) -> Values:
        """What it came to. seconds: from when it was first taken up, pauses included."""
        job = claim.job
        enrolled, already, persons = _counted(service, job)
        begun = job.started_at or job.created_at
        seconds = max((datetime.now(UTC) - begun).total_seconds(), 1e-3)
        return {
            "enrolled": enrolled,
            "persons": persons,
            "already": already,
            "rejected": job.rejected,
            "failed": job.failed,
            "seconds": round(seconds, 3),
            "photos_per_second": round(job.settled / seconds, 2),
        }


ENROLL = Enroll()


def _item(listed: Listed) -> NewItem:
    payload = dict(listed.where)
    for name, value in (("person", listed.person), ("name", listed.name), ("invalid", listed.invalid)):
        if value:
            payload[name] = value
    return NewItem(listed.item, payload)


def _counted(service: Service, job: Job) -> tuple[int, int, int]:
    """Photos enrolled, photos that were there already, and persons with one of either."""
    enrolled = already = 0
    persons: set[str] = set()
    for item in records(service.gallery, job.id, ItemState.DONE):
        already += bool(item.result.get("already"))
        enrolled += not item.result.get("already")
        persons.add(str(item.result["person"]))
    return enrolled, already, len(persons)
