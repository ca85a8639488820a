"""Spans as a collector gets them: a real one over HTTP, which reads what the service sends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serving.client import Client
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.settings import Settings, SettingsError, read_settings
from tests.serving.conftest import Att, Opened

CALLER = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
ALLOWED = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "cocircle.request.id",
    "cocircle.batch.size",
    "cocircle.job.kind",
    "cocircle.job.id",
    "cocircle.job.items",
    "error.type",
}


class Collector:
    """An OTLP collector on a free loopback port."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies = b""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                sent = ExportTraceServiceRequest.FromString(body)
                for resource in sent.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                collector.bodies += body
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def of_trace(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id.hex() == trace]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def attributes(span: Span) -> dict[str, object]:
    return {
        one.key: one.value.int_value if one.value.HasField("int_value") else one.value.string_value
        for one in span.attributes
    }


def test_a_request_and_its_stages_are_told_under_the_callers_span_and_nobody_is_named(
    opened: Callable[..., Opened], collector: Collector, att: Att, capfd: pytest.CaptureFixture[str]
) -> None:
    app = opened(traces=collector.address, workers=0)
    http, service = app.http, app.service
    http.post("/v1/collections", json={"id": "secret-club"})
    photo = {"image": ("ada.pgm", att[1, 1])}
    headers = {"traceparent": f"00-{CALLER}-{PARENT}-01", "x-request-id": "my-request"}
    enrolled = http.post(
        "/v1/collections/secret-club/persons/ada/faces?create=true", files=photo, headers=headers
    )
    assert enrolled.status_code == 201, enrolled.text
    found = http.post("/v1/collections/secret-club/identify", files={"image": ("a.pgm", att[1, 2])})
    assert found.json()["faces"][0]["candidates"]
    assert http.get("/v1/collections/no-such-club").status_code == 404
    client = Client("http://localhost", transport=http._transport)
    job = client.jobs.create("enroll", "secret-club", open=True)
    client.jobs.add(job.id, [("bob/1", "bob", att[2, 1])])
    client.jobs.start(job.id)
    worker = Worker(service, KINDS, 1)
    while worker.once():
        pass
    logged = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert service.tracing is not None
    service.tracing._provider.force_flush()

    spans = {span.name: span for span in collector.of_trace(CALLER)}
    route = "POST /v1/collections/{collection}/persons/{person}/faces"
    assert set(spans) == {route, "decode", "detect", "align", "embed", "write"}
    request = spans[route]
    assert request.parent_span_id.hex() == PARENT
    assert request.kind == Span.SPAN_KIND_SERVER
    told = attributes(request)
    assert (told["http.response.status_code"], told["cocircle.request.id"]) == (201, "my-request")
    for name, span in spans.items():
        if name != route:
            assert span.parent_span_id == request.span_id
            assert request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    assert attributes(spans["embed"])["cocircle.batch.size"] == 1
    searched = next(span for span in collector.spans if span.name.endswith("/identify"))
    its = {span.name for span in collector.of_trace(searched.trace_id.hex())}
    assert "search" in its
    missed = next(
        span for span in collector.spans if attributes(span).get("http.response.status_code") == 404
    )
    assert missed.status.code == 0  # the caller's mistake is no error of the service

    jobs = [span for span in collector.spans if span.name == "job"]
    worked = next(span for span in jobs if attributes(span)["cocircle.job.items"] == 1)
    below = {span.name for span in collector.spans if span.parent_span_id == worked.span_id}
    assert {"decode", "detect", "align", "embed"} <= below

    assert {name for span in collector.spans for name in attributes(span)} <= ALLOWED
    assert not [span for span in collector.spans if span.events or span.status.message]
    for word in (b"secret-club", b"ada", b"bob", b".pgm"):
        assert word not in collector.bodies
    line = next(one for one in logged if one.get("request_id") == "my-request")
    assert line["trace_id"] == CALLER


def test_photos_that_share_a_run_each_have_it_in_their_own_trace(
    opened: Callable[..., Opened], collector: Collector, att: Att
) -> None:
    service = opened(traces=collector.address, workers=0, concurrency=1).service
    tracing = service.tracing
    assert tracing is not None
    for number in range(1, 5):
        with tracing.span(f"photo {number}"):
            service.submit([att[number, 1]], "largest")  # type: ignore[arg-type]
    service.pipeline.close()
    tracing._provider.force_flush()
    roots = [span for span in collector.spans if span.name.startswith("photo")]
    for root in roots:
        names = sorted(span.name for span in collector.of_trace(root.trace_id.hex()) if span != root)
        assert names == ["align", "decode", "detect", "embed"]
    assert len(roots) == 4


def test_a_collector_that_is_away_holds_up_nobody(opened: Callable[..., Opened], att: Att) -> None:
    http = opened(traces="http://127.0.0.1:9", workers=0).http
    assert http.post("/v1/detect", files={"image": ("a.pgm", att[1, 1])}).status_code == 200


def test_without_traces_nothing_that_makes_spans_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from serving.app import create_app; from serving.settings import Settings; "
        f"app = create_app(Settings(home={str(tmp_path)!r})); app.state.service.close(); "
        "assert app.state.service.tracing is None; "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("wrong", ["collector:4318", "ftp://collector", "http://", "http://user:word@host"])
def test_what_is_no_collector_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="COCIRCLE_TRACES"):
        read_settings(traces=wrong)


def test_without_the_sdk_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.service import open_tracing

    monkeypatch.delitem(sys.modules, "serving.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match=r"pip install 'cocircle\[tracing\]'"):
        open_tracing(Settings(home=tmp_path, traces="http://collector:4318"))
