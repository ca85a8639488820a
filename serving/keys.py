"""API keys: made once, shown once, kept only as hashes in one file of the data folder. Decides nothing about routes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from serving.files import write_privately

PREFIX = "cck"


class Scope(StrEnum):
    """What a key may do. ADMIN includes ENROL, ENROL includes READ."""

    READ = "read"
    ENROL = "enrol"
    ADMIN = "admin"


REACH = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.ENROL: frozenset({Scope.READ, Scope.ENROL}),
    Scope.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True)
class Key:
    """A key without its secret. hash: SHA-256 of the whole key, hex.

    A fast hash is enough: the secret has 256 random bits, so there is nothing to guess.
    """

    id: str
    name: str
    scope: Scope
    hash: str
    created_at: str

    def allows(self, scope: Scope) -> bool:
        """True when this key may do what needs `scope`."""
        return scope in REACH[self.scope]


class KeyRing:
    """The keys of one data folder. Changes by another process are seen at the next request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, Key] = {}

    def create(self, name: str, scope: Scope) -> str:
        """Makes a key and returns it: the only time it is seen in the clear."""
        with self._lock:
            self._refresh()
            identity = secrets.token_hex(4)
            text = f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
            key = Key(identity, name, scope, _hash(text), datetime.now(UTC).isoformat(timespec="seconds"))
            self._write([*self._keys.values(), key])
            return text

    def revoke(self, identity: str) -> bool:
        """Removes a key by its id; False when there is none."""
        with self._lock:
            self._refresh()
            if identity not in self._keys:
                return False
            self._write(key for key in self._keys.values() if key.id != identity)
            return True

    def all(self) -> list[Key]:
        """Every key, oldest first."""
        with self._lock:
            self._refresh()
            return list(self._keys.values())

    def find(self, text: str) -> Key | None:
        """The key that this text is, or None. Takes the same time for every wrong secret."""
        parts = text.split("_", 2)
        if len(parts) != 3 or parts[0] != PREFIX:
            return None
        with self._lock:
            self._refresh()
            key = self._keys.get(parts[1])
        if key is None or not hmac.compare_digest(key.hash, _hash(text)):
            return None
        return key

    def _refresh(self) -> None:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        seen = (found.st_mtime_ns, found.st_ino)
        if seen == self._seen:
            return
        rows = json.loads(self._path.read_text())
        keys = [Key(**{**row, "scope": Scope(row["scope"])}) for row in rows]
        self._seen, self._keys = seen, {key.id: key for key in keys}

    def _write(self, keys: Iterable[Key]) -> None:
        write_privately(self._path, json.dumps([asdict(key) for key in keys], indent=1).encode())
        self._seen = None
        self._refresh()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
