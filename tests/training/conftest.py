"""Real ranks, started once for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.training.gloo import Gloo


@pytest.fixture(scope="session")
def gloo() -> Iterator[Gloo]:
    with Gloo(4) as ranks:
        yield ranks
