"""The kinds that go through a whole collection, on PostgreSQL as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.records import NewFace
from serving.jobs.kinds.cluster import CLUSTER
from serving.jobs.kinds.dedup import DEDUP
from serving.jobs.kinds.export import EXPORT
from serving.jobs.kinds.import_ import IMPORT
from serving.jobs.kinds.purge import PURGE
from serving.jobs.kinds.rebuild import REBUILD
from serving.jobs.results import result_file
from serving.service import Service
from tests.postgres_server import PostgresServer
from tests.serving.jobs.made_jobs import (
    contents,
    done,
    enrol,
    like,
    make,
    opened_service,
    run_with_deaths,
    units,
)
from tests.serving.jobs.test_export import fill


@pytest.fixture
def service(tmp_path: Path, postgres: PostgresServer) -> Iterator[Service]:
    with opened_service(tmp_path, postgres.new_database(), keep_crops=True) as opened:
        yield opened


def test_what_is_exported_comes_back_bit_by_bit(service: Service) -> None:
    fill(service, 60)
    exported = run_with_deaths(service, EXPORT, make(service, EXPORT))
    file = result_file(service.settings, exported)
    assert file is not None
    job = run_with_deaths(service, IMPORT, make(service, IMPORT, path=str(file), collection="copy"))
    assert job.result["persons"] == 60
    assert contents(service, "copy") == contents(service)
    assert done(service, IMPORT, path=str(file), on_conflict="merge").result["faces"] == 0


def test_pairs_are_found_and_groups_merged(service: Service) -> None:
    rows = units(3)
    seen = [
        ("ann", rows[0]),
        ("unknown-1", like(rows[0], 0.95)),
        ("unknown-2", rows[1]),
        ("unknown-3", rows[1]),
    ]
    enrol(service, [(id, NewFace(row, source="0a")) for id, row in seen])
    result = run_with_deaths(service, DEDUP, make(service, DEDUP)).result
    assert (result["pairs"], result["copies"], result["groups"]) == (2, 3, 1)
    merged = run_with_deaths(service, CLUSTER, make(service, CLUSTER, merge=True)).result
    assert (merged["known"], merged["merged"]) == (1, 1)
    assert service.gallery.person("people", "unknown-2").faces == 2


def test_old_faces_go_and_the_index_is_made_anew(service: Service) -> None:
    old = datetime.now(UTC) - timedelta(days=40)
    rows = units(10)
    enrol(
        service,
        [
            (f"p{at}", NewFace(row, crop=b"x", created_at=old if at % 2 else None))
            for at, row in enumerate(rows)
        ],
    )
    assert run_with_deaths(service, PURGE, make(service, PURGE, days=30)).result["persons"] == 5
    assert run_with_deaths(service, REBUILD, make(service, REBUILD)).result["rows"] == 5
