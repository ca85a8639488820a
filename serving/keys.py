"""API keys: made once, shown once, kept only as hashes in the gallery's store. Decides nothing about routes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from index.key_records import StoredKey, reaches
from index.keys import Keys
from index.registers import open_registers
from index.settings import GallerySettings
from serving.scopes import REACH, Scope
from serving.settings import Settings, SettingsError

log = structlog.get_logger()

PREFIX = "cck"
OLDER_FILE = "keys.json"
"""Where keys were kept before the store kept them."""
SEEN_SECONDS = 1.0
"""How long what another process did to the keys may go unseen."""


@dataclass(frozen=True)
class Key(StoredKey):
    """A stored key whose scope is one of the service's.

    A fast hash is enough: the secret has 256 random bits, so there is nothing to guess.
    """

    scope: Scope

    def allows(self, scope: Scope) -> bool:
        """True when this key may do what needs `scope`."""
        return scope in REACH[self.scope]

    def reaches(self, collection: str) -> bool:
        """True when this key is granted a collection."""
        return reaches(self.collections, collection)

    @property
    def expired(self) -> bool:
        """True when its time is over."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


class KeyRing:
    """The keys of one store. What another process does to them is seen after SEEN_SECONDS at most.

    Raises StoreUnavailable where it must ask the store and cannot: a key that may have been revoked is not accepted.
    """

    def __init__(self, stored: Keys) -> None:
        self._stored = stored
        self._lock = threading.Lock()
        self._seen: float | None = None
        self._keys: dict[str, Key] = {}

    def create(
        self,
        name: str,
        scope: Scope,
        *,
        collections: Sequence[str] | None = None,
        rate: float | None = None,
        expires_at: datetime | None = None,
    ) -> str:
        """Makes a key and returns it: the only time it is seen in the clear. Raises InvalidRecord."""
        identity = secrets.token_hex(4)
        text = f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}"
        granted = None if collections is None else tuple(dict.fromkeys(collections))
        now = datetime.now(UTC)
        self._stored.add(StoredKey(identity, name, scope.value, _hash(text), now, granted, rate, expires_at))
        self.refresh()
        return text

    def revoke(self, identity: str) -> bool:
        """Refuses a key from now on, by its id; False when there is none."""
        revoked = self._stored.revoke(identity)
        self.refresh()
        return revoked

    def all(self) -> list[Key]:
        """Every key that is not revoked, oldest first, the expired ones included."""
        self.refresh()
        with self._lock:
            return list(self._keys.values())

    def get(self, identity: str) -> Key | None:
        """The valid key of an id, or None: to whoever shows by other means that they hold it."""
        if self.stale:
            self.refresh()
        with self._lock:
            key = self._keys.get(identity)
        return None if key is None or key.expired else key

    def find(self, text: str) -> Key | None:
        """The valid key that this text is, or None. Takes the same time for every wrong secret."""
        parts = text.split("_", 2)
        if len(parts) != 3 or parts[0] != PREFIX:
            return None
        key = self.get(parts[1])
        if key is None or not hmac.compare_digest(key.hash, _hash(text)):
            return None
        return key

    @property
    def stale(self) -> bool:
        """Whether the next look asks the store: then not for the event loop."""
        seen = self._seen
        return seen is None or monotonic() - seen >= SEEN_SECONDS

    def refresh(self) -> None:
        """Asks the store for every key."""
        asked = monotonic()
        found = {key.id: key for key in map(_key, self._stored.valid())}
        with self._lock:
            # Of two that ask at once, the one that asked last knows best.
            if self._seen is None or asked >= self._seen:
                self._seen, self._keys = asked, found


def take_over(folder: Path, stored: Keys) -> None:
    """Puts the keys of an older data folder into the store, ids and hashes as they are, and its file aside."""
    path = folder / OLDER_FILE
    try:
        rows = json.loads(path.read_text())
    except FileNotFoundError:
        return
    taken = stored.take_over([_older(row) for row in rows])
    # Another process may have done the same meanwhile, and have put it aside already.
    with suppress(FileNotFoundError):
        path.replace(path.with_name(f"{OLDER_FILE}.taken-over"))
    log.warning("keys.json was taken over into the gallery's store and put aside", keys=taken)


@contextmanager
def open_keys(settings: Settings) -> Iterator[KeyRing]:
    """The keys of a data folder or database, without anything else; a service may run on it meanwhile."""
    with open_registers(gallery_settings(settings)) as registers:
        take_over(settings.folder, registers.keys)
        yield KeyRing(registers.keys)


def gallery_settings(settings: Settings) -> GallerySettings:
    """How the service opens its gallery."""
    return GallerySettings(
        path=settings.folder / "gallery",
        engine=settings.engine,
        database=settings.database_address,
        milvus=settings.milvus.get_secret_value() or None,
        audit=settings.audit != "off",
    )


def read_moment(text: str) -> datetime:
    """A date or time in ISO 8601, in UTC where it names no zone. Raises SettingsError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no time; write 2030-12-31 or 2030-12-31T18:00:00+01:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _key(stored: StoredKey) -> Key:
    return Key(**{**vars(stored), "scope": Scope(stored.scope)})


def _older(row: Mapping[str, Any]) -> StoredKey:
    scope = Scope(row["scope"])
    return StoredKey(
        row["id"], row["name"], scope.value, row["hash"], datetime.fromisoformat(row["created_at"])
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
