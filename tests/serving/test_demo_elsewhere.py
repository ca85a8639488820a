"""`cocircle demo --url`: against a service that is somebody's own, of which nothing may be deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import ServiceProcess
from tests.serving.test_cli import cocircle


def test_a_collection_that_is_there_already_is_never_replaced(
    tmp_path: Path, service_process: Callable[..., ServiceProcess]
) -> None:
    url = service_process().url
    assert httpx.post(f"{url}/v1/collections", json={"id": "demo"}).status_code == 201
    done = cocircle("demo", "--url", url, "--home", tmp_path / "demo")
    assert done.returncode == 2
    assert "collection_exists" in done.stderr
    assert [one["id"] for one in httpx.get(f"{url}/v1/collections").json()["items"]] == ["demo"]


@pytest.mark.slow
def test_the_demo_enrols_and_measures_in_the_service_it_is_pointed_at(
    tmp_path: Path, service_process: Callable[..., ServiceProcess]
) -> None:
    url = service_process().url
    done = cocircle("demo", "--url", f"{url}/", "--home", tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["enrolled"] == 150
    assert figures["rank1"] > 0.95
    held = httpx.get(f"{url}/v1/collections/demo").json()
    assert (held["persons"], held["faces"]) == (30, 150)
