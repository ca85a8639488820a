"""What the store on PostgreSQL promises beyond the gallery's own tests: turns, snapshots, secrets, honest errors."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from index.errors import CommitUnknown, StoreUnavailable
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewFace, NewPerson
from index.store import collections, log
from index.store import postgres as postgres_store
from index.store.database_url import database_url
from index.store.postgres import PostgresStore
from index.store.schema import receipts
from tests.index.conftest import CONTRACT
from tests.postgres_server import PASSWORD, PostgresServer

SECONDS = 30


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def store(address: str) -> Iterator[PostgresStore]:
    made = PostgresStore(address)
    yield made
    made.close()


def receipt(key: str) -> dict[str, object]:
    return {"scope": "s", "key": key, "digest": "d", "answer": b"", "created_at": 0}


def keys(store: PostgresStore) -> list[str]:
    with store.read() as connection:
        return [row.key for row in connection.execute(receipts.select().order_by(receipts.c.key))]


def backend(connection) -> int:
    return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())


def end_connection(postgres: PostgresServer, pid: int) -> None:
    assert postgres.ask("SELECT pg_terminate_backend(%s, %s)", pid, SECONDS * 1000) == [(True,)]


def test_a_read_sees_one_state_while_others_write(store):
    with store.read() as reading:
        assert log.revision(reading) == 0
        with store.write() as writing:
            collections.create(writing, NewCollection("c", CONTRACT, 8))
        assert log.revision(reading) == 0
        assert collections.all_rows(reading) == []
    assert store.revision() == 1


def test_a_read_cannot_write(store):
    with pytest.raises(StoreUnavailable, match="read-only"), store.read() as connection:
        connection.execute(insert(receipts).values(**receipt("a")))
    assert keys(store) == []


def test_a_write_that_raises_leaves_nothing(store):
    def give_up() -> None:
        with store.write() as connection:
            connection.execute(insert(receipts).values(**receipt("a")))
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert keys(store) == []


def test_writers_of_two_stores_take_turns_and_work_does_not_wait_for_them(store, address):
    other = PostgresStore(address)
    entered, done = threading.Event(), threading.Event()

    def write() -> None:
        entered.set()
        with other.write() as connection:
            connection.execute(insert(receipts).values(**receipt("second")))
        done.set()

    thread = threading.Thread(target=write)
    with store.write() as connection:
        thread.start()
        assert entered.wait(SECONDS)
        with other.work() as beside:
            beside.execute(insert(receipts).values(**receipt("beside")))
        assert keys(store) == ["beside"]
        assert not done.is_set()
        connection.execute(insert(receipts).values(**receipt("first")))
    assert done.wait(SECONDS)
    thread.join()
    assert keys(store) == ["beside", "first", "second"]
    other.close()


def test_a_writer_that_waits_too_long_is_told_that_nothing_was_written(store, address):
    hasty = PostgresStore(address, lock_ms=50)
    with (
        store.write(),
        pytest.raises(StoreUnavailable, match=r"lock timeout.*nothing was written"),
        hasty.write(),
    ):
        raise AssertionError("two writers at once")
    hasty.close()


def test_a_writer_that_hangs_is_undone_and_the_next_has_its_turn(store, address, monkeypatch):
    monkeypatch.setattr(postgres_store, "IDLE_MS", 100)
    other = PostgresStore(address)

    def hang() -> None:
        with store.write() as connection:
            connection.execute(insert(receipts).values(**receipt("hung")))
            with other.write() as next_one:
                next_one.execute(insert(receipts).values(**receipt("next")))

    with pytest.raises(StoreUnavailable):
        hang()
    assert keys(store) == ["next"]
    other.close()


def test_an_address_may_name_several_hosts_and_options_of_libpq(postgres):
    address = postgres.new_database()
    several = address.replace(f"@127.0.0.1:{postgres.port}/", "@/") + (
        f"&host=127.0.0.1:1&host=127.0.0.1:{postgres.port}&target_session_attrs=read-write&application_name=mine"
    )
    store = PostgresStore(several)
    with store.read() as connection:
        assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "mine"
    store.close()


def test_a_statement_that_takes_too_long_is_unavailable(address):
    store = PostgresStore(address, statement_ms=50)
    with pytest.raises(StoreUnavailable, match="statement timeout"), store.read() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(30)")
    assert store.revision() == 0
    store.close()


def test_a_connection_that_breaks_in_a_write_leaves_nothing_and_the_next_write_works(store, postgres):
    def write_twice() -> None:
        with store.write() as connection:
            connection.execute(insert(receipts).values(**receipt("a")))
            end_connection(postgres, backend(connection))
            connection.execute(insert(receipts).values(**receipt("b")))

    with pytest.raises(StoreUnavailable, match="nothing was written") as broken:
        write_twice()
    assert not isinstance(broken.value, CommitUnknown)
    with store.write() as connection:
        connection.execute(insert(receipts).values(**receipt("c")))
    assert keys(store) == ["c"]


def test_a_connection_that_breaks_in_the_commit_is_told_honestly(store, postgres):
    def write_in(transaction) -> None:
        with transaction as connection:
            connection.execute(insert(receipts).values(**receipt("a")))
            end_connection(postgres, backend(connection))

    for transaction in (store.write(), store.work()):
        with pytest.raises(CommitUnknown, match="as a whole or not at all"):
            write_in(transaction)
    assert keys(store) == []


def test_connections_that_broke_while_idle_are_replaced_before_anybody_notices(store, postgres):
    with store.read() as one, store.read() as two:
        pids = [backend(one), backend(two)]
    for pid in pids:
        end_connection(postgres, pid)
    assert store.revision() == 0
    with store.write() as connection:
        assert backend(connection) not in pids


def test_many_threads_share_few_connections(store):
    failed: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(5):
                store.revision()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_commit_waits_for_the_disk_even_where_the_server_is_told_otherwise(postgres):
    address = postgres.new_database("synchronous_commit=off")
    assert postgres.ask("SHOW synchronous_commit", url=address) == [("off",)]
    store = PostgresStore(address)
    with store.write() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    store.close()


def test_other_processes_commits_are_heard_of_and_ones_own_are_not(store, address, postgres):
    other = PostgresStore(address)
    heard = threading.Semaphore(0)
    other.listen(heard.release)
    assert heard.acquire(timeout=SECONDS), "said once when listening began"
    with other.write():
        pass
    with store.write():
        pass
    assert heard.acquire(timeout=SECONDS)
    (pid,) = postgres.ask("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'")[0]
    end_connection(postgres, pid)
    assert heard.acquire(timeout=SECONDS), "the connection was made again"
    with store.write():
        pass
    assert heard.acquire(timeout=SECONDS)
    other.close()
    assert not heard.acquire(blocking=False)


def test_a_forgotten_person_leaves_the_tables_files_with_the_next_full_vacuum(postgres, tmp_path):
    address = postgres.new_database()
    vector = np.random.default_rng(3).standard_normal(512)
    row = vector / np.linalg.norm(vector)
    marks = [b"somebody-unmistakable", row.astype(np.float16).tobytes()[:64]]
    with Gallery.open(GallerySettings(tmp_path, database=address, background=False)) as gallery:
        gallery.create_collection(NewCollection("c", CONTRACT, 512))
        name = "somebody-unmistakable"
        faces = [NewFace(vector)]
        gallery.add_faces("c", name, faces, contract_id=CONTRACT, create_person=NewPerson(name))
        gallery.delete_person("c", name)
    assert [postgres.tables_hold(mark) for mark in marks] == [True, True]
    for table in ("persons", "faces", "crops", "forgotten", "receipts", "job_items", "job_findings"):
        postgres.ask(f"VACUUM (FULL, ANALYZE) {table}", url=address)
    assert [postgres.tables_hold(mark) for mark in marks] == [False, False]


NO_ADDRESS = [
    "secret",
    "postgresql://u:secret@host:port/db",
    "postgresql://u:secret@host",
    "mysql://u:secret@host/db",
    "sqlite:///secret",
    "postgresql://u@host/db?password=secret",
]


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_what_is_no_address_of_a_database_is_refused_without_repeating_it(address, tmp_path):
    for make in (database_url, PostgresStore, lambda url: GallerySettings(tmp_path, database=url)):
        with pytest.raises(ValueError, match="database") as refused:
            make(address)
        assert "secr" not in str(refused.value)


def test_a_password_is_in_no_error_no_log_and_no_settings(postgres, address, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    said = [repr(GallerySettings(tmp_path, database=address))]
    for wrong in (
        address.replace(f":{postgres.port}", ":1"),
        address.replace("cocircle:", "nobody:"),
        address.replace("/postgres", "/nowhere"),
    ):
        with pytest.raises(StoreUnavailable) as refused:
            PostgresStore(wrong)
        error: BaseException | None = refused.value
        while error is not None:
            said.append(f"{error} {error!r}")
            error = error.__cause__ or error.__context__
    assert "127.0.0.1" in said[1]
    assert not [text for text in [*said, caplog.text] if PASSWORD in text or "not%20to" in text]


def test_an_error_of_the_database_shows_no_row(store):
    def write_twice() -> None:
        with store.write() as connection:
            for _ in range(2):
                connection.execute(insert(receipts).values(**receipt("the key")))

    with pytest.raises(IntegrityError) as refused:
        write_twice()
    assert "[SQL parameters hidden" in str(refused.value)


def test_without_the_driver_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreUnavailable, match=r"cocircle\[postgres\]"):
        PostgresStore("postgresql://host/database")
