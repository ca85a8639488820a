"""Who can use the page: by keyboard, with a key, in light and dark, by ear, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from serving.routes.page import PAGES
from tests.serving.conftest import ServiceProcess
from tests.serving.page.actions import PHONE, assert_texts_can_be_read, choose, nameless_controls, tab_to
from tests.serving.page.chromium import needs_chromium

pytestmark = needs_chromium


def test_everything_is_done_with_the_keyboard_alone(page: Page, photos: Callable[[int, int], Path]) -> None:
    # Catches file dialogs from now on: set up at the last moment, it may come after the key.
    page.on("filechooser", lambda _: None)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "#photo .choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(photos(10, 1))
    expect(page.locator(".card .name")).to_have_text("Unknown")
    tab_to(page, "#person")
    page.keyboard.type("s10")
    page.keyboard.press("Enter")
    expect(page.locator(".card .name")).to_have_text("s10")
    page.locator("body").press("Home")
    page.evaluate("document.activeElement.blur()")
    tab_to(page, "#tab-identify")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-verify")).to_be_visible()
    expect(page.locator("#tab-verify")).to_be_focused()


def test_a_key_is_asked_for_kept_in_the_tab_and_never_put_into_an_address(
    browser: Browser, tmp_path: Path
) -> None:
    process = ServiceProcess(tmp_path / "home", tmp_path / "service.log", COCIRCLE_AUTH="on")
    context = browser.new_context()
    try:
        found = re.search(r"cck_\S+", (tmp_path / "service.log").read_text())
        assert found is not None
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(process.url)
        expect(page.get_by_role("alert")).to_contain_text("An API key is needed")
        expect(page.locator("#key-text")).to_be_focused()
        page.keyboard.type("cck_00000000_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("This API key is not known here")
        page.keyboard.type(found[0])
        page.keyboard.press("Enter")
        expect(page.locator("#key-state")).to_have_text("in use")
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.locator("#service")).not_to_be_empty()
        assert not any("cck_" in address for address in [*asked, page.url])
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.reload()
        expect(page.locator("#service")).not_to_be_empty()
    finally:
        context.close()
        process.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_aa_asks_for(
    scheme: str, service: str, open_page: Callable[..., Page], photos: Callable[[int, int], Path]
) -> None:
    page = open_page(f"{service}/#collection=demo", color_scheme=scheme)
    choose(page, photos(1, 5))
    expect(page.locator(".card .name")).to_have_text("s1")
    page.evaluate(
        "document.querySelector('#alert').hidden = false; document.querySelector('#alert').textContent = 'x'"
    )
    assert_texts_can_be_read(page)


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    assert nameless_controls(page) == []


@pytest.mark.parametrize("panel", ["identify", "verify"])
def test_a_phone_never_scrolls_sideways(
    panel: str, service: str, open_page: Callable[..., Page], photos: Callable[[int, int], Path]
) -> None:
    page = open_page(f"{service}/#collection=demo", viewport=PHONE)
    page.locator(f"#tab-{panel}").click()
    if panel == "identify":
        choose(page, photos(2, 3))
    else:
        choose(page, photos(2, 3), "#photo-a")
        choose(page, photos(2, 4), "#photo-b")
    expect(page.locator(".name")).not_to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("name", [*PAGES])
def test_every_page_links_to_all_others_and_says_which_one_it_is(
    name: str, service: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{service}/{name}", viewport=PHONE)
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    paths = [link.get_attribute("href") for link in links.all()]
    assert sorted(str(path) for path in paths) == sorted(f"/{one}" for one in PAGES)
    expect(page.locator("nav [aria-current=page]")).to_have_attribute("href", f"/{name}")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert nameless_controls(page) == []


def test_the_chosen_collection_goes_along_and_skipping_the_links_does_not_lose_it(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_be_focused()
    assert page.url.endswith("/#collection=demo")
    page.get_by_role("link", name="Duplicates").click()
    expect(page.locator("#collection")).to_have_value("demo")
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("#service")).not_to_be_empty()
    assert page.url.endswith("/jobs")


def test_a_page_that_is_not_there_is_not_found(service: str) -> None:
    assert httpx.get(f"{service}/people/x").status_code == 404
    assert httpx.get(f"{service}/nothing").status_code == 404
    assert httpx.get(f"{service}/people").headers["content-security-policy"].startswith("default-src 'none'")
