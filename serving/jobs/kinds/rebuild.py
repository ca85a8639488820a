"""Makes a collection's vector index anew from the store, in every process that follows it, and its snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from index.job_records import Claim, Job, NewItem, Values
from index.writing import Settlement, Writing
from serving.jobs.kind import OfCollection, Options, Write
from serving.jobs.parts import collection_of, done
from serving.service import Service


class RebuildOptions(Options):
    """None."""


class Rebuild(OfCollection):
    """See docs/job-kinds.md."""

    name = "rebuild"
    batch = 1
    options: type[Options] = RebuildOptions

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        service.gallery.collection(collection_of(job))
        yield [NewItem("index")]

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work. The change log asks for it: this process obeys before the settlement returns, others when
        they follow next.
        """
        collection = collection_of(claim.job)
        outcomes = [done(item, {}) for item in claim.items]

        def write(writing: Writing) -> Settlement:
            writing.rebuild_index(collection)
            return Settlement(outcomes)

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        collection = collection_of(claim.job)
        written = service.gallery.snapshot(collection)
        (now,) = [one for one in service.gallery.stats() if one.collection == collection]
        return {
            "engine": now.engine,
            "rows": now.rows,
            "bytes": now.bytes,
            "revision": now.revision,
            "snapshot_written": written,
            "snapshot_revision": now.snapshot_revision,
        }


REBUILD = Rebuild()
