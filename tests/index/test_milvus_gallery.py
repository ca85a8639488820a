"""A gallery whose vectors lie in a real Milvus: what it promises with one process, with two, and without Milvus."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.engine.milvus import MilvusEngine
from index.errors import EngineBehind, EngineUnavailable
from index.gallery import Gallery
from index.records import Fusion, NewCollection, NewFace
from tests.index.conftest import BOTH_STORES
from tests.index.enrolling_child import DIMENSION, template
from tests.index.milvus_kit import milvus as milvus  # a fixture
from tests.index.postgres.gallery_child import enrol, found, make
from tests.milvus_server import MilvusServer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SECONDS = 60.0
Open = Callable[..., Gallery]


@pytest.fixture
def galleries(opened: Open, milvus: MilvusServer) -> Open:
    return lambda **more: opened(engine="milvus", milvus=milvus.address, **more)


def names(gallery: Gallery, name: str) -> list[str]:
    hits = gallery.identify("c", np.array([template(name)]), contract_id="a", limit=100)
    return sorted(candidate.person_id for candidate in hits[0])


@pytest.mark.parametrize("new_database", ["sqlite", "postgres"], indirect=True)
def test_a_gallery_sees_what_another_acknowledged(galleries: Open) -> None:
    one = galleries()
    make(one)
    two = galleries()
    for writer, reader, name in ((one, two, "kim"), (two, one, "lee")):
        enrol(writer, name)
        assert found(reader, name) == found(writer, name) == [name]
    two.merge_persons("c", "lee", "kim")
    assert names(one, "kim") == ["lee"]
    one.delete_collection("c", force=True)
    make(two)
    assert names(one, "kim") == names(two, "kim") == []


def test_a_gallery_that_opens_again_takes_what_lies_in_milvus(
    galleries: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = galleries()
    make(one)
    enrol(one, "kim")
    with monkeypatch.context() as patch:
        patch.setattr(MilvusEngine, "_made", lambda *_: pytest.fail("it was there"))
        two = galleries()
        assert found(two, "kim") == ["kim"]


def test_samples_are_found_by_their_faces(galleries: Open) -> None:
    gallery = galleries()
    gallery.create_collection(NewCollection("c", "a", DIMENSION, fusion=Fusion.SAMPLES))
    enrol(gallery, "kim")
    written = gallery.add_faces("c", "kim", [NewFace(template("other"))], contract_id="a")
    hits = gallery.identify("c", np.array([template("other")]), contract_id="a", threshold=0.9)
    assert [(hit.person_id, hit.face_id) for hit in hits[0]] == [("kim", written.faces[0].id)]


def test_while_milvus_is_away_writes_are_durable_and_searches_refused_and_then_all_is_found(
    galleries: Open, milvus: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = galleries()
    make(gallery)
    enrol(gallery, "kim")
    milvus.kill()
    try:
        with pytest.raises(EngineBehind) as refused:
            enrol(gallery, "lee")
        assert refused.value.write_committed
        for search in (lambda: found(gallery, "kim"), gallery.readiness):
            with pytest.raises(EngineUnavailable, match="does not answer"):
                search()
        assert gallery.collection("c").persons == 2
    finally:
        milvus.start()
    monkeypatch.setattr(MilvusEngine, "_made", lambda *_: pytest.fail("nothing was lost"))
    until = time.monotonic() + SECONDS
    while True:
        try:
            gallery.maintain()
            assert found(gallery, "lee") == ["lee"]
            break
        except EngineUnavailable:  # Milvus says that it is there before it has loaded anything
            assert time.monotonic() < until
    assert found(gallery, "kim") == ["kim"]
    assert all(state.ready for state in gallery.readiness())


def test_a_collection_that_somebody_dropped_is_made_anew(galleries: Open, milvus: MilvusServer) -> None:
    gallery = galleries()
    make(gallery)
    enrol(gallery, "kim")
    engine = gallery._engine
    assert isinstance(engine, MilvusEngine)
    (key,) = engine._held
    engine.drop(key)
    with pytest.raises(EngineBehind, match="loaded again"):
        found(gallery, "kim")
    gallery.maintain()
    assert found(gallery, "kim") == ["kim"]


def test_who_came_back_in_milvus_alone_is_nobody_and_the_collection_is_made_anew(galleries: Open) -> None:
    gallery = galleries()
    make(gallery)
    enrol(gallery, "kim")
    engine = gallery._engine
    assert isinstance(engine, MilvusEngine)
    ((key, held),) = engine._held.items()
    row = next(iter(engine._link.nearest(held.name, np.eye(DIMENSION, dtype=np.float32)[:1], 1, held.at)))
    gallery.delete_person("c", "kim")
    from index.engine.base import SearchedRows

    engine._link.upsert(held.name, SearchedRows(row.persons, row.keys, row.vectors))
    at = engine._link.now()
    engine._held[key] = engine._held[key].__class__(**{**vars(engine._held[key]), "at": at})
    with pytest.raises(EngineBehind, match="somebody who is not there"):
        found(gallery, "kim")
    gallery.maintain()
    assert found(gallery, "kim") == []


@BOTH_STORES
def test_two_processes_write_at_once_and_one_is_killed(
    galleries: Open, milvus: MilvusServer, tmp_path: Path, database: str | None
) -> None:
    gallery = galleries()
    make(gallery)
    folder = tmp_path / ("gallery" if database is None else "another")
    command = [sys.executable, "-m", "tests.index.milvus_child", str(folder), milvus.address]
    child = subprocess.Popen(
        command + ([database] if database else []), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = []
    try:
        assert child.stdout.readline() == "ready\n"
        for n in range(8):
            enrol(gallery, f"mine-{n}")
            acknowledged += [f"mine-{n}", child.stdout.readline().strip()]
            assert all(found(gallery, name) == [name] for name in acknowledged[-2:])
    finally:
        child.kill()
        acknowledged += child.stdout.read().split()
        child.wait(SECONDS)
        child.stdout.close()
    assert len(acknowledged) >= 16
    enrol(gallery, "last")
    everybody = [*acknowledged, "last"]
    # One whose write was committed, but not told of any more, may be there as well.
    assert set(everybody) <= set(names(gallery, "last"))
    assert len(names(gallery, "last")) <= len(everybody) + 1
