"""A real Milvus of the tests' own: standalone, on loopback, in a folder of its own, ended by its own process id."""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

START_SECONDS = 120.0


class CannotRun(Exception):
    """This machine cannot run a Milvus for the tests; the message says why."""


class MilvusServer:
    """Takes half a minute to start. `kill` and `start` may follow each other; the data stays."""

    def __init__(self) -> None:
        package = _package()
        self._folder = Path(tempfile.mkdtemp(prefix="cocircle-milvus-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._programs = self._unpacked(package / "bin")
            self._configured(package)
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def address(self) -> str:
        """As an operator would give it."""
        return f"http://127.0.0.1:{self.port}"

    def _unpacked(self, packed: Path) -> Path:
        programs = self._folder / "bin"
        programs.mkdir()
        for source in packed.glob("*.lzma"):
            target = programs / source.stem
            with lzma.open(source) as stream, target.open("wb") as file:
                shutil.copyfileobj(stream, file)
            target.chmod(0o755)
        return programs

    def _configured(self, package: Path) -> None:
        """The package's own code does no more than this: it would look for ports from fixed numbers on."""
        import milvus

        config = milvus.MilvusServerConfig(data_dir=str(self._folder))
        names = [name for name in config.configurable_items if name.endswith("_port")]
        self._health, peer, *numbers = _free_ports(2 + len(names))
        ports = dict(zip(names, numbers, strict=True))
        config.update(**ports)
        config.set("log.level", "error")
        config.resolve()
        self.port = ports["proxy_port"]
        # Without these etcd takes a port for other members of its cluster that is the same for all of a machine.
        client, others = f"http://127.0.0.1:{ports['etcd_port']}", f"http://127.0.0.1:{peer}"
        self._etcd = self._folder / "etcd.yaml"
        self._etcd.write_text(
            f"listen-client-urls: {client}\nadvertise-client-urls: {client}\n"
            f"listen-peer-urls: {others}\ninitial-advertise-peer-urls: {others}\n"
            f"initial-cluster: default={others}\n"
        )

    def start(self) -> None:
        """Returns when it answers."""
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "ETCD_CONFIG_PATH": str(self._etcd),
            "METRICS_PORT": str(self._health),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "LD_LIBRARY_PATH": str(self._programs),
        }
        command = [str(self._programs / "milvus"), "run", "standalone"]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]  # it ends even where the tests are killed
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log
            )
        self._answering(self._process)

    def _answering(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            # Ends early where the server does.
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
            raise CannotRun(f"the server ended: {(self._folder / 'log').read_text()[-2000:]}")
        raise CannotRun(f"the server was not ready after {START_SECONDS:.0f} seconds")

    def client(self) -> Any:
        """A client of the administrator."""
        from pymilvus import MilvusClient

        return MilvusClient(uri=self.address, dedicated=True, timeout=10)

    def kill(self) -> None:
        """As after a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(60)

    def remove(self) -> None:
        """Ends the server and removes its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _package() -> Path:
    try:
        package = distribution("milvus")
    except PackageNotFoundError as error:
        raise CannotRun("the package milvus (2.3.5) is not installed") from error
    return Path(str(package.locate_file("milvus/data")))


def _free_ports(count: int) -> list[int]:
    """All different, since all are taken at once."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
