"""Every variable of compose file, images and service stands in docs/deploy.md, with the default that it has."""

from __future__ import annotations

import json
from typing import Any

from serving.settings import Settings
from tests.deployment.conftest import Stages, compose_defaults, documented_defaults, environment

# Read by faces/ before there are settings; by the command line's client.
NOT_SETTINGS = {"COCIRCLE_CACHE", "COCIRCLE_KEY"}
# What compose sets otherwise than a service that is started by hand has it.
COMPOSE_OWN = {
    "COCIRCLE_DATABASE": {"postgresql://cocircle@postgres/cocircle"},
    "COCIRCLE_ENGINE": {"faiss-cpu", "faiss-gpu"},
}


def test_every_variable_exists_and_is_documented(compose: dict[str, Any], stages: Stages) -> None:
    settings = {"COCIRCLE_" + name.upper() for name in Settings.model_fields}
    used = set(compose_defaults())
    for service in compose["services"].values():
        used |= {name for name in service.get("environment", {}) if name.startswith("COCIRCLE_")}
    for target in ("cpu", "cuda", "training"):
        used |= {name for name in environment(stages[target]) if name.startswith("COCIRCLE_")}
    assert {name for name in used if name.startswith("COCIRCLE_")} - settings - NOT_SETTINGS == set()
    documented = documented_defaults()
    assert (settings | used) - set(documented) == set()
    assert {name for name in documented if name.startswith("COCIRCLE_")} - settings - NOT_SETTINGS == set()


def test_defaults_in_the_compose_file_and_in_the_guide_are_the_services_own() -> None:
    documented, composed = documented_defaults(), compose_defaults()
    for name, field in Settings.model_fields.items():
        variable = "COCIRCLE_" + name.upper()
        said = {documented[variable]}
        if variable in COMPOSE_OWN:
            assert composed[variable] == COMPOSE_OWN[variable]
        else:
            said |= composed.get(variable, set())
        values = {getattr(Settings.model_validate({name: read(text)}), name) for text in said}
        assert values == {field.default}, variable


def test_defaults_of_compose_alone_are_those_that_the_guide_says() -> None:
    documented = documented_defaults()
    own = {name: said for name, said in compose_defaults().items() if not name.startswith("COCIRCLE_")}
    assert len(own) >= 10
    assert own == {name: {documented[name]} for name in own}


def read(text: str) -> object:
    return json.loads(text) if text.startswith("[") else text
