"""Who asks, and what they may do: turns a request's key into a principal. Keys themselves are in keys.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from serving.errors import ApiError
from serving.keys import REACH, Scope
from serving.service import Service


@dataclass(frozen=True)
class Principal:
    """id: the key's, or `local` where keys are off; idempotency keys and jobs belong to it."""

    id: str
    scope: Scope

    def allows(self, scope: Scope) -> bool:
        """True when this principal may do what needs `scope`."""
        return scope in REACH[self.scope]

    def require(self, scope: Scope) -> None:
        """Raises ApiError 403 unless this principal may do what needs `scope`."""
        if not self.allows(scope):
            message = f"This key has the scope '{self.scope}'; the request needs '{scope}'."
            raise ApiError(403, "forbidden", message, {"needs": scope.value, "has": self.scope.value})


def service_of(request: Request) -> Service:
    """The opened service behind this application."""
    service: Service = request.app.state.service
    return service


def presented_key(request: Request) -> str | None:
    """The key of `Authorization: Bearer` or `X-Api-Key`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("x-api-key")


def needs(scope: Scope) -> Callable[[Request], Principal]:
    """A dependency that lets through who may do what `scope` covers: else 401 or 403."""

    def check(request: Request) -> Principal:
        service = service_of(request)
        if not service.settings.keys_required:
            return Principal("local", Scope.ADMIN)
        text = presented_key(request)
        if text is None:
            message = "An API key is needed: send it as 'Authorization: Bearer KEY'."
            raise ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        key = service.keys.find(text)
        if key is None:
            message = "This API key is not known here; it may have been revoked."
            raise ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})
        who = Principal(key.id, key.scope)
        who.require(scope)
        return who

    return check


ServiceDep = Annotated[Service, Depends(service_of)]
Reader = Annotated[Principal, Depends(needs(Scope.READ))]
Enroller = Annotated[Principal, Depends(needs(Scope.ENROL))]
Admin = Annotated[Principal, Depends(needs(Scope.ADMIN))]
