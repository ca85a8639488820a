"""How the client speaks HTTP: connection, retries, pages, refusals as exceptions. Knows no route."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from serving import schemas

Answer = TypeVar("Answer", bound=BaseModel)
Photo = bytes | Path
"""An encoded image, or the file that holds one."""

BUSY = (429, 503)


class ApiFailure(Exception):
    """The service refused or could not answer. code and details are the envelope's."""

    def __init__(
        self, status: int, code: str, message: str, details: dict[str, Any], request_id: str | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.request_id = request_id


class Asking:
    """One service that can be asked. Thread-safe; use it as a context manager or `close` it.

    A request that meets a busy service (429 or 503) is sent again up to `retries` times, after the time the
    service asks for; only requests that cannot write twice are: reads, and writes with an idempotency key.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 5,
        transport: httpx.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def read(self, kind: type[Answer], method: str, path: str, **parts: Any) -> Answer:
        """What changes nothing, or nothing when it is sent again."""
        return kind.model_validate_json(self.send(method, path, again=True, **parts).content)

    def write(self, kind: type[Answer], method: str, path: str, key: str | None, **parts: Any) -> Answer:
        """A write; with an idempotency key it may be sent again."""
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.send(method, path, again=key is not None, headers=headers, **parts)
        return kind.model_validate_json(answer.content)

    def pages(self, kind: type[Any], path: str, **filters: Any) -> Iterator[Any]:
        """The items of every page of a listing."""
        cursor: str | None = None
        while True:
            page = self.read(kind, "GET", path, params=given(cursor=cursor, limit=1000, **filters))
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def send(self, method: str, path: str, *, again: bool = False, **parts: Any) -> httpx.Response:
        """One request; `again` where a busy service may be asked again. Raises ApiFailure."""
        for left in range(self._retries if again else 0, -1, -1):
            response = self._http.request(method, path, **parts)
            if response.status_code not in BUSY or left == 0:
                break
            self._wait(float(response.headers.get("retry-after", "1")))
        if response.is_success:
            return response
        raise _failure(response)

    @contextmanager
    def streamed(self, path: str, **filters: Any) -> Iterator[httpx.Response]:
        """A GET whose answer is read piece by piece. Raises ApiFailure before anything is yielded."""
        with self._http.stream("GET", path, params=filters) as response:
            if not response.is_success:
                response.read()
                raise _failure(response)
            yield response


def _failure(response: httpx.Response) -> ApiFailure:
    try:
        body = schemas.ErrorOut.model_validate_json(response.content)
    except ValueError:
        text = f"HTTP {response.status_code} from {response.url.host}, not in the words of this API"
        return ApiFailure(response.status_code, "unknown", text, {}, None)
    error = body.error
    return ApiFailure(response.status_code, error.code, error.message, error.details, body.request_id)


def given(**options: Any) -> dict[str, Any]:
    """The options that are given at all."""
    return {name: value for name, value in options.items() if value is not None}


def files_of(**photos: Photo) -> dict[str, tuple[str, bytes]]:
    """Photos as the file fields of a form."""
    return {field: file_of(photo) for field, photo in photos.items()}


def file_of(photo: Photo) -> tuple[str, bytes]:
    """A photo as a file field."""
    # The file's own name stays at home: it often names the person.
    return ("image", photo.read_bytes() if isinstance(photo, Path) else photo)


def part(text: str) -> str:
    """A text as one part of a path."""
    return quote(text, safe="")
