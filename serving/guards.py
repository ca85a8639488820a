"""What every request passes before a route sees it: id, size, origin, headers, timing. Pure ASGI, no route logic."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from time import perf_counter
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics

log = structlog.get_logger()

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
ENCODED_SLASH = re.compile(rb"%2f", re.IGNORECASE)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class RequestFrame:
    """Gives each request an id, answers with safe headers, also what is unforeseen; counts and logs it without anything
    personal.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        status: int | None = None
        begun = perf_counter()

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers.setdefault("cache-control", "no-store")
                headers.setdefault("content-security-policy", PAGE_POLICY)
                for name, value in scope["state"].get("rate_limit", {}).items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception as error:
            log.error("unforeseen error", request_id=request_id, kind=type(error).__name__, exc_info=error)
            if status is not None:
                raise  # too late for another answer; the server ends the connection
            message = "The service failed on this request; its log has the cause under this request id."
            await refuse(scope, framed, 500, "internal", message)
        finally:
            self._account(scope, request_id, status or 500, perf_counter() - begun)

    def _account(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        # The route's template, never the path: a path names collections and people.
        route = getattr(scope.get("route"), "path", "unmatched")
        # Any word is a method to a client; each would be a series of its own.
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        log.info(
            "request",
            request_id=request_id,
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
        )


class BodyLimit:
    """Refuses a body over the limit: at once when its length is announced, else at the byte that is one too many."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._most:
            await self._refuse(scope, send, int(announced))
            return
        taken = 0
        answered = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = answered or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except _BodyTooLarge:
            if answered:
                raise
            await self._refuse(scope, send, taken)

    async def _refuse(self, scope: Scope, send: Send, size: int) -> None:
        message = (
            f"The body has {size} bytes or more; at most {self._most} are read (COCIRCLE_MAX_BODY_BYTES)."
        )
        await refuse(scope, send, 413, "too_large", message)


class _BodyTooLarge(Exception):
    pass


class OriginGuard:
    """Keeps other sites' pages away: a browser's cross-origin request, or a foreign Host while keys are off.

    The second is DNS rebinding, by which any web page could otherwise speak to a service on loopback.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] | None) -> None:
        self._app = app
        self._hosts = None if hosts is None else LOOPBACK_NAMES | {name.lower() for name in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            await refuse(
                scope, send, 403, "forbidden", "Requests from pages of another origin are not answered."
            )
        elif self._hosts is not None and _name(host) not in self._hosts:
            message = (
                "This service answers to loopback names only while keys are off; see COCIRCLE_ALLOWED_HOSTS."
            )
            await refuse(scope, send, 403, "forbidden", message)
        else:
            await self._app(scope, receive, send)


class PathGuard:
    """Refuses an encoded slash: no id has one, and a proxy in front may take it for a part of a name where the routes
    here see the path's next part.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and ENCODED_SLASH.search(scope.get("raw_path") or b""):
            message = "No id has a '/': a path with an encoded one (%2F) names nothing here."
            await refuse(scope, send, 404, "not_found", message)
        else:
            await self._app(scope, receive, send)


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


async def refuse(scope: Scope, send: Send, status: int, code: str, message: str) -> None:
    """Sends the error envelope from outside the routes."""
    request_id = scope.get("state", {}).get("request_id")
    error = {"code": code, "message": message, "details": {}}
    body = json.dumps({"error": error, "request_id": request_id}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
