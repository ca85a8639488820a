"""What the OpenAPI document says, held against a real service by requests that Schemathesis makes from it.

Valid requests must be accepted and invalid ones refused, by statuses, types, headers and schemas of the document; never
may one fail. Exceptions stand in schemathesis.toml and schemathesis_hooks.py, with their reasons.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import uvicorn

from serving.app import create_app
from serving.limits import Limits
from serving.scopes import Scope
from serving.service import Service
from serving.settings import Settings
from tests.serving.conftest import Att, ServiceProcess

HERE = Path(__file__).parent
LIMIT = 850


def held(http: httpx.Client, att: Att) -> dict[str, Any]:
    """Makes something of each kind to ask about."""
    http.post("/v1/collections", json={"id": "staff", "keep_crops": True}).raise_for_status()
    faces = "/v1/collections/staff/persons/p1/faces"
    made = http.post(faces, files={"image": att[1, 1]}, params={"create": True}).raise_for_status()
    open_job = {"kind": "enroll", "collection": "staff", "open": True}
    job = http.post("/v1/jobs", json=open_job).raise_for_status()
    face = made.json()["enrolled"][0]["face_id"]
    model = http.get("/v1/models").raise_for_status().json()["items"][0]
    return {
        "collection": "staff",
        "person": "p1",
        "face": face,
        "job": job.json()["id"],
        "embedding": [1.0] * model["dimension"],
        "contract_id": model["contract_id"],
    }


def schemathesis(url: str, att: Att, *options: str, key: str | None = None) -> str:
    """What it says after a run without a finding."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        known = held(http, att) | {"key": key and key.split("_")[1]}
    told = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
    with TemporaryDirectory() as own:  # where it keeps what it found
        done = subprocess.run(
            [*command, "run", f"{url}/v1/openapi.json", "--no-color", "--seed", "1", *options, *told],
            cwd=own,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.serving.schemathesis_hooks",
                "PYTHONPATH": str(HERE.parents[1]),
                "COCIRCLE_HELD": json.dumps(known),
                "PYTHONHASHSEED": "0",  # with the seed: the same requests each time
            },
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    said = "\n".join(line[:400] for line in done.stdout.splitlines())
    assert done.returncode == 0, f"{findings(said)}\n{said}\n{done.stderr}"
    # A key that was revoked on the way would have tested nothing since.
    httpx.get(f"{url}/v1/models", headers=headers, timeout=60).raise_for_status()
    return said


def findings(said: str) -> str:
    """Operations and what was found of each, in one line: the end of a long log shows no more of a failure."""
    told = (line for line in said.splitlines() if re.match(r"_{3,} | *- ST\d", line))
    return "; ".join(line.strip("_- ") for line in told)


def operations(said: str) -> int:
    """How many operations were tested; all that were selected."""
    found = re.search(r"Selected: (\d+)/\1\s+Tested: \1\b", said)
    assert found is not None, said
    return int(found[1])


@contextmanager
def guarded(home: Path) -> Iterator[tuple[str, str]]:
    """Address of a service with keys in this process, and an administrator's key. It slows no sender of wrong keys:
    Schemathesis sends thousands.
    """
    settings = Settings(home=home, workers=0, auth="on")
    service = replace(Service.open(settings), limits=Limits(wrong_keys_at_once=1e6))
    server = uvicorn.Server(uvicorn.Config(create_app(settings, service), log_config=None, access_log=False))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", service.keys.create("", Scope.ADMIN)
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_answer_is_as_the_document_says(
    service_process: Callable[..., ServiceProcess], att: Att
) -> None:
    process = service_process(COCIRCLE_WORKERS="0")
    said = schemathesis(process.url, att, "--phases", "coverage,fuzzing", "-n", "2")
    assert operations(said) > 40
    assert not re.search("Traceback|Found invalid character", process.log.read_text())


@pytest.mark.timeout(900)
def test_with_keys_no_route_answers_without_one(tmp_path: Path, att: Att) -> None:
    with guarded(tmp_path) as (url, key):
        said = schemathesis(url, att, "--phases", "fuzzing", "-n", "2", key=key)
    assert operations(said) > 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_more_requests_and_chains_of_them_are_answered_as_the_document_says(
    service_process: Callable[..., ServiceProcess], tmp_path: Path, att: Att
) -> None:
    more = ("--phases", "coverage,fuzzing,stateful", "-n", "40")
    process = service_process(COCIRCLE_WORKERS="0")
    assert operations(schemathesis(process.url, att, *more)) > 40
    assert "Traceback" not in process.log.read_text()
    with guarded(tmp_path / "guarded") as (url, key):
        assert operations(schemathesis(url, att, *more, key=key)) > 40
