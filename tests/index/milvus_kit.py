"""A Milvus for one module's tests, engines on it, and what stands in for a store's log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from index.engine.milvus import MilvusEngine
from index.engine.milvus_address import milvus_address
from index.turns import FileTurns
from tests.milvus_server import CannotRun, MilvusServer


@pytest.fixture(scope="module")
def milvus() -> Iterator[MilvusServer]:
    """Where none can run here, the test is skipped and says why."""
    pytest.importorskip("pymilvus", reason="the extra milvus is not installed")
    try:
        server = MilvusServer()
    except CannotRun as error:
        pytest.skip(f"no Milvus can run here: {error}")
    yield server
    server.remove()


class History:
    """A log that has every revision, each with a mark of this history alone."""

    def __init__(self, name: str) -> None:
        self.name = name

    def token(self, revision: int) -> str | None:
        return f"{self.name}-{revision}"


def engine_on(server: MilvusServer, folder: Path, history: History) -> MilvusEngine:
    return MilvusEngine(milvus_address(server.address), FileTurns(folder), history.token)
