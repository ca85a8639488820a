"""What the gallery's tests share: face-like templates, galleries on disk, and the slow references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.gallery import Gallery, GallerySettings
from tests.postgres_server import PostgresServer

CONTRACT = "contract-a"
BOTH_STORES = pytest.mark.parametrize("new_database", ["sqlite", "postgres"], indirect=True)
"""Marks tests of what holds on either store; without it a gallery is on SQLite."""


def unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Unit rows in float64."""
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def new_database(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Makes empty databases and gives their addresses; None stands for SQLite in the gallery's folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return lambda: None
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database


@pytest.fixture
def database(new_database: Callable[[], str | None]) -> str | None:
    """The database of all galleries of a test."""
    return new_database()


@pytest.fixture
def opened(tmp_path: Path, database: str | None) -> Iterator[Callable[..., Gallery]]:
    """Opens galleries on one folder, without a background thread unless asked for, and closes them."""
    made: list[Gallery] = []

    def open_one(**settings: Any) -> Gallery:
        settings.setdefault("background", False)
        settings.setdefault("database", database)
        gallery = Gallery.open(GallerySettings(tmp_path / "gallery", **settings))
        made.append(gallery)
        return gallery

    yield open_one
    for gallery in made:
        gallery.close()
