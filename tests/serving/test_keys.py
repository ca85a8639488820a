"""API keys and cursors: nothing in the clear on disk, revocation at once, nothing made up by a client."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cursors import Cursors
from serving.errors import ApiError
from serving.keys import KeyRing, Scope


def test_a_key_is_found_by_its_text_and_by_nothing_else(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.json")
    text = ring.create("door", Scope.READ)
    found = ring.find(text)
    assert found is not None
    assert (found.name, found.scope) == ("door", Scope.READ)
    assert ring.find(text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    assert ring.find(found.id) is None
    assert ring.find("") is None


def test_the_key_file_holds_no_key_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    text = KeyRing(path).create("door", Scope.ADMIN)
    assert text.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_revoked_by_another_process_is_refused_at_the_next_look(tmp_path: Path) -> None:
    serving, operator = KeyRing(tmp_path / "keys.json"), KeyRing(tmp_path / "keys.json")
    text = serving.create("door", Scope.READ)
    key = serving.find(text)
    assert key is not None
    assert operator.revoke(key.id)
    assert serving.find(text) is None
    assert not operator.revoke(key.id)


@pytest.mark.parametrize(
    ("has", "may"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.ENROL, {Scope.READ, Scope.ENROL}),
        (Scope.ADMIN, {Scope.READ, Scope.ENROL, Scope.ADMIN}),
    ],
)
def test_a_scope_reaches_exactly_what_it_names(tmp_path: Path, has: Scope, may: set[Scope]) -> None:
    ring = KeyRing(tmp_path / "keys.json")
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
