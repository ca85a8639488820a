"""The reference of the API as a page, in a real browser: whole, by keyboard, with examples that work."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.chromium import needs_chromium

pytestmark = needs_chromium


@pytest.fixture
def reference(service: str, open_page: Callable[..., Page]) -> Page:
    page = open_page(f"{service}/docs")
    expect(page.locator("#tag-schemas")).to_be_attached()
    return page


def test_every_route_and_every_schema_stands_under_its_tag(service: str, reference: Page) -> None:
    document = httpx.get(f"{service}/v1/openapi.json").json()
    for tag in document["tags"]:
        section = reference.get_by_role("region", name=tag["name"], exact=True)
        mine = [
            operation["operationId"]
            for item in document["paths"].values()
            for operation in item.values()
            if operation["tags"] == [tag["name"]]
        ]
        assert section.locator("details").count() == len(mine) > 0
        for name in mine:
            expect(section.locator(f"[id='{name}']")).to_be_attached()
    assert reference.locator("#tag-schemas details").count() == len(document["components"]["schemas"])


def test_a_route_opens_by_keyboard_and_by_its_address(service: str, reference: Page) -> None:
    part = reference.locator("#collections_create")
    part.locator("summary").focus()
    reference.keyboard.press("Enter")
    expect(part.get_by_text("keep_crops")).to_be_visible()
    expect(part.get_by_role("link", name="CollectionOut")).to_be_visible()
    part.get_by_role("link", name="CollectionOut").click()
    expect(reference.locator("#schema-CollectionOut .fields").first).to_be_visible()


def test_a_word_finds_its_routes(reference: Page) -> None:
    reference.get_by_label("Find a route or a word").fill("identify")
    expect(reference.locator("#search_identify")).to_be_visible()
    expect(reference.locator("#collections_create")).to_be_hidden()
    expect(reference.locator("#tag-keys")).to_be_hidden()
    reference.get_by_label("Find a route or a word").fill("")
    expect(reference.locator("#collections_create")).to_be_visible()


@pytest.mark.parametrize("name", ["collections_list", "system_system", "collections_create"])
def test_an_example_is_a_command_that_works_as_it_is_shown(service: str, reference: Page, name: str) -> None:
    text = reference.locator(f"#{name} .curl").text_content()
    assert text is not None
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert '"error"' not in done.stdout
    assert done.stdout.startswith("{")


def test_an_example_is_copied_or_where_the_browser_forbids_it_marked_to_be_copied(reference: Page) -> None:
    part = reference.locator("#system_livez")
    part.locator("summary").click()
    copy = part.get_by_role("button", name="Copy the example of GET /livez")
    copy.click()
    expect(reference.locator("#status")).to_have_text("Selected; copy it with your keyboard.")
    assert reference.evaluate("getSelection().toString()") == part.locator(".curl").text_content()
    reference.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy.click()
    expect(reference.locator("#status")).to_have_text("Copied.")
    assert reference.evaluate("navigator.clipboard.readText()") == part.locator(".curl").text_content()


def test_on_a_phone_nothing_scrolls_sideways(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{service}/docs#faces_enrol", {"width": 360, "height": 740})
    expect(page.locator("#faces_enrol .fields").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
