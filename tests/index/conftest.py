"""What the gallery's tests share: face-like templates, galleries on disk, and the slow references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from index.gallery import Gallery, GallerySettings

CONTRACT = "contract-a"


def unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Unit rows in float64."""
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Gallery]]:
    """Opens galleries on one folder, without a background thread unless asked for, and closes them."""
    made: list[Gallery] = []

    def open_one(**settings: Any) -> Gallery:
        settings.setdefault("background", False)
        gallery = Gallery.open(GallerySettings(tmp_path / "gallery", **settings))
        made.append(gallery)
        return gallery

    yield open_one
    for gallery in made:
        gallery.close()
