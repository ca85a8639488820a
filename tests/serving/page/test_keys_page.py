"""The page of keys in a real Chromium: made, shown once, revoked, and who may not look."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls, tab_to
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.conftest import Guarded

pytestmark = needs_chromium

Open = Callable[..., Page]


@pytest.fixture
def page(guarded: Guarded, open_page: Open) -> Page:
    found = open_page(f"{guarded.url}/keys", key=guarded.key)
    expect(found.locator("#key-list tbody tr")).not_to_have_count(0)
    return found


def listed(guarded: Guarded, name: str) -> dict[str, object]:
    items = guarded.http.get("/v1/keys").raise_for_status().json()["items"]
    (found,) = [one for one in items if one["name"] == name]
    return dict(found)


def asked_with(guarded: Guarded, key: str, path: str = "/v1/collections") -> httpx.Response:
    return httpx.get(f"{guarded.url}{path}", headers={"X-Api-Key": key}, timeout=60)


def test_a_key_with_every_limit_is_made_shown_once_copied_and_works(guarded: Guarded, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form = page.locator("#new-key")
    form.get_by_label("Name").fill("front door")
    form.get_by_label("Scope").select_option("read")
    form.get_by_label("Collections").fill("gate\nteam-*")
    form.get_by_label("Requests a second").fill("50")
    form.get_by_label("Expires").fill("2099-12-31T12:00")
    form.get_by_role("button", name="Make the key").click()
    secret = page.locator("#key-secret")
    expect(secret).to_have_text(re.compile(r"^cck_[0-9a-f]{8}_\S{40,}$"))
    key = secret.inner_text()
    made = listed(guarded, "front door")
    assert (made["scope"], made["collections"], made["rate"]) == ("read", ["gate", "team-*"], 50)
    local = page.evaluate("new Date('2099-12-31T12:00').toISOString()")
    assert datetime.fromisoformat(str(made["expires_at"])) == datetime.fromisoformat(local)
    assert [one["id"] for one in asked_with(guarded, key).json()["items"]] == ["gate"]
    assert asked_with(guarded, key, "/v1/keys").status_code == 403

    page.get_by_role("button", name="Copy the key").click()
    expect(page.locator("#status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.get_by_role("button", name="Put it away").click()
    row = page.locator(f"[data-key='{made['id']}']")
    expect(row).to_contain_text("gate, team-*")
    expect(row).to_contain_text("50 a second")
    assert key not in page.content()
    page.reload()
    expect(row).to_contain_text("front door")
    assert key not in page.content()
    assert key not in page.url


def test_a_key_is_revoked_only_after_a_confirmation(guarded: Guarded, page: Page) -> None:
    key = guarded.make_key(scope="read", name="to be lost")
    page.reload()
    page.get_by_role("button", name="Revoke to be lost").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("refused from the next request on")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert asked_with(guarded, key).status_code == 200
    page.get_by_role("button", name="Revoke to be lost").click()
    dialog.get_by_role("button", name="Revoke the key").click()
    expect(page.locator("#status")).to_have_text("to be lost is revoked.")
    expect(page.get_by_role("button", name="Revoke to be lost")).to_have_count(0)
    assert asked_with(guarded, key).status_code == 401


def test_a_key_that_another_administrator_revoked_meanwhile_is_said_to_be_gone(
    guarded: Guarded, page: Page
) -> None:
    guarded.make_key(scope="read", name="gone meanwhile")
    page.reload()
    button = page.get_by_role("button", name="Revoke gone meanwhile")
    expect(button).to_be_visible()
    identity = listed(guarded, "gone meanwhile")["id"]
    guarded.http.delete(f"/v1/keys/{identity}").raise_for_status()
    button.click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("alert")).to_have_text(f"There is no key '{identity}', or no longer.")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"scope": "enrol"}, "This key has the scope 'enrol'; the request needs 'admin'."),
        ({"scope": "admin", "collections": ["gate"]}, "This key is limited to some collections"),
    ],
)
def test_a_key_that_may_not_look_is_told_why_and_a_better_one_shows_the_list(
    wanted: dict[str, object], words: str, guarded: Guarded, open_page: Open
) -> None:
    page = open_page(f"{guarded.url}/keys", key=guarded.make_key(**wanted))
    refused = page.locator("#keys .refused")
    expect(refused).to_contain_text(words)
    expect(refused).to_contain_text("scope admin that are not limited")
    expect(page.locator("#new-key")).to_have_count(0)
    page.locator("#key summary").click()
    page.get_by_label("API key", exact=True).fill(guarded.key)
    page.get_by_role("button", name="Use").click()
    expect(page.locator("#key-list")).to_contain_text("(in use here)")
    expect(refused).to_have_count(0)


def test_what_the_service_refuses_about_a_new_key_is_told(guarded: Guarded, page: Page) -> None:
    before = len(guarded.http.get("/v1/keys").json()["items"])
    page.get_by_label("Collections").fill("no such/name")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_contain_text("collections.0: String should match pattern")
    page.get_by_label("Collections").fill("")
    page.get_by_label("Expires").fill("2001-01-01T00:00")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_have_text("expires_at: is over already")
    assert len(guarded.http.get("/v1/keys").json()["items"]) == before
    expect(page.locator("#key-secret")).to_have_count(0)


def test_a_key_that_asks_too_often_is_told_when_to_come_again(guarded: Guarded, page: Page) -> None:
    slow = guarded.make_key(scope="admin", rate=0.01)
    page.locator("#key summary").click()
    page.get_by_label("API key", exact=True).fill(slow)
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_role("alert")).to_have_text(
        re.compile(r"^This key may send 0\.01 requests a second; try again in \d+ s\.$")
    )


def test_where_keys_are_off_the_page_says_so(service: str, open_page: Open) -> None:
    page = open_page(f"{service}/keys")
    expect(page.locator("#keys")).to_contain_text("Keys are off here")
    expect(page.locator("#new-key")).to_be_visible()


def test_a_key_is_made_and_revoked_with_the_keyboard_alone(guarded: Guarded, page: Page) -> None:
    tab_to(page, "#key-name")
    page.keyboard.type("typed")
    tab_to(page, "#key-scope")
    page.keyboard.type("enrol")
    page.keyboard.press("Enter")
    tab_to(page, "#new-key button")
    page.keyboard.press("Enter")
    expect(page.locator("#key-secret")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "typed is made"
    assert listed(guarded, "typed")["scope"] == "enrol"
    page.evaluate("document.activeElement.blur()")
    page.get_by_role("button", name="Revoke typed").focus()
    page.keyboard.press("Enter")
    tab_to(page, "dialog .danger")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("typed is revoked.")
    names = [one["name"] for one in guarded.http.get("/v1/keys").json()["items"]]
    assert "typed" not in names


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_heard_and_held_in_a_hand(
    scheme: str, guarded: Guarded, open_page: Open
) -> None:
    page = open_page(f"{guarded.url}/keys", key=guarded.key, color_scheme=scheme)
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#key-secret")).to_be_visible()
    page.evaluate(
        "document.querySelector('#alert').hidden = false; document.querySelector('#alert').append('x')"
    )
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert listed(guarded, "first administrator")["created_at"] <= datetime.now(UTC).isoformat()
