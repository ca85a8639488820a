"""The service inside this process, behind the same client: for the command line without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from serving.app import create_app
from serving.client import Client
from serving.logs import start_logging
from serving.settings import Settings


class InProcessTransport(httpx.BaseTransport):
    """Carries a blocking client's requests to an ASGI application on a background event loop."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        # As with a server, a failure inside becomes the 500 that the application answers.
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, answered in full before it returns."""
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        answer = await self._inner.handle_async_request(asked)
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


@contextmanager
def local_client(settings: Settings) -> Iterator[Client]:
    """A client of a service opened here on the data folder of `settings`; no port is opened, no key is needed."""
    start_logging("error")
    app = create_app(settings.model_copy(update={"auth": "off", "host": "127.0.0.1"}))
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(app, portal)
        yield stack.enter_context(Client("http://localhost", transport=transport))
