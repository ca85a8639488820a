"""The image is built here without a daemon, and what lies in it serves: as its user, on a read-only root."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest

from tests.deployment.conftest import ROOT
from tests.postgres_server import PASSWORD, PostgresServer
from tests.postgres_server import USER as OWNER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PROGRAMS = ("buildah", "debootstrap", "unshare", "chroot")
IMAGE = "cocircle:test"
USER = "10001"

# Mounted in a namespace of its own, so that it is gone with the process, which becomes the one that is asked for.
ENTER = """
root=$1 home=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$home" "$root/var/lib/cocircle"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp" -o size=512m,mode=1777,nosuid,nodev,noexec
mount -t tmpfs dev "$root/dev" -o mode=755
for device in null urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,ro,bind "$root"
cd "$root"
exec chroot "$root" setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set=-all \
  --inh-caps=-all --pdeathsig KILL -- "$@"
"""


@dataclass(frozen=True)
class Image:
    """Its root file system, and what is said of it."""

    root: Path
    config: dict[str, object]

    @property
    def environment(self) -> dict[str, str]:
        found = self.config["Env"]
        assert isinstance(found, list)
        return dict(pair.split("=", 1) for pair in found)


def buildah(storage: Path, *words: str) -> str:
    where = [
        "--storage-driver",
        driver(storage),
        "--root",
        f"{storage}/layers",
        "--runroot",
        f"{storage}/run",
    ]
    done = subprocess.run(["buildah", *where, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@cache
def driver(storage: Path) -> str:
    """overlay where the folder bears it, else vfs, which copies a whole root file system for every stage."""
    with tempfile.TemporaryDirectory(dir=storage) as tried:
        parts = {name: f"{tried}/{name}" for name in ("lowerdir", "upperdir", "workdir")}
        for folder in (*parts.values(), f"{tried}/merged"):
            os.mkdir(folder)
        options = ",".join(f"{name}={folder}" for name, folder in parts.items())
        mount = ["mount", "-t", "overlay", "overlay", "-o", options, f"{tried}/merged"]
        script = f"mount --make-rprivate / && {shlex.join(mount)}"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False)
    return "overlay" if done.returncode == 0 else "vfs"


def why_not() -> str | None:
    """Why no image can be built here, or None."""
    if os.getuid() != 0:
        return "an image is built here as root only"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"not here: {', '.join(missing)} (Debian's packages buildah and debootstrap)"
    return None


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The target cpu, built in a folder that is removed at the end; where it cannot be, the tests say why."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    storage = Path(tempfile.mkdtemp(prefix="cocircle-image-"))
    try:
        built = subprocess.run(
            [ROOT / "docker" / "build_without_daemon.sh", "cpu", IMAGE],
            env={**os.environ, "STORAGE": str(storage), "DRIVER": driver(storage)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert built.returncode == 0, built.stdout[-4000:]
        container = buildah(storage, "from", "--pull-never", IMAGE)
        root = Path(buildah(storage, "mount", container))
        said = json.loads(buildah(storage, "inspect", "--type", "image", IMAGE))["Docker"]["config"]
        yield Image(root, said)
    finally:
        with suppress(AssertionError):  # a build that failed may have left nothing to unmount
            buildah(storage, "umount", "--all")
            buildah(storage, "rm", "--all")
        shutil.rmtree(storage, ignore_errors=True)


def inside(image: Image, home: Path, *words: str, **environment: str) -> list[str]:
    """The command line that runs `words` as a container would: its user, its variables, nothing of this process."""
    given = [f"{name}={value}" for name, value in {**image.environment, **environment}.items()]
    return [
        "unshare",
        "--mount",
        "bash",
        "-euc",
        ENTER,
        "-",
        str(image.root),
        str(home),
        "env",
        "-i",
        *given,
        *words,
    ]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """As a volume is when it is new."""
    made = Path(tempfile.mkdtemp(prefix="cocircle-home-"))
    os.chown(made, int(USER), int(USER))
    yield made
    shutil.rmtree(made)


def run(image: Image, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        inside(image, home, *words), capture_output=True, text=True, timeout=120, check=False
    )


def test_the_image_says_how_it_is_run(image: Image) -> None:
    assert image.config["User"] == f"{USER}:{USER}"
    assert image.config["Entrypoint"] == ["cocircle"]
    assert image.config["Cmd"] == ["serve"]
    assert image.config["Volumes"] == {"/var/lib/cocircle": {}}
    assert list(image.config["ExposedPorts"]) == ["8080/tcp"]  # type: ignore[call-overload]
    assert image.config["Healthcheck"]
    labels = image.config["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.title"] == "Cocircle"


def test_nothing_but_the_volume_and_tmp_can_be_written_to(image: Image, home: Path) -> None:
    script = """
