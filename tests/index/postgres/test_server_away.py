"""The database goes away and comes back: what is refused meanwhile, and that nothing has to be opened again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from index.errors import StoreUnavailable
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection
from tests.index.enrolling_child import DIMENSION
from tests.index.postgres.gallery_child import enrol, found
from tests.postgres_server import PostgresServer

SECONDS = 60


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_while_the_server_is_away_all_is_refused_and_afterwards_all_works(
    mortal: PostgresServer, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GallerySettings(tmp_path / "one", database=mortal.new_database())
    second = GallerySettings(tmp_path / "two", database=settings.database)
    with Gallery.open(settings) as gallery, Gallery.open(second) as other:
        gallery.create_collection(NewCollection("c", "a", DIMENSION))
        enrol(gallery, "kim")
        getattr(mortal, how)()
        for refused in (
            lambda: found(gallery, "kim"),
            lambda: enrol(gallery, "lee"),
            lambda: gallery.collection("c"),
            gallery.readiness,
            gallery.maintain,
        ):
            with pytest.raises(StoreUnavailable):
                refused()
        mortal.start()
        assert found(gallery, "kim") == ["kim"]
        enrol(gallery, "lee")
        assert found(other, "lee") == ["lee"]
        assert gallery.collection("c").persons == 2


def test_the_background_thread_waits_says_so_once_and_goes_on(
    mortal: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = GallerySettings(tmp_path, database=mortal.new_database())
    with Gallery.open(settings) as gallery:
        rounds, back = threading.Semaphore(0), threading.Event()
        once = gallery._upkeep.round

        def watched() -> None:
            try:
                once()
                back.set()
            finally:
                rounds.release()

        gallery._upkeep.round = watched  # type: ignore[method-assign, assignment]
        mortal.kill()
        for _ in range(3):
            assert rounds.acquire(timeout=SECONDS)
        back.clear()
        mortal.start()
        assert back.wait(SECONDS)
        gallery._upkeep.stop()
        gallery._upkeep.round = once  # type: ignore[method-assign]
    words = [record.getMessage() for record in caplog.records if record.name == "index.upkeep"]
    assert len([text for text in words if "waits for the store" in text]) == 1
    assert words[-1] == "the gallery's store answers again"
    assert not [record for record in caplog.records if record.exc_info]


def test_a_gallery_closes_without_its_database(mortal: PostgresServer, tmp_path: Path) -> None:
    gallery = Gallery.open(GallerySettings(tmp_path, database=mortal.new_database()))
    gallery.create_collection(NewCollection("c", "a", DIMENSION))
    mortal.kill()
    try:
        gallery.close()
    finally:
        mortal.start()


def test_a_gallery_does_not_open_without_its_database(mortal: PostgresServer, tmp_path: Path) -> None:
    settings = GallerySettings(tmp_path, database=mortal.new_database())
    mortal.kill()
    try:
        with pytest.raises(StoreUnavailable, match=r"\*\*\*@127.0.0.1.*cannot be opened"):
            Gallery.open(settings)
    finally:
        mortal.start()
