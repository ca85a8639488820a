"""Opaque signed page cursors: a client can hand one back, not make one up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from pathlib import Path

from index.private_file import secret_of
from serving.errors import invalid_request

FILE = "cursor.secret"
SIGNATURE_BYTES = 16


class Cursors:
    """Signs and reads cursors with the data folder's own secret. `listing` names what is paged through."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def open(cls, path: Path) -> Cursors:
        """Takes the secret of `path`, made at first use."""
        return cls(secret_of(path))

    def sign(self, listing: str, after: str) -> str:
        """The cursor of the page that follows `after`."""
        payload = json.dumps([listing, after]).encode()
        return base64.urlsafe_b64encode(self._signature(payload) + payload).decode().rstrip("=")

    def read(self, listing: str, cursor: str | None) -> str | None:
        """What `cursor` points after; None for the first page. Raises ApiError 422 for any other text."""
        if cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise _stale() from None
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload)):
            raise _stale()
        found, after = json.loads(payload)
        if found != listing:
            raise _stale()
        return str(after)

    def _signature(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, payload, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _stale() -> Exception:
    text = "is not a cursor of this listing; start again without one"
    return invalid_request([{"field": "cursor", "problem": text}])
