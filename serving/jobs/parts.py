"""What kinds that go through a whole collection have in common: parts of it as items, and sums of what they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from index.carried import Span
from index.gallery import Gallery
from index.job_records import Item, ItemRecord, ItemState, Job, NewItem, Outcome, Values
from serving.jobs.kind import JobFailure
from serving.service import Service

LISTED_AT_ONCE = 1000
PERSONS = "persons "


def collection_of(job: Job) -> str:
    """The collection a job is about. Raises JobFailure where it names none."""
    if job.collection is None:
        raise JobFailure(f"a job of kind {job.kind!r} needs a collection")
    return job.collection


def span_items(service: Service, job: Job, size: int) -> Iterator[Sequence[NewItem]]:
    """Every part of the job's collection as an item, some at a time; the same ones again after a crash."""
    with service.gallery.reading() as reading:
        spans = reading.spans(collection_of(job), size)
    for start in range(0, len(spans), LISTED_AT_ONCE):
        yield [_item(span) for span in spans[start : start + LISTED_AT_ONCE]]


def _item(span: Span) -> NewItem:
    return NewItem(f"{PERSONS}{span.first}-{span.last}", {"first": span.first, "last": span.last})


def span_of(item: Item) -> Span:
    """The part that an item made by `span_items` stands for."""
    return Span(int(item.payload["first"]), int(item.payload["last"]))


def done(item: Item, result: Values) -> Outcome:
    """The item is done, with what it gave."""
    return Outcome(item.key, ItemState.DONE, result=result)


def records(gallery: Gallery, job: str) -> Iterator[ItemRecord]:
    """Every item of a job, read in pages."""
    after: int | None = None
    while page := gallery.jobs.items(job, after=after, limit=LISTED_AT_ONCE):
        yield from page
        after = page[-1].key


def totals(gallery: Gallery, job: str) -> Counter[str]:
    """The whole numbers in the results of a job's items, added up by name."""
    summed: Counter[str] = Counter()
    for record in records(gallery, job):
        summed.update({name: value for name, value in record.result.items() if type(value) is int})
    return summed
