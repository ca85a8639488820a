"""What tests of several rooms share: one PostgreSQL server for all that one test process runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import CannotRun, PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except CannotRun as error:
        pytest.skip(f"no PostgreSQL can run here: {error}")
    yield server
    server.remove()
