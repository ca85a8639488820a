"""The kind `rebuild`: every process that follows makes the index anew from the store, and the snapshot is of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.engine.base import SearchedRows
from index.gallery import Gallery, GallerySettings
from index.job_records import JobState
from index.records import NewFace
from index.writing import Writing
from serving.jobs.kinds.rebuild import REBUILD
from serving.service import Service
from tests.serving.jobs.made_jobs import (
    CONTRACT,
    done,
    enrol,
    make,
    opened_service,
    run,
    run_with_deaths,
    units,
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path) as opened:
        enrol(opened, [(f"p{at:02}", NewFace(row)) for at, row in enumerate(units(20))])
        yield opened


def spoil(gallery: Gallery) -> None:
    """The index forgets everybody, as a fault of memory or of code may have it."""
    (key,) = gallery._keys()
    space = gallery._engine._held[key].space  # type: ignore[attr-defined]
    nothing = SearchedRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 32), np.float16))
    gallery._engine.apply(space, np.arange(1000), nothing, gallery._engine.revision(key) or 0)


def found(gallery: Gallery) -> list[str]:
    hits = gallery.identify("people", units(20), contract_id=CONTRACT, threshold=0.9)
    return [hit[0].person_id for hit in hits if hit]


def test_a_spoilt_index_is_whole_again_here_and_in_other_processes(service: Service, tmp_path: Path) -> None:
    names = [f"p{at:02}" for at in range(20)]
    with Gallery.open(GallerySettings(tmp_path / "gallery", background=False)) as replica:
        for gallery in (service.gallery, replica):
            spoil(gallery)
            assert found(gallery) == []
        job = done(service, REBUILD)
        assert found(service.gallery) == names
        assert found(replica) == names
    assert (job.result["rows"], job.result["engine"]) == (20, "exact")
    assert job.result["snapshot_written"]
    assert job.result["snapshot_revision"] == job.result["revision"]


def test_a_replica_that_starts_later_does_not_take_a_snapshot_from_before(
    service: Service, tmp_path: Path
) -> None:
    spoil(service.gallery)
    service.gallery.maintain(snapshot=True)
    with service.gallery._store.write() as connection:
        Writing(connection).rebuild_index("people")
    with Gallery.open(GallerySettings(tmp_path / "gallery", background=False)) as late:
        assert len(found(late)) == 20


def test_the_snapshot_that_a_rebuild_leaves_is_good_to_start_from(service: Service, tmp_path: Path) -> None:
    spoil(service.gallery)
    done(service, REBUILD)
    with Gallery.open(GallerySettings(tmp_path / "gallery", background=False)) as late:
        assert late.stats()[0].snapshot_revision > 0
        assert len(found(late)) == 20


def test_killed_workers_leave_a_whole_index(service: Service) -> None:
    spoil(service.gallery)
    job = run_with_deaths(service, REBUILD, make(service, REBUILD))
    assert (job.state, job.result["rows"]) == (JobState.DONE, 20)
    assert len(found(service.gallery)) == 20


def test_writes_after_a_rebuild_are_followed_as_ever(service: Service) -> None:
    done(service, REBUILD)
    enrol(service, [("new", NewFace(units(1, seed=5)[0]))])
    service.gallery.delete_person("people", "p00")
    assert found(service.gallery) == [f"p{at:02}" for at in range(1, 20)]
    assert service.gallery.stats()[0].rows == 20


def test_an_empty_collection_is_rebuilt_empty(tmp_path: Path) -> None:
    with opened_service(tmp_path) as service:
        assert done(service, REBUILD).result["rows"] == 0


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, REBUILD, make(service, REBUILD, collection="nowhere"))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message


def test_a_cancelled_rebuild_rebuilds_nothing(service: Service) -> None:
    spoil(service.gallery)
    job = make(service, REBUILD)
    service.gallery.jobs.cancel(job.id)
    assert run(service, REBUILD, job).state is JobState.CANCELLED
    assert found(service.gallery) == []
