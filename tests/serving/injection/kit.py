"""What tests of injected payloads share: the mark in each, a service to send them to, and how a refusal looks."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

MARK = "xqMark7"
SCRIPT = f"<script>alert('{MARK}')</script>"
PERSONS = "/v1/collections/staff/persons"
FACES = f"{PERSONS}/p1/faces"
JSON = {"content-type": "application/json"}
CLOSED = 0
"""In place of a status: the connection was closed without one."""


@dataclass
class Served:
    """A service process, a client of it, and what it has logged."""

    http: httpx.Client
    home: Path
    log: Path

    def raw(self, request: bytes) -> tuple[int, str]:
        """Sends bytes as they are; the status and all that came back until the connection was closed."""
        address = self.http.base_url
        with socket.create_connection((address.host, address.port or 80), timeout=20) as link:
            answer = b""
            # A server that has read enough closes while the rest is on its way.
            with suppress(ConnectionError):
                link.sendall(request)
                answer = b"".join(iter(lambda: link.recv(65536), b""))
        found = re.match(rb"HTTP/1.1 (\d{3})", answer)
        return (int(found[1]) if found else CLOSED), answer.decode("latin-1")

    def get(
        self, target: str, *lines: str, host: str | None = "localhost", method: str = "GET"
    ) -> tuple[int, str]:
        """A request whose target and headers are sent as they are."""
        named = [] if host is None else [f"Host: {host}"]
        head = [f"{method} {target} HTTP/1.1", *named, *lines, "Connection: close", "", ""]
        return self.raw("\r\n".join(head).encode("latin-1"))


def refused(answer: httpx.Response, *expected: tuple[int, str]) -> str:
    """The message of a refusal in the envelope, of one of the expected statuses and codes."""
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) in expected, answer.text
    assert set(body) == {"error", "request_id"}
    assert answer.headers["content-type"] == "application/json"
    return str(body["error"]["message"])
