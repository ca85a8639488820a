"""The files of a deployment, read once: compose file, Dockerfile by stage, the guide's tables. Runs nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
GUIDE = ROOT / "docs" / "deploy.md"

Stages = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def stages() -> Stages:
    """The Dockerfile's instructions by stage, each with those of the stages it is built from before its own."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.M)
    found: Stages = {}
    current: list[tuple[str, str]] = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name] = list(found.get(base, []))
        elif word:
            current.append((word, rest.strip()))
    return found


def environment(stage: list[tuple[str, str]]) -> dict[str, str]:
    pairs = (re.findall(r"(\w+)=(\S+)", rest) for word, rest in stage if word == "ENV")
    return {name: value for found in pairs for name, value in found}


def documented_defaults() -> dict[str, str]:
    """Variable -> default, from the tables of docs/deploy.md."""
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", GUIDE.read_text(), flags=re.M))


def compose_defaults() -> dict[str, set[str]]:
    """Variable -> its defaults in the compose file: of some, each service has its own."""
    found: dict[str, set[str]] = {}
    for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()):
        found.setdefault(name, set()).add(default)
    return found