import os, pathlib
assert os.getuid() == 10001 and os.getgroups() in ([], [10001]), os.getgroups()
held = pathlib.Path("/proc/self/status").read_text()
assert "CapEff:\\t0000000000000000" in held and "CapBnd:\\t0000000000000000" in held and "NoNewPrivs:\\t1" in held
written = []
for folder in ("/", "/etc", "/opt/cocircle", "/opt/cocircle/cache", "/usr", "/var", "/var/lib/cocircle", "/tmp"):
    try:
        probe = pathlib.Path(folder, "probe")
        probe.touch()
        probe.unlink()
        written.append(folder)
    except OSError:
        pass
print(written)
"""
    done = run(image, home, "python", "-c", script)
    assert done.stdout == "['/var/lib/cocircle', '/tmp']\n", done.stderr


def test_the_image_holds_what_the_constraints_say_and_no_tools_for_building(image: Image, home: Path) -> None:
    done = run(image, home, "python", "-m", "pip", "freeze")
    assert done.returncode == 0, done.stderr
    held = dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)
    pins = dict(
        line.split("==")
        for line in (ROOT / "docker/constraints.txt").read_text().splitlines()
        if "==" in line
    )
    assert {
        name: version
        for name, version in held.items()
        if pins.get(name.lower().replace("_", "-")) not in (None, version)
    } == {}
    assert {"numpy", "psycopg"} <= set(held)
    assert not {"torch", "boto3", "pytest"} & set(held)
    assert [name for name in ("gcc", "curl", "git") if list(image.root.glob(f"usr/bin/{name}"))] == []
    assert not (image.root / "src").exists()


@contextmanager
def serving(image: Image, home: Path, log: Path, **environment: str) -> Iterator[str]:
    """The image's own entry point on a free loopback port; yields the address."""
    command = inside(
        image,
        home,
        "cocircle",
        "serve",
        COCIRCLE_HOST="127.0.0.1",
        COCIRCLE_PORT="0",
        COCIRCLE_AUTH="on",
        **environment,
    )
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.match(r"Cocircle answers at (http://\S+) ", line)
            assert found, log.read_text()
            yield found[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_the_demo_works_against_the_service_of_the_image(image: Image, home: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(image, home, log) as address:
        (key,) = re.findall(r"cck_[\w-]+", log.read_text())
        assert httpx.get(f"{address}/v1/system").status_code == 401
        demo = subprocess.run(
            [sys.executable, "-m", "serving", "demo", "--url", address, "--home", str(tmp_path), "--json"],
            env={**os.environ, "COCIRCLE_KEY": key},
            capture_output=True,
            text=True,
            check=False,
        )
        assert demo.returncode == 0, demo.stderr
        figures = json.loads(demo.stdout)
        assert figures["enrolled"] == 150
        assert figures["rank1"] > 0.95
        system = httpx.get(f"{address}/v1/system", headers={"authorization": f"Bearer {key}"}).json()
        assert (system["provider"], system["engine"]) == ("cpu", "faiss-cpu")
    assert (home / "gallery" / "gallery.sqlite3").stat().st_uid == int(USER)


def test_the_service_of_the_image_opens_postgresql_with_the_password_of_a_secret(
    image: Image, home: Path, tmp_path: Path, postgres: PostgresServer
) -> None:
    secret = home / "postgres_password"
    secret.write_text(PASSWORD + "\n")
    secret.chmod(0o444)
    database = {
        "COCIRCLE_DATABASE": f"postgresql://{OWNER}@127.0.0.1:{postgres.port}/postgres",
        "COCIRCLE_DATABASE_PASSWORD_FILE": f"/var/lib/cocircle/{secret.name}",
    }
    with serving(image, home, tmp_path / "log", **database) as address:
        assert httpx.get(f"{address}/readyz").json()["ready"] is True
    assert postgres.ask("SELECT count(*) FROM keys") == [(1,)]
