"""The service inside this process, behind the same client: for the command line without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from serving.app import create_app
from serving.client import Client
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.logs import start_logging
from serving.service import Service
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


@dataclass(frozen=True)
class Local:
    """A service opened in this process, and a client that asks it without a port or a key."""

    service: Service
    client: Client

    @contextmanager
    def working(self, threads: int = 2) -> Iterator[None]:
        """Works on jobs of the data folder while the block runs."""
        worker = Worker(self.service, KINDS, threads)
        worker.start()
        try:
            yield
        finally:
            worker.stop()


@contextmanager
def open_local(settings: Settings) -> Iterator[Local]:
    """Opens the data folder of `settings` here; nobody works on its jobs unless asked to."""
    start_logging("error")
    app = create_app(settings.model_copy(update={"auth": "off", "host": "127.0.0.1"}))
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(app, portal)
        client = stack.enter_context(Client("http://localhost", transport=transport))
        yield Local(app.state.service, client)


@contextmanager
def local_client(settings: Settings) -> Iterator[Client]:
    """A client of a service opened here on the data folder of `settings`; no port is opened, no key is needed."""
    with open_local(settings) as local:
        yield local.client
