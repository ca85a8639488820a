"""What docker-compose.yml promises: hardened containers, secrets in files, and profiles that compose itself accepts."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.conftest import COMPOSE, DOCKERFILE, GUIDE, ROOT, Stages, environment

ANSWERING = ("cocircle", "cocircle-gpu", "cocircle-sqlite")
ON_POSTGRESQL = ("cocircle", "cocircle-gpu", "worker")
TRAINING = ("training", "training-gpu")
OURS = {
    "cocircle": "cpu",
    "cocircle-gpu": "cuda",
    "cocircle-sqlite": "cpu",
    "worker": "cpu",
    "training": "training",
    "training-gpu": "training",
}
HARDENED = (*OURS, "postgres", "prometheus", "grafana")
PROFILES = {
    "cocircle": None,
    "postgres": None,
    "cocircle-gpu": "gpu",
    "cocircle-sqlite": "sqlite",
    "worker": "worker",
    "prometheus": "monitoring",
    "grafana": "monitoring",
    "milvus": "milvus",
    "training": "training",
    "training-gpu": "training-gpu",
}

Compose = dict[str, Any]


def test_each_service_is_started_by_the_profile_that_the_guide_names(compose: Compose) -> None:
    profiles = {name: service.get("profiles", [None]) for name, service in compose["services"].items()}
    assert profiles == {name: [profile] for name, profile in PROFILES.items()}
    guide = GUIDE.read_text()
    assert [profile for profile in PROFILES.values() if profile and f"`{profile}`" not in guide] == []


@pytest.mark.parametrize("name", HARDENED)
def test_a_container_has_a_read_only_root_and_no_way_to_more_rights(name: str, compose: Compose) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert not {"privileged", "devices", "network_mode", "pid", "user"} & set(service)
    assert "cap_add" not in service or name == "postgres"


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_to_their_volumes_and_to_memory_only(
    name: str, compose: Compose, stages: Stages
) -> None:
    service = compose["services"][name]
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]
    declared = {path for word, rest in stages[OURS[name]] if word == "VOLUME" for path in rest.split()}
    assert {volume.rsplit(":", 1)[1] for volume in service["volumes"]} == declared
    if name not in TRAINING:
        assert declared == {environment(stages["runtime"])["COCIRCLE_HOME"]}


def test_every_named_volume_is_declared(compose: Compose) -> None:
    used = {
        re.sub(r"^\$\{\w+:-([\w-]+)\}", r"\1", volume).split(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert {name for name in used if not name.startswith("./")} == set(compose["volumes"])
    assert [name for name in used if name.startswith("./") and not (ROOT / name).exists()] == []


def test_every_port_is_published_on_loopback_unless_asked_for_otherwise(compose: Compose) -> None:
    ports = {name: service.get("ports", []) for name, service in compose["services"].items()}
    for name in ANSWERING:
        assert ports.pop(name) == ["${PUBLISH_ADDRESS:-127.0.0.1}:${PUBLISH_PORT:-8080}:8080"]
    assert ports.pop("grafana") == ["${PUBLISH_ADDRESS:-127.0.0.1}:${GRAFANA_PORT:-3000}:3000"]
    assert [name for name, published in ports.items() if published] == []


def test_each_of_our_services_builds_its_target(compose: Compose, stages: Stages) -> None:
    arguments = {
        name
        for stage in stages.values()
        for word, rest in stage
        if word == "ARG"
        for name in [rest.split("=")[0]]
    }
    for name, target in OURS.items():
        build = compose["services"][name]["build"]
        assert build["target"] == target
        assert ROOT / build["context"] / build["dockerfile"] == DOCKERFILE
        assert set(build["args"]) <= arguments


def test_every_other_image_is_pinned_by_a_version(compose: Compose) -> None:
    images = {name: service["image"] for name, service in compose["services"].items() if name not in OURS}
    assert len(images) == 4
    for image in images.values():
        assert re.fullmatch(r"[a-z/]+:v?\d+[\w.-]*", image), image


def test_only_gpu_services_reserve_a_gpu(compose: Compose) -> None:
    reserving = {name for name, service in compose["services"].items() if "deploy" in service}
    assert reserving == {"cocircle-gpu", "training-gpu"}
    for name in reserving:
        (device,) = compose["services"][name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", ON_POSTGRESQL)
def test_a_service_on_postgresql_waits_for_it_and_reads_the_password_from_its_secret(
    name: str, compose: Compose
) -> None:
    service = compose["services"][name]
    assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert service["secrets"] == ["postgres_password"]
    given = service["environment"]
    assert given["COCIRCLE_DATABASE_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    database = compose["services"]["postgres"]
    assert database["environment"]["POSTGRES_PASSWORD_FILE"] == given["COCIRCLE_DATABASE_PASSWORD_FILE"]
    assert "ports" not in database
    assert "healthcheck" in database
    user, name = database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"]
    assert f"postgresql://{user}@postgres/{name}" in given["COCIRCLE_DATABASE"]


def test_sqlite_needs_neither_another_service_nor_a_secret(compose: Compose) -> None:
    service = compose["services"]["cocircle-sqlite"]
    assert service["environment"]["COCIRCLE_DATABASE"] == "sqlite"
    assert not {"depends_on", "secrets"} & set(service)
    assert "COCIRCLE_DATABASE_PASSWORD_FILE" not in service["environment"]


def test_monitoring_finds_whichever_service_answers(compose: Compose) -> None:
    for name in ANSWERING:
        assert compose["services"][name]["networks"]["default"]["aliases"] == ["cocircle"]


def test_a_secret_is_a_file_and_no_variable_holds_one(compose: Compose) -> None:
    text = COMPOSE.read_text() + DOCKERFILE.read_text()
    named = set(re.findall(r"\b[A-Z][A-Z0-9_]{2,}(?=\s*[:=])", text))
    assert len(named) > 30
    secret = {name for name in named if re.search(r"KEY|SECRET|PASSWORD|TOKEN", name)}
    assert {name for name in secret if not name.endswith("_FILE")} == set()
    assert not [name for name, service in compose["services"].items() if "env_file" in service]
    used = {secret for service in compose["services"].values() for secret in service.get("secrets", [])}
    assert used == set(compose["secrets"])
    assert [item["file"] for item in compose["secrets"].values()] == [
        f"./secrets/{name}" for name in compose["secrets"]
    ]
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_documented_command_makes_secrets_that_only_containers_and_their_owner_can_read(
    tmp_path: Path,
) -> None:
    (block,) = re.findall(r"```console\n(\$ install -d .*?)```", GUIDE.read_text(), flags=re.S)
    command = "\n".join(line[2:] for line in block.splitlines())
    for asked in (command, re.findall(r"^#   (install -d .*)$", COMPOSE.read_text(), flags=re.M)[0]):
        folder = tmp_path / str(len(asked))
        folder.mkdir()
        subprocess.run(["bash", "-euc", asked], cwd=folder, check=True)
        made = folder / "secrets" / "postgres_password"
        assert len(made.read_text().strip()) >= 40
        assert stat.S_IMODE(made.stat().st_mode) == 0o644
        assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700


def compose_command() -> list[str]:
    """docker-compose, or docker with its compose plugin."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if shutil.which("docker"):
        command = ["docker", "compose"]
        if subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("no docker-compose here to validate docker-compose.yml with")


@pytest.mark.parametrize(
    "profile", [None, *sorted({profile for profile in PROFILES.values() if profile})], ids=str
)
def test_compose_itself_accepts_every_profile(profile: str | None) -> None:
    command = compose_command()
    chosen = ["--profile", profile] if profile else []
    asked = [*command, "--file", str(COMPOSE), *chosen, "config"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert {name for name, of in PROFILES.items() if of in (None, profile)} <= set(
        yaml.safe_load(done.stdout)["services"]
    )
