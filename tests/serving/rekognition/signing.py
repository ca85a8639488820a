"""Requests signed by botocore itself, as a client would send them, for tests that must change them on the way."""

from __future__ import annotations

import datetime as dates
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from serving.keys import KeyRing
from serving.rekognition.credentials import Credentials as Derived
from serving.rekognition.credentials import access_key_id
from serving.scopes import Scope

HOST = "localhost"


@dataclass(frozen=True)
class Pair:
    """What an AWS client is configured with."""

    access: str
    secret: str


def pair_of(ring: KeyRing, derived: Derived, scope: Scope) -> Pair:
    """A fresh key of a scope."""
    key = ring.find(ring.create("test", scope))
    assert key is not None
    return Pair(access_key_id(key), derived.secret(key))


def signed(
    pair: Pair,
    operation: str,
    body: dict[str, Any] | bytes,
    *,
    region: str = "eu-central-1",
    service: str = "rekognition",
    seconds: float = 0,
    headers: dict[str, str] | None = None,
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request signed `seconds` from now."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {
        "Host": HOST,
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"RekognitionService.{operation}",
        **(headers or {}),
    }
    request = AWSRequest("POST", f"http://{HOST}/", given, data)
    with _clock(seconds):
        SigV4Auth(Credentials(pair.access, pair.secret), service, region).add_auth(request)
    return dict(request.headers.items()), data


@contextmanager
def _clock(seconds: float) -> Iterator[None]:
    moment = dates.datetime.now(dates.UTC) + dates.timedelta(seconds=seconds)
    with patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: moment.replace(tzinfo=None)):
        yield
