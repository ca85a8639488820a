"""Backups: taken while others write, restored elsewhere bit for bit, refused where a byte is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from index.backup import restore as restoring
from index.backup import take
from index.backup.parts import BadBackup, Checked, check
from index.backup.restore import NotEmpty
from index.gallery import Gallery
from index.records import NewPerson
from index.template import stored
from serving import backup
from serving.client import Client
from serving.keys import gallery_settings
from serving.settings import Settings
from tests.postgres_server import PostgresServer
from tests.serving.backup_kit import (
    CONTRACT,
    Writer,
    asked,
    command,
    fill,
    settings,
    stored_rows,
    template,
    vector,
)
from tests.serving.conftest import ServiceProcess

ROOT = Path(__file__).parents[2]
Place = Callable[[str], Settings]


def unseen(done: int, of: int) -> None:
    pass


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Settings of a fresh data folder, on `sqlite` or `postgres`."""

    def made(database: str) -> Settings:
        home = tmp_path / f"{database}-{len(list(tmp_path.iterdir()))}"
        home.mkdir()
        if database == "sqlite":
            return settings(home)
        server: PostgresServer = request.getfixturevalue("postgres")
        return settings(home, server.new_database())

    return made


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with something of everything, to be copied."""
    at = settings(tmp_path_factory.mktemp("filled") / "home")
    with Gallery.open(gallery_settings(at)) as gallery:
        fill(gallery)
    return at.folder


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Settings:
    home = tmp_path / "filled"
    shutil.copytree(filled_once, home)
    return settings(home)


def taken(at: Settings, folder: Path) -> Path:
    return backup.back_up(at, folder, unseen).path


def checked(path: Path) -> Checked:
    with path.open("rb") as file:
        return check(file)


def put_back(at: Settings, path: Path) -> None:
    with path.open("rb") as file:
        backup.restore_from(at, file, unseen)


@pytest.mark.parametrize(
    ("one", "other"),
    [("sqlite", "sqlite"), ("postgres", "postgres"), ("sqlite", "postgres"), ("postgres", "sqlite")],
)
def test_what_is_restored_is_what_was_there_bit_for_bit(
    one: str, other: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "PART_BYTES", 4096)
    at = place(one)
    with Gallery.open(gallery_settings(at)) as gallery:
        fill(gallery, persons=10)
        (at.folder / "cursor.secret").write_bytes(os.urandom(32))
        path = taken(at, tmp_path)
        before = stored_rows(at)
    assert all(before[name] for name in before if name not in ("job_findings", "keys"))
    to = place(other)
    put_back(to, path)
    assert stored_rows(to) == before
    for name in ("gallery/audit.salt", "cursor.secret"):
        assert (to.folder / name).read_bytes() == (at.folder / name).read_bytes()
        assert stat.S_IMODE((to.folder / name).stat().st_mode) == 0o600
    with Gallery.open(gallery_settings(to)) as gallery:
        assert gallery.audit.verify().damage is None
        found = gallery.identify("staff", vector("staff-ä7")[None], contract_id=CONTRACT)
        assert found[0][0].person_id == "staff-ä7"
        gallery.create_person("staff", NewPerson("new"))
        assert gallery.audit.verify().damage is None
    # A number that was given to somebody who is gone is not given again.
    assert max(row[0] for row in stored_rows(to)["persons"]) > 20
    assert checked(tmp_path / path.name).header.revision == len(before["revisions"])


def test_a_backup_is_of_one_moment_and_holds_up_no_writer(
    filled: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    monkeypatch.setattr(take, "PART_BYTES", 4096)
    before = stored_rows(filled)
    with Gallery.open(gallery_settings(filled)) as gallery:
        begun = iter(range(1000))

        def write(done: int, of: int) -> None:
            number = next(begun)
            gallery.create_person("staff", NewPerson(f"late-{number}"))
            if number == 3:
                gallery.delete_collection("guests", force=True)

        path = backup.back_up(filled, tmp_path, write).path
        assert next(begun) > 10
    to = place("sqlite")
    put_back(to, path)
    assert stored_rows(to) == before


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_service_is_backed_up_under_load_and_one_on_the_restored_data_answers(
    database: str, place: Place, tmp_path: Path, service_process: Callable[..., ServiceProcess]
) -> None:
    at, to = place(database), place(database)

    def start(where: Settings) -> ServiceProcess:
        address = where.database.get_secret_value()
        return service_process(home=where.folder, COCIRCLE_DATABASE=address, COCIRCLE_WORKERS="0")

    process = start(at)
    with Client(process.url) as client:
        client.create_collection("staff")
        model = client.models().items[0]
    writers = [Writer(process.url, model.contract_id, model.dimension, f"w{one}") for one in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.wait_for(10)
    acknowledged = [writer.acknowledged for writer in writers]
    path = tmp_path / "under-load.backup"
    done = command(at.folder, "make", path, database=at.database_address)
    begun = [len(writer.begun) for writer in writers]
    assert done.returncode == 0, done.stderr
    for writer, count in zip(writers, begun, strict=True):
        writer.wait_for(count + 3)
    for writer in writers:
        writer.stop()
    process.stop()
    done = command(to.folder, "restore", path, database=to.database_address)
    assert done.returncode == 0, done.stderr

    original, restored = stored_rows(at), stored_rows(to)
    revision = len(restored["revisions"])
    assert 0 < revision < len(original["revisions"])
    assert restored["revisions"] == original["revisions"][:revision]
    assert restored["audit"] == original["audit"][: len(restored["audit"])]
    held = {row[2] for row in restored["persons"]}
    for writer, least, most in zip(writers, acknowledged, begun, strict=True):
        mine = {person for person in held if person.startswith(writer.person_prefix)}
        assert mine in [writer.after(writes) for writes in range(least, most + 1)]
    # Whoever is in both is the same to the last bit; whoever was deleted since is what had been enrolled.
    for table in ("persons", "faces"):
        kept = {row[0]: row for row in original[table]}
        assert all(kept.get(row[0], row) == row for row in restored[table])
    precision = restored["collections"][0][6]
    for row in restored["persons"]:
        units = template(row[2], model.dimension)[None].astype(np.float32)
        assert row[6] == stored(units, precision)[0].tobytes()
    with Client(start(to).url) as client:
        assert client.ready()
        persons = client.persons("staff")
        assert {person.id for person in persons} == held


def test_a_backup_and_its_restore_go_through_pipes(filled: Settings, place: Place) -> None:
    made = asked(filled.folder, "make", "-")
    assert made.exit_code == 0, made.stderr
    to = place("sqlite")
    verified = asked(to.folder, "verify", "-", given=made.stdout_bytes)
    assert verified.stdout.startswith("whole: 2 collections, 76 persons, 152 faces"), verified.stderr
    done = asked(to.folder, "restore", "-", given=made.stdout_bytes)
    assert done.exit_code == 0, done.stderr
    assert stored_rows(to) == stored_rows(filled)
    assert not [path for path in to.folder.iterdir() if path.name.startswith(".restore")]
    assert "staff-ä" not in made.stderr + done.stdout + done.stderr
    assert asked(to.folder, "verify", "-", given=made.stdout_bytes[:-9]).exit_code == 2


def test_secrets_stay_out_where_that_is_asked_for(filled: Settings, tmp_path: Path) -> None:
    path = backup.back_up(filled, tmp_path / "bare", unseen, with_secrets=False).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert checked(path).files == {}
    salt = (filled.folder / "gallery/audit.salt").read_bytes()
    assert salt not in path.read_bytes()


def test_a_byte_that_is_wrong_anywhere_is_noticed_and_nothing_is_restored(
    filled: Settings, tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "PART_BYTES", 4096)
    whole = taken(filled, tmp_path).read_bytes()
    to = place("sqlite")
    ends = [at for at, byte in enumerate(whole) if byte == 10]
    chance = np.random.default_rng(7)
    places = [0, 20, ends[0] - 1, ends[0] + 3, ends[-2] - 1, ends[-2] + 2, len(whole) - 1]
    places += [int(at) for at in chance.integers(0, len(whole), 40)]
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(chance.integers(0, 8))
        with pytest.raises(BadBackup):
            backup.restore_from(to, BytesIO(bytes(damaged)), unseen)
    cuts = [0, 5, *(end + 1 for end in ends[:-1:50]), ends[-2] + 1, len(whole) - 1]
    cuts += [int(at) for at in chance.integers(0, len(whole), 20)]
    for cut in cuts:
        with pytest.raises(BadBackup):
            backup.restore_from(to, BytesIO(whole[:cut]), unseen)
    for more in (b"\n", whole):
        with pytest.raises(BadBackup, match="follows the end"):
            backup.restore_from(to, BytesIO(whole + more), unseen)
    assert list(to.folder.rglob("*")) == []


def changed(path: Path, **values: object) -> BytesIO:
    """The file with another header and a checksum that is right again."""
    first, _, rest = path.read_bytes().partition(b"\n")
    body, _, last = rest.rstrip(b"\n").rpartition(b"\n")
    whole = json.dumps({**json.loads(first), **values}).encode() + b"\n" + body + b"\n"
    end = {**json.loads(last), "sha256": hashlib.sha256(whole).hexdigest()}
    return BytesIO(whole + json.dumps(end).encode() + b"\n")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"version": 2}, "version 2, this code reads 1"),
        ({"format": "cocircle-collection"}, "this is no backup"),
        ({"schema": "9999"}, "restore it with the version that made it"),
        ({"files": ["../../etc/passwd"]}, "of nothing that the header names|lacks small files"),
    ],
)
def test_a_file_of_another_kind_or_version_is_refused(
    filled: Settings, tmp_path: Path, place: Place, values: dict[str, object], words: str
) -> None:
    file, to = changed(taken(filled, tmp_path), **values), place("sqlite")
    with pytest.raises(BadBackup, match=words):
        backup.restore_from(to, file, unseen)
    assert not (to.folder / "gallery").exists()


def test_a_file_that_names_a_path_of_its_own_writes_nothing_there(
    filled: Settings, tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "SECRETS", ("gallery/../../escaped",))
    (filled.folder / "gallery/../../escaped").write_bytes(b"secret")
    path = taken(filled, tmp_path / "evil")
    monkeypatch.undo()
    with pytest.raises(BadBackup, match="belongs into no data folder"):
        put_back(place("sqlite"), path)


def test_a_backup_of_an_older_version_is_restored_and_brought_up_to_date(
    filled: Settings, tmp_path: Path, place: Place
) -> None:
    """The file of a version before keys and audit: without their tables."""
    before = stored_rows(filled)
    source = BytesIO()
    store = restoring.open_store(gallery_settings(filled))
    try:
        with pytest.MonkeyPatch.context() as older:
            newer = ("keys", "audit", "audit_head", "forgotten")
            tables = take.tables_of
            older.setattr(take, "tables_of", lambda c: {n: t for n, t in tables(c).items() if n not in newer})
            older.setattr(take, "reached", lambda _: "0004")
            take.take(store, source, {})
    finally:
        store.close()
    to = place("sqlite")
    backup.restore_from(to, source, unseen)
    after = stored_rows(to)
    assert {name: rows for name, rows in after.items() if name not in newer} == {
        name: rows for name, rows in before.items() if name not in newer
    }
    assert after["audit"] == []
    with Gallery.open(gallery_settings(to)) as gallery:
        gallery.delete_person("staff", "staff-ä7")
        assert gallery.audit.verify().damage is None


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_nothing_is_restored_over_what_is_there(
    database: str, filled: Settings, tmp_path: Path, place: Place
) -> None:
    path, to = taken(filled, tmp_path), place(database)
    with Gallery.open(gallery_settings(to)) as gallery:
        fill(gallery, persons=3)
    (to.folder / "gallery/audit.salt").unlink()
    before = stored_rows(to)
    with pytest.raises(NotEmpty, match=r"2 collections, .* persons"):
        put_back(to, path)
    assert stored_rows(to) == before
    assert not (to.folder / "gallery/audit.salt").exists()


def test_a_secret_of_another_gallery_is_not_replaced(filled: Settings, tmp_path: Path, place: Place) -> None:
    path, to = taken(filled, tmp_path), place("sqlite")
    (to.folder / "gallery").mkdir()
    (to.folder / "gallery/audit.salt").write_bytes(b"x" * 32)
    with pytest.raises(NotEmpty, match=r"audit\.salt is there"):
        put_back(to, path)


def test_where_there_is_no_gallery_or_already_a_file_the_error_says_so_and_nothing_is_made(
    filled: Settings, tmp_path: Path
) -> None:
    nowhere = tmp_path / "nowhere"
    done = asked(nowhere, "make", tmp_path / "none")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is no gallery in" in done.stderr
    assert not nowhere.exists()
    there = tmp_path / "there"
    there.write_bytes(b"an older backup")
    done = asked(filled.folder, "make", there)
    assert done.exit_code == 2
    assert "writes over nothing" in done.stderr
    assert there.read_bytes() == b"an older backup"


def half_way(what: str, at: Settings, file: Path) -> None:
    """Takes or restores in another process, which is killed with -9 half-way."""
    command = [sys.executable, "-m", "tests.serving.backup_child", what, str(at.folder), str(file)]
    if at.database_address is not None:
        command.append(at.database_address)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half\n"
        child.send_signal(signal.SIGKILL)


def test_a_backup_that_is_killed_half_way_leaves_nothing_that_looks_whole(
    filled: Settings, tmp_path: Path, place: Place
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    half_way("take", filled, folder / "a")
    assert not (folder / "a").exists()
    for left in folder.iterdir():
        assert left.stat().st_size > 1000
        with left.open("rb") as file, pytest.raises(BadBackup, match="not whole"):
            check(file)
    to = place("sqlite")
    put_back(to, taken(filled, folder / "a"))
    assert stored_rows(to) == stored_rows(filled)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_restore_that_is_killed_half_way_leaves_nothing_and_can_be_done_again(
    database: str, filled: Settings, tmp_path: Path, place: Place
) -> None:
    path, to = taken(filled, tmp_path), place(database)
    half_way("restore", to, path)
    assert stored_rows(to)["persons"] == []
    put_back(to, path)  # on PostgreSQL it waits until the server has noticed that the other is gone
    assert stored_rows(to) == stored_rows(filled)
