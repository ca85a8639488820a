"""The page of the audit in a real Chromium: filtered, paged, saved, and the line that is to be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from index.audit_records import Action
from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls, tab_to
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.conftest import Guarded

pytestmark = needs_chromium

Open = Callable[..., Page]
CHANGES = 130  # more than a page of lines


@pytest.fixture(scope="module")
def busy(guarded: Guarded) -> Guarded:
    """The service after many changes to a collection `busy`, and one key that did a little."""
    guarded.http.post("/v1/collections", json={"id": "busy"}).raise_for_status()
    for number in range(CHANGES):
        changed = {"metadata": {"number": number}}
        guarded.http.patch("/v1/collections/busy", json=changed).raise_for_status()
    for person in ("ada", "bob"):
        guarded.http.post("/v1/collections/busy/persons", json={"id": person}).raise_for_status()
    guarded.http.delete("/v1/collections/busy/persons/bob").raise_for_status()
    return guarded


@pytest.fixture
def page(busy: Guarded, open_page: Open) -> Page:
    found = open_page(f"{busy.url}/audit", key=busy.key)
    expect(found.locator("#audit-lines tbody tr")).not_to_have_count(0)
    return found


def lines_of(busy: Guarded, **asked: Any) -> list[dict[str, Any]]:
    answer = busy.http.get("/v1/audit", params={"limit": 1000, **asked}).raise_for_status()
    return list(answer.json()["items"])


def shown_numbers(page: Page) -> list[str]:
    return page.locator("#audit-lines tbody tr td:first-child").all_inner_texts()


def show(page: Page) -> None:
    with page.expect_response("**/v1/audit?limit=1"):
        page.get_by_role("button", name="Show").click()
    expect(page.locator("#status")).to_have_text("The lines that are like that are shown.")


def test_lines_are_shown_page_by_page_newest_first(busy: Guarded, page: Page) -> None:
    expect(page.locator("#audit-lines tbody tr")).to_have_count(100)
    while page.get_by_role("button", name="More").is_visible():
        before = page.locator("#audit-lines tbody tr").count()
        page.get_by_role("button", name="More").click()
        expect(page.locator(f"#audit-lines tbody tr:nth-child({before + 1})")).to_be_visible()
    assert shown_numbers(page) == [str(line["number"]) for line in lines_of(busy)]


def test_lines_are_found_by_action_collection_person_and_who_did_it(busy: Guarded, page: Page) -> None:
    page.get_by_label("What was done").select_option("delete_person")
    page.get_by_label("Collection", exact=True).fill("busy")
    show(page)
    (line,) = lines_of(busy, action="delete_person", collection="busy")
    assert shown_numbers(page) == [str(line["number"])]
    row = page.locator("#audit-lines tbody tr")
    expect(row).to_contain_text("delete person")
    row.locator("summary").click()
    expect(row).to_contain_text(line["hash"])
    expect(row).to_contain_text(line["subject"])

    page.get_by_label("What was done").select_option("")
    page.get_by_label("Person").fill("bob")
    show(page)
    bobs = lines_of(busy, collection="busy", person="bob")
    assert [one["action"] for one in bobs] == ["delete_person", "create_person"]
    assert shown_numbers(page) == [str(one["number"]) for one in bobs]
    page.get_by_label("By").fill("worker")
    show(page)
    expect(page.get_by_text("No line is like that.")).to_be_visible()
    page.get_by_role("button", name="Everything").click()
    expect(page.locator("#audit-lines tbody tr")).to_have_count(100)


def test_every_action_that_is_written_can_be_looked_for(page: Page) -> None:
    offered = page.evaluate("[...document.querySelectorAll('#audit-action option')].map((one) => one.value)")
    assert sorted(offered) == sorted(["", *Action])


def test_lines_are_found_by_time_as_the_reader_tells_it(busy: Guarded, page: Page) -> None:
    first, last = lines_of(busy)[-1], lines_of(busy)[0]
    local = """(moment) => {
      const at = new Date(moment);
      at.setMinutes(at.getMinutes() - at.getTimezoneOffset());
      return at.toISOString().slice(0, 19);
    }"""
    page.get_by_label("Before").fill(page.evaluate(local, first["at"]))
    show(page)
    expect(page.get_by_text("No line is like that.")).to_be_visible()
    page.get_by_label("Before").fill("")
    page.get_by_label("From").fill(page.evaluate(local, last["at"]))
    show(page)
    assert shown_numbers(page)[0] == str(last["number"])
    assert len(shown_numbers(page)) < len(lines_of(busy))


def test_a_search_stands_in_the_address_and_opens_from_it(busy: Guarded, open_page: Open) -> None:
    page = open_page(f"{busy.url}/audit#action=create_collection&collection=busy", key=busy.key)
    (line,) = lines_of(busy, action="create_collection", collection="busy")
    expect(page.locator("#audit-lines tbody tr")).to_have_count(1)
    assert shown_numbers(page) == [str(line["number"])]
    expect(page.get_by_label("What was done")).to_have_value("create_collection")
    page.get_by_label("Collection", exact=True).fill("gate")
    show(page)
    assert page.url.endswith("#action=create_collection&collection=gate")


def test_the_lines_that_are_asked_for_are_saved_as_json_lines(
    busy: Guarded, page: Page, tmp_path: Path
) -> None:
    page.get_by_label("Collection", exact=True).fill("busy")
    show(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save these lines").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    download.value.save_as(tmp_path / "audit.jsonl")
    saved = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert len(saved) > CHANGES
    assert saved == lines_of(busy, collection="busy")[::-1]


def test_the_newest_line_is_told_so_that_it_can_be_kept(busy: Guarded, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    newest = lines_of(busy)[0]
    kept = f"{newest['number']}:{newest['hash']}"
    expect(page.locator("#newest")).to_have_text(kept)
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#status")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == kept


def test_what_the_service_refuses_is_told_in_its_words(page: Page) -> None:
    page.get_by_label("Person").fill("ada")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("person: is asked for together with its collection")
    page.get_by_label("Collection", exact=True).fill("no such name")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("collection: String should match pattern")


def test_a_key_that_may_not_look_is_told_why(busy: Guarded, open_page: Open) -> None:
    page = open_page(f"{busy.url}/audit", key=busy.make_key(scope="read"))
    refused = page.locator("#audit .refused")
    expect(refused).to_contain_text("This key has the scope 'read'; the request needs 'admin'.")
    expect(page.locator("#audit-lines")).to_have_count(0)


def test_lines_are_looked_for_with_the_keyboard_alone(busy: Guarded, page: Page) -> None:
    tab_to(page, "#audit-action")
    page.keyboard.type("create coll")
    page.keyboard.press("Enter")
    tab_to(page, "#audit-collection")
    page.keyboard.type("busy")
    page.keyboard.press("Enter")
    expect(page.locator("#audit-lines tbody tr")).to_have_count(1)
    tab_to(page, "#audit-lines summary")
    page.keyboard.press("Enter")
    (line,) = lines_of(busy, action="create_collection", collection="busy")
    expect(page.locator("#audit-lines")).to_contain_text(line["hash"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_heard_and_held_in_a_hand(scheme: str, busy: Guarded, open_page: Open) -> None:
    address = f"{busy.url}/audit#collection=busy&action=create_person"
    page = open_page(address, key=busy.key, color_scheme=scheme)
    page.locator("#audit-lines summary").first.click()
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
