"""Where the time of a request or a job's part went, told to an OpenTelemetry collector; imported only where one is set.

A span has the route's template, a status, the request's id, counts and times: no path, no collection, nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from urllib.parse import urlsplit

import structlog
from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics

TRACES_PATH = "/v1/traces"
NANOSECONDS = 1_000_000_000
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Tracing:
    """Makes spans and sends them, by a thread of its own; where nobody takes them they are dropped. Close it."""

    def __init__(self, address: str) -> None:
        """address: of an OTLP collector over HTTP; without a path, the usual one."""
        endpoint = address if urlsplit(address).path.strip("/") else address.rstrip("/") + TRACES_PATH
        resource = Resource.create({"service.name": "cocircle", "service.version": version("cocircle")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("cocircle")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, **attributes: str | int) -> Iterator[Span]:
        """What runs inside, under the span around it. An error is told by its kind: its words may name somebody."""
        with (
            self._tracer.start_as_current_span(
                name, attributes=attributes, record_exception=False, set_status_on_exception=False
            ) as span,
            _told_in_logs(span),
        ):
            try:
                yield span
            except Exception as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
                raise

    @contextmanager
    def request(self, headers: Headers) -> Iterator[Span]:
        """A request, under the span of the caller where `traceparent` names one."""
        held = context.attach(self._propagator.extract(headers))
        try:
            with (
                self._tracer.start_as_current_span(
                    "request", kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
                ) as span,
                _told_in_logs(span),
            ):
                yield span
        finally:
            context.detach(held)

    def past(self, name: str, begun: float, ended: float, **attributes: str | int) -> None:
        """What has run already, of time.time(), under the span of whoever waits for it; nothing where nobody does."""
        if trace.get_current_span().get_span_context().is_valid:
            span = self._tracer.start_span(name, start_time=int(begun * NANOSECONDS), attributes=attributes)
            span.end(int(ended * NANOSECONDS))

    def metrics(self) -> TracedMetrics:
        """Metrics of a service, which also tell what they time as spans."""
        return TracedMetrics(self)

    def close(self) -> None:
        """Sends what waits, for some seconds at most."""
        self._provider.shutdown()


class TracedMetrics(Metrics):
    """Metrics that also tell what they time as spans. A faces.batching.stage.Follower."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """See Metrics.stage."""
        with self._tracing.span(name), super().stage(name):
            yield

    def shared(self, stage: str, size: int, begun: float, ended: float) -> None:
        """A run of a stage, in the trace of each request that shared it."""
        self._tracing.past(stage, begun, ended, **{"cocircle.batch.size": size})


class TracedRequests:
    """A span for each request; the log lines of the request know its trace."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracing.request(Headers(scope=scope)) as span:
            try:
                await self._app(scope, receive, watched)
            finally:
                _describe(span, scope, status)


def _describe(span: Span, scope: Scope, status: int) -> None:
    # The route's template, never the path: a path names collections and people.
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "cocircle.request.id": scope.get("state", {}).get("request_id", ""),
        }
    )
    if status >= 500:
        span.set_status(StatusCode.ERROR)


@contextmanager
def _told_in_logs(span: Span) -> Iterator[None]:
    told = format(span.get_span_context().trace_id, "032x")
    with structlog.contextvars.bound_contextvars(trace_id=told):
        yield
