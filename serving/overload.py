"""Tells a client that the service is full, late or stopping: 429 or 503, and when to come again. Decides nothing."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull
from serving.errors import ApiError, envelope, let_go
from serving.service import Service


def refuse_when_full(service: Service) -> None:
    """Raises ApiError 429 when a photo sent now would not be admitted; call it before reading a body."""
    if service.pipeline.admission.full:
        raise overloaded(service, "queue_full", "Too many photos are at work or waiting already")


def install_overload_handlers(app: FastAPI) -> None:
    """Make the refusals of pipeline and search stage answer with the envelope."""

    @app.exception_handler(QueueFull)
    async def _full(request: Request, error: QueueFull) -> JSONResponse:
        let_go(error)
        return envelope(request, overloaded(request.app.state.service, "queue_full", _sentence(error)))

    @app.exception_handler(DeadlineExceeded)
    async def _late(request: Request, error: DeadlineExceeded) -> JSONResponse:
        let_go(error)
        return envelope(request, overloaded(request.app.state.service, "deadline", _sentence(error)))

    @app.exception_handler(Closed)
    async def _closed(request: Request, error: Closed) -> JSONResponse:
        let_go(error)
        message = "The service is stopping; send the request again shortly."
        return envelope(request, ApiError(503, "unavailable", message, headers={"Retry-After": "1"}))


def overloaded(service: Service, cause: str, what: str) -> ApiError:
    """A counted 429. cause: queue_full or deadline; what: the beginning of its sentence."""
    service.metrics.overloaded.labels(cause).inc()
    admission = service.pipeline.admission
    seconds = admission.seconds_to_wait()
    return ApiError(
        429,
        "overloaded",
        f"{what}; try again in {seconds} s.",
        {"cause": cause, "waiting": admission.admitted},
        {"Retry-After": str(seconds)},
    )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
