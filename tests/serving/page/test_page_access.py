"""Who can use the page: by keyboard, with a key, in light and dark, by ear, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.serving.conftest import ServiceProcess
from tests.serving.page.actions import PHONE, choose, tab_to
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


CONTRASTS = """() => {
  const light = ([r, g, b]) => {
    const linear = (v) => (v <= 10.31475 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
  };
  const says = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const texts = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() && says(node));
  return texts.map((node) => {
    const [a, b] = [numbers(getComputedStyle(node).color), ground(node)].map(light).sort((x, y) => y - x);
    return [node.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)];
  });
}"""


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
    measured = page.evaluate(CONTRASTS)
    assert len(measured) > 15
    assert [(text, ratio) for text, ratio in measured if ratio < 4.5] == []


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    nameless = """() => [...document.querySelectorAll("button, input, select, [role=tab], [role=group], [role=region]")]
      .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
      .map((node) => node.outerHTML)"""
    assert page.evaluate(nameless) == []


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
