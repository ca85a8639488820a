"""A service in this process for most tests, real service processes where a process is the point."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from evaluation.datasets.att import AttPhoto, att_faces
from serving.app import create_app
from serving.local import InProcessTransport
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings

Att = dict[tuple[int, int], bytes]
"""The AT&T photos as files, by (person, number)."""


@dataclass
class Opened:
    """An application with a plain HTTP client on it."""

    http: httpx.Client
    service: Service


@pytest.fixture(autouse=True, scope="session")
def _log_as_the_service_does() -> None:
    start_logging("info")


@pytest.fixture(scope="session")
def att() -> Att:
    return {(photo.person, photo.number): photo.path.read_bytes() for photo in att_faces()}


@pytest.fixture(scope="session")
def att_photos() -> list[AttPhoto]:
    return att_faces()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens services with settings of the test's own, on the test's own folder."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def open_service(home: Path = tmp_path / "home", **settings: object) -> Opened:
            app = create_app(Settings(home=home, **settings))  # type: ignore[arg-type]
            stack.callback(app.state.service.close)
            http = stack.enter_context(
                httpx.Client(
                    base_url="http://localhost", transport=InProcessTransport(app, portal), timeout=60
                )
            )
            return Opened(http, app.state.service)

        yield open_service


@pytest.fixture
def api(opened: Callable[..., Opened]) -> httpx.Client:
    """A client of a fresh service with default settings."""
    return opened().http


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of one service for all tests of a module that do not mind each other's writes."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("shared")))
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        portal = stack.enter_context(start_blocking_portal())
        yield stack.enter_context(
            httpx.Client(base_url="http://localhost", transport=InProcessTransport(app, portal), timeout=60)
        )


class ServiceProcess:
    """A real `cocircle serve` on a free loopback port."""

    def __init__(self, home: Path, log: Path, **environment: str) -> None:
        self.log = log
        command = [sys.executable, "-m", "serving", "serve", "--home", str(home), "--port", "0"]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "COCIRCLE_LOG_LEVEL": "warning", **environment},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.match(r"Cocircle answers at (http://\S+) ", line)
        if found is None:
            self.stop()
            raise AssertionError(f"the service did not start: {line!r} {log.read_text()}")
        self.url = found[1]

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """Kills with -9 and waits until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self._ended()

    def stop(self) -> int:
        """Ends it as an operator would; returns the exit status."""
        self._process.terminate()
        return self._ended()

    def _ended(self) -> int:
        status = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


@pytest.fixture
def service_process(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Starts real service processes; whatever still runs at the test's end is ended by its own process id."""
    started: list[ServiceProcess] = []

    def start(home: Path = tmp_path / "home", **environment: str) -> ServiceProcess:
        process = ServiceProcess(home, tmp_path / "service.log", **environment)
        started.append(process)
        return process

    yield start
    for process in started:
        if process._process.poll() is None:
            process.stop()
