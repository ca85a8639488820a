"""Who asks, and what they may do: turns a request's key into a principal. Keys themselves are in keys.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from index.audit_records import Actor, act_as
from index.errors import UnknownCollection
from index.key_records import reaches
from serving.errors import ApiError
from serving.keys import Key
from serving.scopes import REACH, Scope
from serving.service import Service


@dataclass(frozen=True)
class Principal:
    """id: the key's, or `local` where keys are off; idempotency keys and jobs belong to it.

    collections: names and prefixes it is limited to, None for none.
    """

    id: str
    scope: Scope
    collections: tuple[str, ...] | None = None

    def allows(self, scope: Scope) -> bool:
        """True when this principal may do what needs `scope`."""
        return scope in REACH[self.scope]

    def require(self, scope: Scope) -> None:
        """Raises ApiError 403 unless this principal may do what needs `scope`."""
        if not self.allows(scope):
            message = f"This key has the scope '{self.scope}'; the request needs '{scope}'."
            raise ApiError(403, "forbidden", message, {"needs": scope.value, "has": self.scope.value})

    @property
    def limited(self) -> bool:
        """True when there are collections that this principal may not know of."""
        return self.collections is not None

    def reaches(self, collection: str | None) -> bool:
        """True when this principal may know of a collection; of what is in none, only who is not limited."""
        if collection is None:
            return not self.limited
        return reaches(self.collections, collection)

    def see(self, collection: str) -> None:
        """Raises UnknownCollection, as for one that is not there, unless this principal may know of it."""
        if not self.reaches(collection):
            raise UnknownCollection(f"there is no collection {collection[:255]!r}")

    def require_all(self) -> None:
        """Raises ApiError 403 where this principal is limited to some collections."""
        if self.limited:
            raise ApiError(
                403, "forbidden", "This key is limited to some collections; this tells of all of them."
            )


async def service_of(request: Request) -> Service:
    """The opened service behind this application. A coroutine: FastAPI sends other functions to a thread each."""
    service: Service = request.app.state.service
    return service


def presented_key(request: Request) -> str | None:
    """The key of `Authorization: Bearer` or `X-Api-Key`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("x-api-key")


async def fresh_keys(service: Service) -> None:
    """From here a look at the keys waits for no store. Raises StoreUnavailable."""
    if service.settings.keys_required and service.keys.stale:
        await run_sync(service.keys.refresh)


def anybody(request: Request) -> Principal:
    """Who asks where keys are off; the audit calls them so."""
    act_as(Actor("local", _request_id(request)))
    return Principal("local", Scope.ADMIN)


def admit(request: Request, service: Service, key: Key) -> Principal:
    """The principal of a key that was shown to be the caller's: counted, and named in what the request writes.

    Raises ApiError 429 where the key has asked too often.
    """
    rate = key.rate or service.settings.rate
    if rate:
        allowance = service.limits.of_key(key.id, rate)
        request.state.rate_limit = allowance.headers
        if not allowance.allowed:
            seconds = allowance.headers["Retry-After"]
            message = f"This key may send {rate:g} requests a second; try again in {seconds} s."
            raise ApiError(429, "rate_limited", message, {"rate": rate}, allowance.headers)
    service.recorder.used(key)
    act_as(Actor(key.id, _request_id(request)))
    return Principal(key.id, key.scope, key.collections)


def refuse_wrong_key(request: Request, service: Service) -> None:
    """Counts a wrong key of the caller's address. Raises ApiError 429 where there were too many of late."""
    address = request.client.host if request.client is not None else "unknown"
    allowance = service.limits.wrong_key(address)
    if not allowance.allowed:
        message = (
            "Too many requests with keys that are not known here came from this address; try again later."
        )
        headers = {"Retry-After": allowance.headers["Retry-After"]}
        raise ApiError(429, "rate_limited", message, headers=headers)


NEEDED: dict[Callable[..., Any], Scope] = {}
"""The scope that each dependency made by `needs` asks for, so that the OpenAPI document can tell it."""


def needs(scope: Scope, *, everything: bool = False) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets through who may do what `scope` covers: else 401, 403, or 404 for a collection of the path
    that is not granted. everything: only who is not limited to some collections.
    """

    async def check(request: Request) -> Principal:
        service = await service_of(request)
        if not service.settings.keys_required:
            return anybody(request)
        text = presented_key(request)
        if text is None:
            message = "An API key is needed: send it as 'Authorization: Bearer KEY'."
            raise ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        await fresh_keys(service)
        key = service.keys.find(text)
        if key is None:
            refuse_wrong_key(request, service)
            message = "This API key is not known here; it may have been revoked or have expired."
            raise ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        who = admit(request, service, key)
        who.require(scope)
        if everything:
            who.require_all()
        if "collection" in request.path_params:
            who.see(request.path_params["collection"])
        return who

    NEEDED[check] = scope
    return check


def _request_id(request: Request) -> str | None:
    return getattr(request.state, "request_id", None)


ServiceDep = Annotated[Service, Depends(service_of)]
Reader = Annotated[Principal, Depends(needs(Scope.READ))]
Enroller = Annotated[Principal, Depends(needs(Scope.ENROL))]
Admin = Annotated[Principal, Depends(needs(Scope.ADMIN))]
Overseer = Annotated[Principal, Depends(needs(Scope.READ, everything=True))]
Administrator = Annotated[Principal, Depends(needs(Scope.ADMIN, everything=True))]
