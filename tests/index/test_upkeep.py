"""The background thread: what it does without being asked, and that its trouble is nobody else's."""

import threading

import numpy as np

from index.follower import Follower
from index.records import NewCollection, NewFace
from index.upkeep import Upkeep
from tests.index.conftest import CONTRACT

VECTORS = np.random.default_rng(1).standard_normal((1500, 16))


def enrol(gallery):
    gallery.create_collection(NewCollection("c", CONTRACT, 16))
    items = ((f"p{n}", NewFace(row)) for n, row in enumerate(VECTORS))
    list(gallery.enroll_templates("c", items, contract_id=CONTRACT))


def rounds_of(gallery, count, **settings):
    """Lets a background thread run some rounds, and ends it."""
    done = threading.Semaphore(0)
    upkeep = Upkeep(gallery._follower, gallery._engine, gallery._keys, seconds=0.001, **settings)
    once = upkeep.round

    def counted(*given):
        try:
            once(*given)
        finally:
            done.release()

    upkeep.round = counted
    upkeep.start()
    for _ in range(count):
        assert done.acquire(timeout=60)
    upkeep.stop()


def test_a_grown_collection_gets_codes_and_a_snapshot_by_itself(opened):
    gallery = opened(fast_from=1024)
    enrol(gallery)
    assert gallery.stats()[0].engine == "exact"
    rounds_of(gallery, 2, snapshot_every=1000)
    (stats,) = gallery.stats()
    assert (stats.engine, stats.snapshot_revision, stats.delta) == ("codes", stats.revision, 0)


def test_a_collection_that_changed_little_gets_no_snapshot_yet(opened):
    gallery = opened()
    enrol(gallery)
    rounds_of(gallery, 2, snapshot_every=5000)
    assert gallery.stats()[0].snapshot_revision == 0


def test_a_round_that_fails_is_not_the_last(opened, monkeypatch, caplog):
    gallery = opened(fast_from=1024)
    enrol(gallery)
    follow, failures = Follower.follow, [OSError("made up")]

    def sometimes(self):
        if failures:
            raise failures.pop()
        follow(self)

    monkeypatch.setattr(Follower, "follow", sometimes)
    rounds_of(gallery, 3, snapshot_every=1000)
    assert "upkeep failed" in caplog.text
    assert gallery.stats()[0].engine == "codes"
