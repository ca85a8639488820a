"""The page of duplicates in a real Chromium: pairs that a real job finds, merged and dismissed."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls
from tests.serving.page.chromium import needs_chromium

pytestmark = needs_chromium

TWICE = {"ada": [(1, 1), (1, 2)], "ada-2": [(1, 3), (1, 4)], "bob": [(2, 1)], "eve": [(5, 1)]}


def look(page: Page) -> None:
    page.get_by_role("button", name="Look for duplicates").click()
    expect(page.locator("#progress")).to_contain_text("compared on")


def test_a_pair_is_shown_side_by_side_and_merged_into_the_one_who_is_kept(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("doubled", TWICE)
    page = open_page(f"{service}/duplicates#collection=doubled")
    expect(page.locator("#progress")).to_have_text("Nobody has looked for duplicates here yet.")
    look(page)
    pair = page.get_by_role("article", name="ada and ada-2")
    expect(pair.locator("img")).to_have_count(4)
    (job,) = http.get("/v1/jobs", params={"collection": "doubled"}).json()["items"]
    (finding,) = http.get(f"/v1/jobs/{job['id']}/findings").json()["items"]
    expect(pair.locator(".meaning")).to_contain_text(f"Cosine {finding['cosine']:.3f}. ")
    expect(pair.locator(".meaning")).to_contain_text("trangers")
    pair.get_by_role("button", name="Keep ada-2: merge ada into ada-2").click()
    page.get_by_role("dialog").get_by_role("button", name="Merge").click()
    expect(page.locator("#status")).to_contain_text("ada is merged into ada-2.")
    expect(page.locator("#found")).to_have_text("Nothing is left to look at.")
    persons = http.get("/v1/collections/doubled/persons").json()["items"]
    assert {one["id"]: one["faces"] for one in persons} == {"ada-2": 4, "bob": 1, "eve": 1}
    page.reload()
    expect(page.locator("#found")).to_have_text("Nothing is left to look at.")


def test_a_dismissed_pair_stays_away_in_this_tab_and_changes_nobody(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("dismissed", TWICE)
    page = open_page(f"{service}/duplicates#collection=dismissed")
    look(page)
    page.get_by_role("button", name="Two people: dismiss ada and ada-2").click()
    expect(page.locator("#status")).to_have_text("ada and ada-2 are dismissed, in this tab.")
    page.reload()
    expect(page.locator("#found")).to_have_text("Nothing is left to look at.")
    assert len(http.get("/v1/collections/dismissed/persons").json()["items"]) == 4
    other = open_page(f"{service}/duplicates#collection=dismissed")
    expect(other.get_by_role("article")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pairs_can_be_read_and_named_and_fit_a_phone(
    scheme: str, service: str, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection(f"pairs-{scheme}", TWICE)
    page = open_page(f"{service}/duplicates#collection=pairs-{scheme}", viewport=PHONE, color_scheme=scheme)
    look(page)
    expect(page.get_by_role("article")).to_have_count(1)
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
