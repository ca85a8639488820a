"""Answers a request by the pack of its collection's contract, anew where that changed meanwhile; compares nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.to_thread import run_sync

from index.errors import ContractMismatch
from index.records import Collection
from serving.errors import invalid_request, let_go
from serving.overload import refuse_when_full
from serving.service import ServedPack, Service

T = TypeVar("T")

TRIES = 3
"""An exchange takes a moment and the next one minutes of work: the second try is one too many already."""


async def by_contract(
    service: Service, collection: str, answer: Callable[[Collection, ServedPack], Awaitable[T]]
) -> T:
    """What `answer` says of the collection as it is, and of the pack of its contract.

    Whoever embeds by that pack meets ContractMismatch in a search or write only where the collection's forms were
    exchanged since: then all is done again with the new pack. Raises UnknownCollection, ContractMismatch where the
    contract is not served here or the caller's own is another, ApiError 429, and what `answer` raises.
    """
    for left in reversed(range(TRIES)):
        refuse_when_full(service)
        with service.pipeline.admission.coming():
            found = await run_sync(service.gallery.collection, collection)
        served = service.of(found)
        try:
            return await answer(found, served)
        except ContractMismatch as error:
            if not left:
                raise
            let_go(error)
    raise AssertionError("the last try returns or raises")


def asked_pack(service: Service, pack: str | None) -> ServedPack:
    """The pack a request names by its name or contract; the main one where it names none. Raises ApiError 422."""
    if pack is None:
        return service.packs[0]
    found = service.named(pack)
    if found is None:
        served = ", ".join(f"{one.pack.name} ({one.pack.contract_id})" for one in service.packs)
        raise invalid_request(
            [{"field": "pack", "problem": f"{pack[:80]!r} is not served; served are {served}"}]
        )
    return found
