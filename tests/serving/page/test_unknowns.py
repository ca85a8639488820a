"""The page of unknowns in a real Chromium: groups that a real job makes, given to somebody; photos brought to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls
from tests.serving.page.chromium import needs_chromium

pytestmark = needs_chromium

Photos = Callable[[int, int], Path]
SEEN = {
    "ada": [(1, 1), (1, 2)],
    "unknown-1": [(4, 1)],
    "unknown-2": [(4, 2)],
    "unknown-3": [(5, 1)],
    "unknown-4": [(1, 3)],
}


def group(page: Page) -> None:
    page.get_by_role("button", name="Group them").click()
    expect(page.locator("#progress")).to_contain_text("looked at on")


def persons(http: httpx.Client, collection: str) -> dict[str, Any]:
    found = http.get(f"/v1/collections/{collection}/persons").json()["items"]
    return {one["id"]: one["faces"] for one in found}


def test_a_group_goes_to_a_new_person_and_one_who_is_known_to_theirs(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("seen", SEEN)
    page = open_page(f"{service}/unknowns#collection=seen")
    expect(page.locator("#progress")).to_have_text("Nobody has grouped the unknowns here yet.")
    group(page)
    expect(page.get_by_role("article")).to_have_count(3)
    known, two, alone = page.get_by_role("article").all()
    expect(known).to_contain_text("unknown-4, like ada")
    expect(known).to_contain_text("Alike by cosine 0.")
    expect(two.locator("img")).to_have_count(2)
    expect(alone).to_contain_text("Alone: unknown-3")
    two.get_by_label("Person id").fill("grace")
    two.get_by_role("button", name="Give the faces").click()
    expect(page.locator("#status")).to_have_text("2 unknown persons are grace now.")
    assert persons(http, "seen") == {"ada": 2, "grace": 2, "unknown-3": 1, "unknown-4": 1}
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.get_by_label("Person id").first).to_have_value("ada")
    page.get_by_role("article").first.get_by_role("button", name="Give the faces").click()
    expect(page.locator("#status")).to_have_text("1 unknown person is ada now.")
    assert persons(http, "seen") == {"ada": 3, "grace": 2, "unknown-3": 1}
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)


def test_photos_of_strangers_become_unknown_persons_and_come_grouped(
    service: str,
    http: httpx.Client,
    open_page: Callable[..., Page],
    photos: Photos,
    collection: Callable[..., str],
) -> None:
    collection("brought", {"ada": [(1, 1), (1, 2)]})
    page = open_page(f"{service}/unknowns#collection=brought")
    page.get_by_text("Bring photos of people nobody knows").click()
    brought = [photos(7, 1), photos(7, 2), photos(1, 3), photos(9, 1)]
    page.locator("#bring-photos input[type=file]").set_input_files(brought)
    page.get_by_role("button", name="Look at them").click()
    expect(page.locator("#status")).to_have_text(
        "4 faces found; 2 unknown persons are new. 1 face is of people who are known here."
    )
    found = persons(http, "brought")
    assert sorted(found.values()) == [1, 2, 2]
    assert sum(id.startswith("unknown-") for id in found) == 2
    expect(page.get_by_role("article")).to_have_count(2)
    expect(page.locator("#bring-photos li")).to_have_count(0)


def test_a_collection_without_unknowns_says_so(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{service}/unknowns#collection=demo")
    page.get_by_label("Ids begin with").fill("nobody-")
    page.get_by_role("button", name="Group them").click()
    expect(page.locator("#progress")).to_have_text("Nobody here has an id that begins with nobody-.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_groups_can_be_read_and_named_and_fit_a_phone(
    scheme: str, service: str, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection(f"groups-{scheme}", SEEN)
    page = open_page(f"{service}/unknowns#collection=groups-{scheme}", viewport=PHONE, color_scheme=scheme)
    group(page)
    expect(page.get_by_role("article")).to_have_count(3)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
