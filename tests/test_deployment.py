"""What the Dockerfile, the compose file and their documentation promise, read from the files themselves."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.settings import Settings
from tests.serving.conftest import ServiceProcess

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "docker" / "Dockerfile"
GUIDE = ROOT / "docs" / "deploy.md"
SERVICES = ("cocircle", "cocircle-gpu")
NOT_SETTINGS = {"COCIRCLE_CACHE", "COCIRCLE_KEY"}  # read by faces/ before there are settings; by the client

Stages = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
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


def compose_defaults() -> dict[str, str]:
    return dict(re.findall(r"\$\{(\w+):-([^}]*)\}", COMPOSE.read_text()))


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_only_to_its_volume_and_to_memory(
    name: str, compose: dict[str, Any], stages: Stages
) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    home = environment(stages["runtime"])["COCIRCLE_HOME"]
    assert service["volumes"] == [f"cocircle:{home}"]
    assert ("VOLUME", home) in stages["runtime"]
    assert "cocircle" in compose["volumes"]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_privileges_to_lose(name: str, compose: dict[str, Any]) -> None:
    service = compose["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "user"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_the_port_is_published_on_loopback_unless_asked_for_otherwise(
    name: str, compose: dict[str, Any]
) -> None:
    assert compose["services"][name]["ports"] == ["${PUBLISH_ADDRESS:-127.0.0.1}:${PUBLISH_PORT:-8080}:8080"]


def test_only_the_gpu_service_waits_for_its_profile_and_reserves_a_gpu(compose: dict[str, Any]) -> None:
    assert "profiles" not in compose["services"]["cocircle"]
    assert "deploy" not in compose["services"]["cocircle"]
    service = compose["services"]["cocircle-gpu"]
    assert service["profiles"] == ["gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_each_service_builds_a_target_that_exists_and_cpu_is_the_default_one(
    compose: dict[str, Any], stages: Stages
) -> None:
    built = {name: compose["services"][name]["build"] for name in SERVICES}
    assert {name: item["target"] for name, item in built.items()} == {
        "cocircle": "cpu",
        "cocircle-gpu": "cuda",
    }
    for item in built.values():
        assert ROOT / item["context"] / item["dockerfile"] == DOCKERFILE
    assert list(stages)[-1] == "cpu"


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_an_image_never_runs_as_root(target: str, stages: Stages) -> None:
    users = [rest for word, rest in stages[target] if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


@pytest.mark.parametrize(
    ("target", "provider", "engine"), [("cpu", "cpu", "faiss-cpu"), ("cuda", "cuda", "faiss-gpu")]
)
def test_a_target_says_where_it_computes(target: str, provider: str, engine: str, stages: Stages) -> None:
    chosen = environment(stages[target])
    assert (chosen["COCIRCLE_PROVIDER"], chosen["COCIRCLE_ENGINE"]) == (provider, engine)
    settings = {
        name.removeprefix("COCIRCLE_").lower(): value for name, value in chosen.items() if "COCIRCLE" in name
    }
    settings.pop("cache")
    made = Settings.model_validate(settings)
    assert made.keys_required


@pytest.mark.parametrize("target", ["build-cpu", "cpu", "cuda"])
def test_an_image_reports_its_use_to_nobody(target: str, stages: Stages) -> None:
    assert environment(stages[target])["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_cpu_wheels_are_gone_before_the_gpu_wheels_come(stages: Stages) -> None:
    (swap,) = [rest for word, rest in stages["build-cuda"] if word == "RUN" and "onnxruntime-gpu" in rest]
    assert swap.index("uninstall -y onnxruntime faiss-cpu") < swap.index("install 'onnxruntime-gpu")
    for pinned in re.findall(r"'(\S+==\S+)'", swap):
        assert pinned in (ROOT / "docs" / "gpu.md").read_text()


def test_everything_the_image_copies_exists_and_reaches_the_builder(stages: Stages) -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {source for word, rest in stages["build-cpu"] if word == "COPY" for source in rest.split()[:-1]}
    assert copied == let_through
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


def test_the_health_check_tells_a_live_service_from_a_dead_port(stages: Stages, tmp_path: Path) -> None:
    (check,) = [rest for word, rest in stages["cpu"] if word == "HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python"

    def ask(port: int) -> int:
        asked = [sys.executable, *command[1:]]
        return subprocess.run(
            asked, env={"COCIRCLE_PORT": str(port)}, capture_output=True, check=False
        ).returncode

    service = ServiceProcess(tmp_path / "home", tmp_path / "service.log", COCIRCLE_AUTH="on")
    try:
        assert ask(int(service.url.rpartition(":")[2])) == 0
    finally:
        service.stop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert ask(unused.getsockname()[1]) != 0


def test_no_secret_has_a_place_in_these_files(compose: dict[str, Any], stages: Stages) -> None:
    named = set(re.findall(r"\b[A-Z][A-Z0-9_]{2,}(?=\s*[:=])", COMPOSE.read_text() + DOCKERFILE.read_text()))
    assert len(named) > 15
    assert not {name for name in named if re.search(r"KEY|SECRET|PASSWORD|TOKEN", name)}
    assert not [name for name in SERVICES if {"env_file", "secrets"} & set(compose["services"][name])]


def test_every_variable_exists_and_is_documented_with_its_default(
    compose: dict[str, Any], stages: Stages
) -> None:
    settings = {"COCIRCLE_" + name.upper() for name in Settings.model_fields}
    used = set(compose_defaults())
    for name in SERVICES:
        used |= set(compose["services"][name]["environment"])
    for target in ("cpu", "cuda"):
        used |= {name for name in environment(stages[target]) if name.startswith("COCIRCLE_")}
    assert {name for name in used if name.startswith("COCIRCLE_")} - settings - NOT_SETTINGS == set()
    documented = documented_defaults()
    assert (settings | used) - set(documented) == set()
    assert {name for name in documented if name.startswith("COCIRCLE_")} - settings - NOT_SETTINGS == set()


def test_defaults_in_the_compose_file_and_in_the_guide_are_the_services_own() -> None:
    documented, composed = documented_defaults(), compose_defaults()
    for name, field in Settings.model_fields.items():
        variable = "COCIRCLE_" + name.upper()
        said = {text for text in (documented[variable], composed.get(variable)) if text is not None}
        values = {getattr(Settings.model_validate({name: read(text)}), name) for text in said}
        assert values == {field.default}, variable
    for name in ("PUBLISH_ADDRESS", "PUBLISH_PORT", "IMAGE", "GPU_IMAGE"):
        assert documented[name] == composed[name]


def read(text: str) -> object:
    return json.loads(text) if text.startswith("[") else text


def compose_command() -> list[str] | None:
    """docker-compose, or docker with its compose plugin; None where there is neither."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker"):
        command = ["docker", "compose"]
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            return command
    return None


def test_compose_itself_accepts_the_file_with_and_without_the_gpu() -> None:
    command = compose_command()
    if command is None:
        pytest.skip("no docker-compose here to validate docker-compose.yml with")
    for profile in ([], ["--profile", "gpu"]):
        asked = [*command, "--file", str(COMPOSE), *profile, "config"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        said = yaml.safe_load(done.stdout)
        assert "cocircle" in said["services"]
        if profile:
            assert "cocircle-gpu" in said["services"]
