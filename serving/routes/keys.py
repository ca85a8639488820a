"""Routes of keys: make, list, revoke; for administrators who are not limited to some collections."""

from __future__ import annotations

from datetime import UTC, datetime

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request

from serving.access import Administrator, ServiceDep
from serving.access_answers import key_out
from serving.access_schemas import KeyIn, KeyMade, KeysOut
from serving.docs import ERRORS, json_body
from serving.errors import ApiError, invalid_request
from serving.uploads import read_body

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=ERRORS)


@router.post("", status_code=201, openapi_extra=json_body(KeyIn))
async def create(request: Request, service: ServiceDep, _: Administrator) -> KeyMade:
    """A new key, told this once. Takes no Idempotency-Key: its answer would have to be kept, and with it the key."""
    if "idempotency-key" in request.headers:
        text = (
            "is not taken here: the answer holds a secret, which is kept nowhere; revoke a key that got lost"
        )
        raise invalid_request([{"field": "Idempotency-Key", "problem": text}])
    asked = (await read_body(request, KeyIn)).options
    if asked.expires_at is not None and asked.expires_at <= datetime.now(UTC):
        raise invalid_request([{"field": "expires_at", "problem": "is over already"}])

    def make() -> KeyMade:
        text = service.keys.create(
            asked.name,
            asked.scope,
            collections=asked.collections,
            rate=asked.rate,
            expires_at=asked.expires_at,
        )
        key = service.keys.find(text)
        if key is None:
            message = "The key was made and is revoked or over already; make another."
            raise ApiError(409, "key_revoked", message)
        return KeyMade(**dict(key_out(key)), key=text)

    return await run_sync(make)


@router.get("")
async def listing(service: ServiceDep, _: Administrator) -> KeysOut:
    """Every key that is not revoked, without its secret."""
    return KeysOut(items=[key_out(key) for key in await run_sync(service.keys.all)])


@router.delete("/{key}", status_code=204)
async def revoke(key: str, service: ServiceDep, _: Administrator) -> None:
    """Refuses a key: here from the next request, in every other process within a second."""
    if not await run_sync(service.keys.revoke, key):
        raise ApiError(404, "unknown_key", f"There is no key {key[:64]!r}, or no longer.")
