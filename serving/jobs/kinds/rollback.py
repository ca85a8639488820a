"""The kind `rollback`: the form that was live before, brought in step with what changed since, is live again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from index.job_records import Claim, Job, NewItem
from index.records import Collection, Role
from serving.jobs.kind import JobFailure, Options
from serving.jobs.reembedding.change import Change, ChangeOfForm, ChangeOptions
from serving.service import Service


class RollbackOptions(ChangeOptions):
    """As the change to go back from."""


class Rollback(ChangeOfForm):
    """See docs/jobs.md. The form that was live becomes the previous one, so that a second rollback undoes the first."""

    name = "rollback"
    role = Role.PREVIOUS
    options: type[Options] = RollbackOptions

    def check(self, service: Service, collection: str, options: Mapping[str, Any]) -> None:
        """Raises JobFailure where there is no previous form, or this service could not answer by it."""
        contract = _previous(service, service.gallery.collection(collection))
        if contract is None:
            raise JobFailure(
                f"collection {collection!r} has no previous form; there is nothing to go back to"
            )
        if service.served(contract) is None:
            raise JobFailure(
                f"the previous form of collection {collection!r} has contract {contract}, which is not served here; "
                "start the service with --also-pack"
            )

    def target(self, service: Service, found: Collection, job: Job) -> str | None:
        """See ChangeOfForm."""
        return _previous(service, found)

    def items(self, service: Service, job: Job, change: Change) -> Iterator[Sequence[NewItem]]:
        """See ChangeOfForm. Little has changed: `finish` lists whom it finds to differ."""
        return iter(())

    def make_room(self, service: Service, claim: Claim, change: Change) -> None:
        """See ChangeOfForm: the two forms change places, and nothing is in the way."""


ROLLBACK = Rollback()


def _previous(service: Service, found: Collection) -> str | None:
    for form in service.gallery.forms.siblings(found.id):
        if form.role is Role.PREVIOUS:
            return form.contract_id
    return None
