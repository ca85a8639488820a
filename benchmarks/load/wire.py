"""How clients send a photo: over a kept connection by httpx, or each over a new one, by hand. Counts nothing.

httpx takes milliseconds for a new connection among hundreds: it would be overloaded before the service is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

KIND = "image/x-portable-graymap"
LIMIT = 120.0
"""Seconds after which a request counts as unanswered."""

FAILURES = (httpx.HTTPError, OSError, asyncio.IncompleteReadError, TimeoutError)
"""What stands for no answer."""


@dataclass(frozen=True)
class Answer:
    """again: what Retry-After says, as sent."""

    status: int
    again: str
    body: bytes

    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.body)


Post = Callable[[bytes], Awaitable[Answer]]
"""Sends one photo. Raises one of FAILURES where there is no answer."""


def kept(http: httpx.AsyncClient, path: str) -> Post:
    """Over connections that stay open, as clients with many photos do."""

    async def post(photo: bytes) -> Answer:
        answer = await http.post(path, content=photo, headers={"content-type": KIND}, timeout=LIMIT)
        return Answer(answer.status_code, answer.headers.get("retry-after", ""), answer.content)

    return post


def fresh(url: str, path: str) -> Post:
    """Each over a connection of its own, as clients with one photo do."""
    parts = urlsplit(url)

    async def exchange(photo: bytes) -> Answer:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {KIND}\r\n"
                f"Content-Length: {len(photo)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode() + photo)
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            body = await reader.readexactly(int(headers["content-length"]))
            return Answer(int(status.split()[1]), headers.get("retry-after", ""), body)
        finally:
            writer.close()

    async def post(photo: bytes) -> Answer:
        return await asyncio.wait_for(exchange(photo), LIMIT)

    return post
