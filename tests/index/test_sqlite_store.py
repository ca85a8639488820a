"""What SQLite alone can meet: a file that cannot grow, and another program that holds its lock."""

import sqlite3

import numpy as np
import pytest
from sqlalchemy import event

from index import errors
from index.records import NewCollection, NewFace, NewPerson
from index.store import persons
from index.store.sqlite import SqliteStore
from tests.index.conftest import CONTRACT

VECTORS = np.random.default_rng(11).standard_normal((60, 16))


def enrol(gallery, person, *vectors):
    gallery.add_faces(
        "staff",
        person,
        [NewFace(vector) for vector in vectors],
        contract_id=CONTRACT,
        create_person=NewPerson(person),
    )


def test_a_full_disk_is_store_unavailable_and_leaves_no_half_write(opened):
    gallery = opened()
    gallery.create_collection(NewCollection("staff", CONTRACT, 16))
    enrol(gallery, "kim", VECTORS[0])
    with gallery._store.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    # The limit belongs to a connection, so the pool has to make new ones.
    gallery._store.close()
    limit = f"PRAGMA max_page_count = {pages + 3}"
    event.listen(gallery._store._engine, "connect", lambda raw, _: raw.execute(limit))

    def fill():
        for n in range(1000):
            enrol(gallery, f"p{n}", *VECTORS)

    with pytest.raises(errors.StoreUnavailable, match="full"):
        fill()
    there = gallery.persons("staff", None, 2000)
    assert all(person.faces == 60 for person in there if person.id != "kim")
    assert gallery.collection("staff").faces == sum(person.faces for person in there)
    assert gallery.identify("staff", VECTORS[:1], contract_id=CONTRACT)[0]


def test_a_locked_store_is_unavailable_not_a_lost_write(tmp_path):
    store = SqliteStore(tmp_path, busy_ms=50)
    blocker = sqlite3.connect(tmp_path / "gallery.sqlite3", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.StoreUnavailable, match="locked"), store.write() as connection:
        persons.names(connection, [1])
    blocker.close()
    store.close()
