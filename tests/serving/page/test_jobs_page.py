"""The page of jobs in a real Chromium: followed, looked into, ended, and what the service refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls, tab_to
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.conftest import Guarded
from tests.serving.page.jobs_kit import expect_state, made

pytestmark = needs_chromium

Open = Callable[..., Page]
Photos = Callable[[int, int], Path]
Make = Callable[..., str]


def test_the_list_follows_jobs_at_work_and_a_tab_that_nobody_sees_asks_for_nothing(
    service: str, open_page: Open, http: httpx.Client, collection: Make, photos: Photos
) -> None:
    collection("followed")
    job = made(http, "enroll", "followed", open=True)
    page = open_page(f"{service}/jobs")
    page.clock.install()
    page.goto(f"{service}/jobs#collection=followed")
    page.reload()
    row = page.locator(f"[data-job='{job}']")
    expect(row).to_contain_text("takes uploads")
    see = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(see, True)
    page.clock.run_for(60_000)
    assert asked == []
    options = {"options": json.dumps({"items": [{"item": "one", "person": "s1"}]})}
    files = {"image": photos(1, 1).read_bytes()}
    http.post(f"/v1/jobs/{job}/items", data=options, files=files).raise_for_status()
    http.post(f"/v1/jobs/{job}:start").raise_for_status()
    with page.expect_response("**/v1/jobs?*"):
        page.evaluate(see, False)
    page.clock.resume()
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("1 of 1")
    expect(row.locator("progress")).to_have_attribute("value", "1")


def test_a_job_is_cancelled_resumed_and_deleted_with_the_keyboard_alone(
    service: str, open_page: Open, http: httpx.Client, collection: Make
) -> None:
    collection("keyed")
    job = made(http, "enroll", "keyed", open=True)
    page = open_page(f"{service}/jobs#collection=keyed")
    tab_to(page, f"[data-job='{job}'] a")
    page.keyboard.press("Enter")
    expect_state(page, "takes uploads")
    for button, confirmation, state in (("Cancel", "dialog .danger", "cancelled"), ("Resume", "", "done")):
        page.get_by_role("button", name=button, exact=True).focus()
        page.keyboard.press("Enter")
        if confirmation:
            tab_to(page, confirmation)
            page.keyboard.press("Enter")
        expect_state(page, state)
        assert http.get(f"/v1/jobs/{job}").json()["state"] == state
    tab_to(page, "#job-actions .danger")
    page.keyboard.press("Enter")
    tab_to(page, "dialog .danger")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("The record of the job is deleted.")
    assert http.get(f"/v1/jobs/{job}").status_code == 404
    expect(page.locator(f"[data-job='{job}']")).to_have_count(0)


def test_the_list_is_paged_and_filtered(
    service: str, open_page: Open, http: httpx.Client, collection: Make
) -> None:
    collection("listed")
    jobs = [made(http, "rebuild", "listed") for _ in range(2)]
    ended = made(http, "enroll", "listed", open=True)
    http.post(f"/v1/jobs/{ended}:cancel").raise_for_status()
    page = open_page(f"{service}/jobs#collection=listed")
    page.route("**/v1/jobs?*", lambda route: route.continue_(url=route.request.url.replace("=100", "=2")))
    page.reload()
    rows = page.locator("#job-list tbody tr")
    expect(rows).to_have_count(2)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(3)
    shown = page.evaluate("[...document.querySelectorAll('[data-job]')].map((row) => row.dataset.job)")
    assert shown == [ended, *jobs[::-1]]
    page.get_by_label("State").select_option("cancelled")
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-job", ended)
    assert page.url.endswith("#collection=listed&state=cancelled")


def test_a_job_that_could_not_be_done_says_why(
    service: str, open_page: Open, http: httpx.Client, collection: Make
) -> None:
    collection("lonely", {"one": [(1, 1)]})
    job = made(http, "calibrate", "lonely")
    page = open_page(f"{service}/jobs#job={job}")
    expect_state(page, "failed")
    message = http.get(f"/v1/jobs/{job}").json()["message"]
    assert message
    expect(page.locator("#job-message")).to_have_text(message)


def test_what_the_service_refuses_is_told_in_its_words(
    service: str, open_page: Open, http: httpx.Client, guarded: Guarded
) -> None:
    page = open_page(f"{service}/jobs#job={'0' * 32}")
    expect(page.get_by_role("alert")).to_have_text(f"there is no job '{'0' * 32}'")
    page.goto(f"{service}/jobs#new=rollback&collection=demo")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_have_text(
        "collection 'demo' has no previous form; there is nothing to go back to"
    )
    reader = open_page(f"{guarded.url}/jobs#new=export&collection=gate", key=guarded.make_key(scope="read"))
    reader.get_by_role("button", name="Start").click()
    expect(reader.get_by_role("alert")).to_contain_text("This key has the scope 'read'; the request needs")
    assert guarded.http.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_view_can_be_read_heard_and_held_in_a_hand(
    scheme: str, service: str, open_page: Open, http: httpx.Client
) -> None:
    page = open_page(f"{service}/jobs", color_scheme=scheme)
    job = made(http, "dedup", "demo", threshold=0.1)
    for address in (f"#job={job}", "#new=enroll", "#new=purge", "#collection=demo"):
        page.set_viewport_size({"width": 1200, "height": 900})
        page.goto(f"{service}/jobs{address}")
        if address.startswith("#job"):
            expect_state(page, "done")
            page.get_by_text("Findings", exact=True).click()
            expect(page.locator("#job-findings tbody tr")).not_to_have_count(0)
        elif address.startswith("#new"):
            expect(page.locator("#job-form")).to_be_visible()
        else:
            expect(page.locator("#job-list tbody tr")).not_to_have_count(0)
        assert_texts_can_be_read(page)
        assert nameless_controls(page) == []
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
