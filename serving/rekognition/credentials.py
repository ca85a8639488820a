"""The AWS form of an API key: access key id and secret access key, derived when they are needed, stored nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from pathlib import Path

from index.private_file import secret_of
from serving.keys import Key, KeyRing

FILE = "rekognition.secret"
PREFIX = "COCIRCLE"
_ACCESS_KEY_ID = re.compile(rf"{PREFIX}([0-9A-F]{{8}})")


class Credentials:
    """Secrets of keys, by the data folder's own master secret. Whoever reads that file can sign for every key."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    @classmethod
    def open(cls, folder: Path) -> Credentials:
        """Takes the master secret of a data folder, made at first use."""
        return cls(secret_of(folder / FILE))

    def secret(self, key: Key) -> str:
        """The secret access key. It is bound to the key's hash: a later key of the same id has another."""
        told = f"{key.id} {key.hash}".encode()
        return base64.urlsafe_b64encode(hmac.digest(self._master, told, hashlib.sha256)).decode().rstrip("=")


def access_key_id(key: Key) -> str:
    """The access key id of a key; no secret."""
    return PREFIX + key.id.upper()


def find_key(keys: KeyRing, access_key: str) -> Key | None:
    """The key of an access key id, None where there is none, or no longer."""
    found = _ACCESS_KEY_ID.fullmatch(access_key)
    return None if found is None else keys.get(found[1].lower())
