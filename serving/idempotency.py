"""`Idempotency-Key` on writes: the same key and request gives the stored answer, another request is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from index.errors import IdempotencyConflict, ReplayedReceipt
from index.gallery import Gallery
from index.records import Receipt
from serving.access import Principal
from serving.errors import invalid_request

KEY = re.compile(r"^[\x21-\x7e]{1,255}$")

Write = Callable[[Receipt | None], Awaitable[Any]]


@dataclass(frozen=True)
class Once:
    """One write that happens at most once for its key, and its answer."""

    status: int
    receipt: Receipt | None
    render: Callable[[Any], BaseModel | None]

    @classmethod
    def of(
        cls,
        request: Request,
        principal: Principal,
        digest: str,
        render: Callable[[Any], BaseModel | None],
        status: int = 200,
    ) -> Once:
        """Reads the header; `digest` stands for options and images, path and method are added here.

        `render` makes the answer from what the gallery wrote. Raises ApiError 422 for a malformed key.
        """
        key = request.headers.get("idempotency-key")
        if key is None:
            return cls(status, None, render)
        if not KEY.match(key):
            text = "must be 1 to 255 printable ASCII characters without spaces"
            raise invalid_request([{"field": "Idempotency-Key", "problem": text}])
        whole = hashlib.sha256(f"{request.method} {request.url.path} {digest}".encode()).hexdigest()
        return cls(status, Receipt(principal.id, key, whole, lambda made: encode(render(made))), render)

    def stored(self, gallery: Gallery) -> Response | None:
        """The answer given before to this key, or None. Raises IdempotencyConflict for another request."""
        if self.receipt is None:
            return None
        found = gallery.receipt(self.receipt.scope, self.receipt.key)
        if found is None:
            return None
        if found.digest != self.receipt.digest:
            raise IdempotencyConflict(
                f"Idempotency-Key {self.receipt.key!r} was used before with another request; use a new key."
            )
        return self._response(found.answer, replayed=True)

    async def run(self, write: Write) -> Response:
        """Performs the write, or answers as it was answered before."""
        try:
            made = await write(self.receipt)
        except ReplayedReceipt as replay:
            return self._response(replay.answer, replayed=True)
        return self._response(encode(self.render(made)), replayed=False)

    def _response(self, answer: bytes, *, replayed: bool) -> Response:
        headers = {"Idempotency-Replayed": "true"} if replayed else {}
        return Response(answer, self.status, headers, media_type="application/json" if answer else None)


def encode(answer: BaseModel | None) -> bytes:
    """The body of an answer; empty for None."""
    return b"" if answer is None else answer.model_dump_json().encode()
