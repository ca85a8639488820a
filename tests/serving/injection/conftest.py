"""A real service process, so that what the server itself reads is tested too. Every payload holds a mark, which must
stand neither in its log nor in a metric.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.serving.conftest import ServiceProcess
from tests.serving.injection.kit import MARK, Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("injected")
    log = folder / "service.log"
    process = ServiceProcess(folder / "home", log, COCIRCLE_LOG_LEVEL="info", COCIRCLE_WORKERS="0")
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            made = http.post("/v1/collections", json={"id": "staff", "keep_crops": True})
            assert made.status_code == 201
            yield Served(http, folder / "home", log)
    finally:
        process.stop()
    assert '"event": "request"' in log.read_text()
    assert MARK not in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture(autouse=True)
def the_service_still_answers_and_measures_no_payload(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "served" in request.fixturenames:
        answer = request.getfixturevalue("served").http.get("/metrics")
        assert answer.status_code == 200
        assert MARK not in answer.text
