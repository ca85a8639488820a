"""API keys and cursors: nothing in the clear on disk, revocation in every process, nothing made up by a client."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import InvalidRecord, StoreUnavailable
from index.key_records import StoredKey
from index.registers import open_registers
from serving import keys as keys_module
from serving.cursors import Cursors
from serving.errors import ApiError
from serving.keys import KeyRing, gallery_settings, open_keys
from serving.scopes import Scope
from serving.settings import Settings


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[KeyRing]:
    with open_keys(Settings(home=tmp_path)) as found:
        yield found


def test_a_key_is_found_by_its_text_and_by_nothing_else(ring: KeyRing) -> None:
    text = ring.create("door", Scope.READ)
    found = ring.find(text)
    assert found is not None
    assert (found.name, found.scope) == ("door", Scope.READ)
    assert ring.find(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    assert ring.find(found.id) is None
    assert ring.find("") is None
    assert ring.find("cck_" + found.id + "_\udcff") is None


def test_the_data_folder_holds_no_key(ring: KeyRing, tmp_path: Path) -> None:
    secret = ring.create("door", Scope.ADMIN).split("_", 2)[2].encode()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"door" in path.read_bytes() for path in files)
    assert not any(secret in path.read_bytes() for path in files)


def test_a_key_revoked_by_another_process_is_refused_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(keys_module, "monotonic", lambda: now)
    with ExitStack() as stack:
        serving, operator = (stack.enter_context(open_keys(Settings(home=tmp_path))) for _ in range(2))
        text = serving.create("door", Scope.READ)
        key = serving.find(text)
        assert key is not None
        assert operator.revoke(key.id)
        now += 1.0
        assert serving.find(text) is None
        assert serving.all() == []
        assert not operator.revoke(key.id)


def test_no_key_is_accepted_for_longer_than_a_second_while_the_store_is_away(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(keys_module, "monotonic", lambda: now)
    text = ring.create("door", Scope.READ)

    def away() -> list[StoredKey]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(ring._stored, "valid", away)
    now += 0.9
    assert ring.find(text) is not None
    now += 0.1
    with pytest.raises(StoreUnavailable):
        ring.find(text)


def test_a_key_is_refused_from_the_moment_it_expires(ring: KeyRing) -> None:
    now = datetime.now(UTC)
    later = ring.create("later", Scope.READ, expires_at=now + timedelta(hours=1))
    over = ring.create("over", Scope.READ, expires_at=now)
    assert ring.find(later) is not None
    assert ring.find(over) is None
    assert ring.get(over.split("_")[1]) is None


def test_a_grant_is_of_names_and_prefixes(ring: KeyRing) -> None:
    key = ring.find(ring.create("", Scope.ADMIN, collections=["door", "team-*"]))
    assert key is not None
    reached = [one for one in ("door", "doors", "team-", "team-a", "team", "TEAM-a") if key.reaches(one)]
    assert reached == ["door", "team-", "team-a"]
    for wrong in ([], ["a*b"], ["a/b"], ["**"]):
        with pytest.raises(InvalidRecord):
            ring.create("", Scope.READ, collections=wrong)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(ring: KeyRing, rate: float) -> None:
    with pytest.raises(InvalidRecord, match="rate"):
        ring.create("", Scope.READ, rate=rate)


def test_keys_of_an_older_folder_are_taken_over_once_and_a_revoked_one_stays_revoked(tmp_path: Path) -> None:
    text = "cck_0123abcd_" + "s" * 43
    row = {"id": "0123abcd", "name": "old", "scope": "enrol", "hash": keys_module._hash(text)}
    rows = json.dumps([{**row, "created_at": "2025-01-02T03:04:05+00:00"}])
    older = tmp_path / "keys.json"
    for round_ in range(2):
        older.write_text(rows)
        with open_keys(Settings(home=tmp_path)) as ring:
            found = ring.find(text)
            assert (found is not None) == (round_ == 0)
            if found is not None:
                assert (found.id, found.name, found.scope) == ("0123abcd", "old", Scope.ENROL)
                assert found.created_at == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
                assert ring.revoke(found.id)
        assert not older.exists()


def test_when_a_key_was_used_is_told_and_never_goes_back(tmp_path: Path) -> None:
    with open_registers(gallery_settings(Settings(home=tmp_path))) as registers:
        ring = KeyRing(registers.keys)
        identity = ring.create("", Scope.READ).split("_")[1]
        for moment in (2_000_000, 1_000_000):
            registers.keys.used({identity: moment})
        assert [key.used_at for key in ring.all()] == [datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("has", "may"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.ENROL, {Scope.READ, Scope.ENROL}),
        (Scope.ADMIN, {Scope.READ, Scope.ENROL, Scope.ADMIN}),
    ],
)
def test_a_scope_reaches_exactly_what_it_names(ring: KeyRing, has: Scope, may: set[Scope]) -> None:
    key = ring.find(ring.create("", has))
    assert key is not None
    assert {scope for scope in Scope if key.allows(scope)} == may


@given(listing=st.text(max_size=40), after=st.text(max_size=255))
def test_a_cursor_comes_back_as_it_was_signed(listing: str, after: str) -> None:
    cursors = Cursors(b"secret")
    assert cursors.read(listing, cursors.sign(listing, after)) == after


@given(st.text(max_size=200))
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        Cursors(b"secret").read("persons", text)


def test_a_cursor_of_another_listing_or_another_service_is_refused() -> None:
    cursor = Cursors(b"secret").sign("persons a", "bob")
    with pytest.raises(ApiError):
        Cursors(b"secret").read("persons b", cursor)
    with pytest.raises(ApiError):
        Cursors(b"other").read("persons a", cursor)


def test_the_cursor_secret_survives_a_restart(tmp_path: Path) -> None:
    cursor = Cursors.open(tmp_path / "secret").sign("persons", "bob")
    assert Cursors.open(tmp_path / "secret").read("persons", cursor) == "bob"
