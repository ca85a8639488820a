"""From photos in folders to answers of a service, each step by its command: shards, train, export, serve, identify."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from evaluation.datasets.att import att_faces
from tests.serving.conftest import ServiceProcess, service_process
from tests.training.runs import att_shards

PEOPLE = 20

__all__ = ["service_process"]


def cocircle(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "serving", *words], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_trained_here_answers_here(
    tmp_path: Path,
    service_process: Callable[..., ServiceProcess],
) -> None:
    shards = att_shards(tmp_path / "att", PEOPLE)
    run, pack = tmp_path / "run", tmp_path / "pack"
    settings = [f"data.records={shards}", "optimisation.batch=40", "optimisation.epochs=24", "threads=2"]
    options = [word for setting in settings for word in ("--set", setting)]
    cocircle("train", "smoke", "--out", str(run), *options)
    words = ["--data", "AT&T faces, for research", "--licence", "research only"]
    assert "cocircle serve" in cocircle("export", str(run), "--pack", str(pack), *words)

    service = service_process(COCIRCLE_PACK=str(pack))
    photos = {(photo.person, photo.number): photo.path.read_bytes() for photo in att_faces()}
    right = 0
    with httpx.Client(base_url=service.url, timeout=60) as http:
        http.post("/v1/collections", json={"id": "staff"}).raise_for_status()
        for person in range(1, PEOPLE + 1):
            enrolled = http.post(
                f"/v1/collections/staff/persons/p{person}/faces",
                files={"image": photos[person, 1]},
                params={"create": True},
            )
            enrolled.raise_for_status()
        for person in range(1, PEOPLE + 1):
            found = http.post(
                "/v1/collections/staff/identify", files={"image": photos[person, 6]}, params={"threshold": -1}
            ).raise_for_status()
            candidates = found.json()["faces"][0]["candidates"]
            right += candidates[0]["person_id"] == f"p{person}"
    # Its own training people on other photos: a network that learned nothing would have one in twenty.
    assert right >= 0.6 * PEOPLE
