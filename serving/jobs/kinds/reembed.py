"""The kind `reembed`: a collection under another model contract, made beside the live one while that answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from index.errors import FormConflict
from index.job_records import Claim, Job, NewItem
from index.records import Collection, Role, Sibling
from serving.jobs.kind import JobFailure, Options
from serving.jobs.parts import collection_of, span_items
from serving.jobs.reembedding.change import SPAN, Change, ChangeOfForm, ChangeOptions
from serving.jobs.reembedding.discarding import discard
from serving.service import Service


class ReembedOptions(ChangeOptions):
    """The pack, and what happens when all is done."""

    to: str = Field(
        min_length=1, max_length=255, description="The pack to go to: name or contract of a served one."
    )
    switch: bool = Field(default=True, description="Makes the new form the live one when it is whole.")
    discard_previous: bool = Field(
        default=False,
        description="An older previous form that is still kept makes room before the switch.",
    )


class Reembed(ChangeOfForm):
    """See docs/jobs.md. Cancelled or failed, the next form stays for `resume`; the kind `discard` removes it."""

    name = "reembed"
    role = Role.NEXT
    options: type[Options] = ReembedOptions

    def check(self, service: Service, collection: str, options: Mapping[str, Any]) -> None:
        """Raises JobFailure where the job could not begin, or its end would leave this service without an answer."""
        chosen = ReembedOptions.model_validate(options)
        found = service.gallery.collection(collection)
        served = service.named(chosen.to)
        if served is None:
            names = ", ".join(f"{one.pack.name} ({one.pack.contract_id})" for one in service.packs)
            raise JobFailure(
                f"no pack {chosen.to!r} is served here; served are {names}. A service answers for a collection by its "
                "contract: start it with --also-pack, then re-embed"
            )
        _check(found, service.gallery.forms.siblings(collection), served.pack.contract_id, chosen)

    def target(self, service: Service, found: Collection, job: Job) -> str | None:
        """See ChangeOfForm."""
        served = service.named(ReembedOptions.model_validate(job.options).to)
        return None if served is None else served.pack.contract_id

    def items(self, service: Service, job: Job, change: Change) -> Iterator[Sequence[NewItem]]:
        """See ChangeOfForm."""
        found = service.gallery.collection(change.collection)
        siblings = service.gallery.forms.siblings(change.collection)
        _check(found, siblings, change.new, ReembedOptions.model_validate(job.options))
        served = service.served(change.new)
        if served is None:
            raise JobFailure(f"no pack of contract {change.new} is served here any more")
        try:
            service.gallery.forms.begin(change.collection, change.new, served.pack.dimension)
        except FormConflict as error:
            raise JobFailure(str(error)) from error
        for part in span_items(service, job, SPAN):
            yield [
                replace(item, payload={**item.payload, "from": change.old, "to": change.new}) for item in part
            ]

    def switches(self, job: Job) -> bool:
        """See ChangeOfForm."""
        return ReembedOptions.model_validate(job.options).switch

    def make_room(self, service: Service, claim: Claim, change: Change) -> None:
        """See ChangeOfForm."""
        if not ReembedOptions.model_validate(claim.job.options).discard_previous:
            return
        for form in service.gallery.forms.siblings(collection_of(claim.job)):
            if form.role is Role.PREVIOUS:
                discard(service, claim, form.role, form.contract_id)


REEMBED = Reembed()


def _check(found: Collection, siblings: Sequence[Sibling], to: str, options: ReembedOptions) -> None:
    """Raises JobFailure, saying what is in the way of a new form of contract `to`."""
    if found.contract_id == to:
        raise JobFailure(f"collection {found.id!r} has the contract {to} already")
    if found.faces and not found.keep_crops and options.originals is None:
        raise JobFailure(
            f"collection {found.id!r} keeps no crops, so its {found.faces} faces cannot be embedded again; give the "
            "folder of the photos as `originals` (on the command line of the service's machine)"
        )
    for form in siblings:
        if form.role is Role.NEXT and form.contract_id != to:
            raise JobFailure(
                f"collection {found.id!r} is being re-embedded to {form.contract_id}; end that job, and discard its "
                "form by a `discard` job"
            )
        if form.role is Role.PREVIOUS and form.contract_id == to:
            raise JobFailure(
                f"the previous form of collection {found.id!r} has the contract {to}: a `rollback` job goes back to it"
            )
        if form.role is Role.PREVIOUS and options.switch and not options.discard_previous:
            raise JobFailure(
                f"collection {found.id!r} still keeps its previous form, of contract {form.contract_id}; give "
                "`discard_previous`, or make a `discard` job first"
            )
