"""A database's password from a file: what becomes of the address, what is refused, and that nothing shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.settings import Settings, SettingsError, read_settings
from tests.postgres_server import PASSWORD, USER, PostgresServer
from tests.serving.conftest import Opened

ADDRESS = "postgresql://cocircle@localhost/faces?sslmode=require"


def settings(file: Path, address: str = ADDRESS) -> Settings:
    return read_settings(database=address, database_password_file=file)


def refused(file: Path, address: str = ADDRESS) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(file, address)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.write_text("s3s@me/%open\n")
    return made


def test_the_password_of_the_file_is_in_the_address_and_what_stood_there_stays(file: Path) -> None:
    made = settings(file)
    assert (
        made.database_address
        == "postgresql+psycopg://cocircle:s3s%40me%2F%25open@localhost/faces?sslmode=require"
    )
    assert "s3s" not in repr(made)
    assert "s3s" not in made.model_dump_json()


def test_an_empty_variable_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCIRCLE_DATABASE_PASSWORD_FILE", "")
    assert read_settings(database=ADDRESS).database_address == ADDRESS


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n"])
def test_an_empty_file_is_refused_and_said_to_be_empty(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    assert f"COCIRCLE_DATABASE_PASSWORD_FILE={file} is empty" in refused(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"two\nlines", "more than one line"),
        (b"se\0cret", "cannot be typed"),
        (b"\xff\xfesecret", "no text in UTF-8"),
        (b"secret" * 1000, "more than 4096 bytes"),
    ],
)
def test_what_can_be_no_password_is_refused_and_not_shown(content: bytes, says: str, file: Path) -> None:
    file.write_bytes(content)
    told = refused(file)
    assert says in told
    assert "cret" not in told


def test_a_file_that_is_not_there_and_a_folder_in_its_place_are_told_apart(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "nowhere")
    assert "is a folder" in refused(tmp_path)


def test_two_passwords_and_a_password_for_sqlite_are_refused(file: Path) -> None:
    told = refused(file, "postgresql://cocircle:other@localhost/faces")
    assert "has a password already" in told
    assert "other" not in told
    assert "sqlite, which has no password" in refused(file, "sqlite")
    assert "names no user" in refused(file, "postgresql://localhost/faces")


def test_a_service_opens_its_database_with_the_password_of_the_file(
    postgres: PostgresServer, opened: Callable[..., Opened], file: Path
) -> None:
    file.write_text(PASSWORD)
    name = postgres.new_database().partition("?options=")[2]
    address = f"postgresql://{USER}@127.0.0.1:{postgres.port}/postgres?options={name}"
    http = opened(database=address, database_password_file=file).http
    assert http.post("/v1/collections", json={"id": "people"}).status_code == 201
    assert [item["id"] for item in http.get("/v1/collections").json()["items"]] == ["people"]


def test_a_start_without_the_password_ends_with_one_line_that_says_what_to_do(
    file: Path, tmp_path: Path
) -> None:
    file.write_text("")
    environment = {
        "COCIRCLE_HOME": str(tmp_path / "home"),
        "COCIRCLE_DATABASE": ADDRESS,
        "COCIRCLE_DATABASE_PASSWORD_FILE": str(file),
    }
    done = subprocess.run(
        [sys.executable, "-m", "serving", "serve", "--port", "0"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    says = (
        f"COCIRCLE_DATABASE_PASSWORD_FILE={file} is empty; write the password of the database's user into it"
    )
    assert done.stderr == f"error: {says}\n"
