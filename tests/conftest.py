"""What tests of several rooms share: one PostgreSQL server for all of a test process, and others to be killed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.postgres_server import CannotRun, PostgresServer


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What a long test left open fails that test, and not the one that runs when it is collected."""
    if item.get_closest_marker("slow"):
        gc.collect()


@contextmanager
def server() -> Iterator[PostgresServer]:
    """A server for the block; where none can run here, the test is skipped and says why."""
    try:
        started = PostgresServer()
    except CannotRun as error:
        pytest.skip(f"no PostgreSQL can run here: {error}")
    yield started
    started.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with server() as started:
        yield started


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server of one module's own, to be killed."""
    with server() as started:
        yield started
