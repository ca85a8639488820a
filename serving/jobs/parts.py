"""What kinds that go through a whole collection have in common: parts of it as items, and sums of what they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

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
    return some_at_a_time(map(_item, spans))


def _item(span: Span) -> NewItem:
    return NewItem(f"{PERSONS}{span.first}-{span.last}", {"first": span.first, "last": span.last})


def span_of(item: Item) -> Span:
    """The part that an item made by `span_items` stands for."""
    return Span(int(item.payload["first"]), int(item.payload["last"]))


def done(item: Item, result: Values) -> Outcome:
    """The item is done, with what it gave."""
    return Outcome(item.key, ItemState.DONE, result=result)


def records(gallery: Gallery, job: str, state: ItemState | None = None) -> Iterator[ItemRecord]:
    """Every item of a job, or those of one state, read in pages."""
    after: int | None = None
    while page := gallery.jobs.items(job, after=after, limit=LISTED_AT_ONCE, state=state):
        yield from page
        after = page[-1].key


def findings_of(gallery: Gallery, job: str) -> Iterator[Values]:
    """Everything that a job found, read in pages."""
    after: int | None = None
    while page := gallery.jobs.findings(job, after=after, limit=LISTED_AT_ONCE):
        yield from (one.body for one in page)
        after = page[-1].key


def some_at_a_time(items: Iterable[NewItem]) -> Iterator[Sequence[NewItem]]:
    """LISTED_AT_ONCE of them; of those with one key among these, the last."""
    rest = iter(items)
    while part := {item.item: item for item in islice(rest, LISTED_AT_ONCE)}:
        yield list(part.values())


def totals(gallery: Gallery, job: str) -> Counter[str]:
    """The whole numbers in the results of a job's items, added up by name."""
    summed: Counter[str] = Counter()
    for record in records(gallery, job):
        summed.update({name: value for name, value in record.result.items() if type(value) is int})
    return summed
