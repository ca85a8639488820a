"""What a client is told of the kinds of jobs: every option that it may give, and none that only this machine may."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from serving.jobs.reembedding.change import ChangeOfForm
from serving.jobs.registry import ALL
from serving.keys import Scope


@pytest.fixture(scope="module")
def told(shared_api: httpx.Client) -> dict[str, dict[str, Any]]:
    items = shared_api.get("/v1/jobs:kinds").raise_for_status().json()["items"]
    return {one["kind"]: one for one in items}


def test_every_kind_is_told_with_the_options_that_clients_may_give(told: dict[str, dict[str, Any]]) -> None:
    assert list(told) == [kind.name for kind in ALL]
    for kind in ALL:
        properties = told[kind.name]["options"]["properties"]
        assert set(properties) == set(kind.options.model_fields) - kind.local
        assert all("$ref" not in option and "title" in option for option in properties.values())
        assert told[kind.name]["needs_collection"] == kind.needs_collection


def test_an_option_is_told_with_its_words_bounds_and_default(told: dict[str, dict[str, Any]]) -> None:
    quality = told["enroll"]["options"]["properties"]["quality"]
    assert (quality["enum"], quality["default"]) == (["auto", "none"], "auto")
    days = told["purge"]["options"]["properties"]["days"]
    assert (days["exclusiveMinimum"], days["maximum"]) == (0, 36_500)
    assert told["purge"]["options"]["required"] == ["days"]


def test_kinds_whose_items_are_uploaded_and_the_scopes_they_need_are_told(
    told: dict[str, dict[str, Any]],
) -> None:
    assert {name for name, one in told.items() if one["uploads"]} == {"enroll", "import"}
    assert {name for name, one in told.items() if one["scope"] == Scope.ENROL} == {"enroll", "cluster"}


def test_no_option_of_a_change_of_model_names_a_file_of_the_service(told: dict[str, dict[str, Any]]) -> None:
    changes = [kind.name for kind in ALL if isinstance(kind, ChangeOfForm)]
    assert changes == ["reembed", "rollback"]
    assert not any("originals" in told[name]["options"]["properties"] for name in changes)


def test_an_upload_to_each_kind_that_is_told_to_take_them_is_taken(
    told: dict[str, dict[str, Any]], shared_api: httpx.Client
) -> None:
    shared_api.post("/v1/collections", json={"id": "c"}).raise_for_status()
    for name, kind in told.items():
        if not kind["options"].get("required"):
            wanted = {"kind": name, "collection": "c", "open": True}
            answer = shared_api.post("/v1/jobs", json=wanted)
            assert (answer.status_code == 202) == kind["uploads"], answer.text
