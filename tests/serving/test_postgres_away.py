"""The service on PostgreSQL: it answers as on SQLite, says 503 while the database is away, and recovers by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from serving.settings import Settings, SettingsError, read_settings
from tests.postgres_server import PASSWORD, PostgresServer
from tests.serving.conftest import Att, Opened


def test_without_its_database_the_service_says_so_and_afterwards_it_goes_on(
    opened: Callable[..., Opened], mortal: PostgresServer, att: Att
) -> None:
    http = opened(database=mortal.new_database()).http
    photo = {"image": ("a.png", att[1, 1], "image/png")}
    assert http.post("/v1/collections", json={"id": "staff"}).status_code == 201
    persons = "/v1/collections/staff/persons"
    assert http.post(persons, json={"id": "kim"}).status_code == 201
    enrolled = http.post(f"{persons}/kim/faces", files=photo)
    assert enrolled.status_code == 201, enrolled.text
    found = http.post("/v1/collections/staff/identify", files=photo).json()
    mortal.kill()
    for answer in (
        http.post("/v1/collections/staff/identify", files=photo),
        http.post(persons, json={"id": "lee"}),
        http.get("/v1/collections"),
        http.get("/readyz"),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "store_unavailable"
        assert "127.0.0.1" not in answer.text
        assert answer.headers["Retry-After"] == "1"
    assert http.get("/livez").status_code == 200
    assert "cocircle_store_up 0.0" in http.get("/metrics").text
    mortal.start()
    assert http.get("/readyz").status_code == 200
    assert "cocircle_store_up 1.0" in http.get("/metrics").text
    again = http.post("/v1/collections/staff/identify", files=photo).json()
    assert again["faces"] == found["faces"]
    assert http.post(persons, json={"id": "lee"}).status_code == 201


def test_the_address_of_the_database_is_shown_nowhere(tmp_path: Path) -> None:
    address = f"postgresql://u:{PASSWORD}@host/name"
    settings = Settings(home=tmp_path, database=address)  # type: ignore[arg-type]
    assert PASSWORD not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.database_address == address
    assert Settings(home=tmp_path).database_address is None
    with pytest.raises(SettingsError, match=r"COCIRCLE_DATABASE=\(not shown\): .*postgresql://") as refused:
        read_settings(database=f"mysql://u:{PASSWORD}@host/name")
    assert PASSWORD not in str(refused.value)
