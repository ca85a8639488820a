"""Removes the next or previous form of a collection, some persons at a time, so that no writer waits long."""

from __future__ import annotations

from index.job_records import Claim
from index.records import Role
from serving.jobs.parts import collection_of
from serving.service import Service


def discard(service: Service, claim: Claim, role: Role, contract_id: str) -> None:
    """Returns when nothing of the form is left. Raises UnknownForm, LeaseLost."""
    while not service.gallery.forms.thin(collection_of(claim.job), role, contract_id, claim):
        pass
