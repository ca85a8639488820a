"""The kind `discard`: forgets the next or the previous form of a collection; the live one is not touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from index.job_records import Claim, Job, NewItem, Values
from index.records import Role, Sibling
from index.writing import Settlement
from serving.jobs.kind import JobFailure, OfCollection, Options, Write
from serving.jobs.parts import collection_of, done, records
from serving.jobs.reembedding.discarding import discard
from serving.service import Service


class DiscardOptions(Options):
    """Which form."""

    form: Literal["next", "previous"] = Field(
        description="next: what a re-embedding has made so far; previous: what a rollback would go back to."
    )


class Discard(OfCollection):
    """See docs/jobs.md. Its one item remembers the form's contract, so that a repeated end removes no other form."""

    name = "discard"
    batch = 1
    options: type[Options] = DiscardOptions

    def check(self, service: Service, collection: str, options: Mapping[str, Any]) -> None:
        """Raises JobFailure where there is no such form."""
        _form(service, collection, DiscardOptions.model_validate(options))

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan."""
        form = _form(service, collection_of(job), DiscardOptions.model_validate(job.options))
        yield [
            NewItem("form", {"contract_id": form.contract_id, "persons": form.persons, "faces": form.faces})
        ]

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        outcomes = [done(item, dict(item.payload)) for item in claim.items]
        return lambda _: Settlement(outcomes)

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        role = Role(DiscardOptions.model_validate(claim.job.options).form)
        (record,) = records(service.gallery, claim.job.id)
        contract = str(record.result["contract_id"])
        siblings = service.gallery.forms.siblings(collection_of(claim.job))
        if any((one.role, one.contract_id) == (role, contract) for one in siblings):
            discard(service, claim, role, contract)
        return {"form": str(role), **record.result}


DISCARD = Discard()


def _form(service: Service, collection: str, options: DiscardOptions) -> Sibling:
    for form in service.gallery.forms.siblings(collection):
        if form.role == options.form:
            return form
    raise JobFailure(f"collection {collection!r} has no {options.form} form")
