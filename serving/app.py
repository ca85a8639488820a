"""Puts the service together: parts, guards, routes. The parts themselves live in their own files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio.to_thread import run_sync
from fastapi import FastAPI

from serving.errors import install_error_handlers
from serving.guards import BodyLimit, OriginGuard, PathGuard, RequestFrame
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.openapi import install_openapi, operation_id
from serving.overload import install_overload_handlers
from serving.rekognition.admission import Doorway
from serving.rekognition.protocol import router as rekognition_router
from serving.routes import (
    audit,
    collections,
    faces,
    identify,
    jobs,
    keys,
    page,
    persons,
    photos,
    system,
)
from serving.service import Service
from serving.settings import Settings

ROUTERS = (
    system.router,
    photos.router,
    collections.router,
    persons.router,
    faces.router,
    identify.router,
    jobs.router,
    keys.router,
    audit.router,
    rekognition_router,
    page.router,
)


def create_app(settings: Settings, service: Service | None = None) -> FastAPI:
    """The ASGI application. Opens a Service now, unless one is given, and closes it when the server stops.

    While the server runs, so many threads as the settings say work on jobs; none where there is no server.
    """
    opened = service or Service.open(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        worker = Worker(opened, KINDS, settings.workers) if settings.workers else None
        if worker is not None:
            await run_sync(worker.start)
        yield
        if worker is not None:
            await run_sync(worker.stop)
        await run_sync(opened.close)

    app = FastAPI(
        title="Cocircle",
        version=version("cocircle"),
        summary="Face verification and identification that says how often it is wrong.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=operation_id,
        # A redirection would name the scheme and host that a proxy in front speaks to, not those of the caller.
        redirect_slashes=False,
    )
    app.state.service = opened
    app.state.rekognition = Doorway.open(settings.folder)
    install_error_handlers(app)
    install_overload_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    install_openapi(app, ROUTERS, keys_required=settings.keys_required)
    hosts = None if settings.keys_required else settings.allowed_hosts
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    app.add_middleware(PathGuard)
    app.add_middleware(OriginGuard, hosts=hosts)
    app.add_middleware(RequestFrame, metrics=opened.metrics)
    if opened.tracing is not None:
        from serving.tracing import TracedRequests

        app.add_middleware(TracedRequests, tracing=opened.tracing)
    return app
