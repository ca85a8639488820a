"""The page of the service itself in a real Chromium: what runs, on what its rates rest, and how it is now."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from tests.serving.page.actions import PHONE, assert_texts_can_be_read, nameless_controls, tab_to
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.conftest import Guarded

pytestmark = needs_chromium

Open = Callable[..., Page]


@pytest.fixture
def page(service: str, open_page: Open) -> Page:
    found = open_page(f"{service}/system")
    expect(found.locator("#ready")).to_contain_text("Readiness")
    return found


def test_what_runs_and_what_its_rates_rest_on_is_told_as_the_service_tells_it(
    http: httpx.Client, page: Page
) -> None:
    system, (model,) = http.get("/v1/system").json(), http.get("/v1/models").json()["items"]
    runs, models = page.locator("#runs"), page.locator("#models")
    for value in (system["version"], system["engine"], system["provider"]):
        expect(runs).to_contain_text(value)
    for name in ("name", "version", "contract_id", "licence", "origin"):
        expect(models).to_contain_text(model[name])
    expect(models).to_contain_text(model["calibration"]["data"])
    expect(models).to_contain_text(f"{model['calibration']['impostor_pairs']:,}")
    expect(page.locator("#limits")).to_contain_text("1 in 10,000")
    expect(page.locator("#limits")).to_contain_text("20 MB")
    runs.get_by_text("Libraries").click()
    for library, version in system["versions"].items():
        expect(runs).to_contain_text(version if library == "cocircle" else library)


def test_collections_are_told_with_their_sizes_and_lead_to_their_people(
    http: httpx.Client, page: Page
) -> None:
    demo = http.get("/v1/collections/demo").json()
    row = page.locator("#collections tbody tr").filter(has=page.get_by_role("link", name="demo", exact=True))
    expect(row.locator("td").nth(1)).to_have_text(str(demo["persons"]))
    expect(row.locator("td").nth(2)).to_have_text(str(demo["faces"]))
    row.get_by_role("link").click()
    expect(page).to_have_url(f"{http.base_url!s}".rstrip("/") + "/people#collection=demo")


def test_load_and_jobs_under_way_are_read_from_the_metrics(
    http: httpx.Client, page: Page, collection: Callable[..., str]
) -> None:
    collection("loaded")
    wanted = {"kind": "enroll", "collection": "loaded", "open": True}
    job = http.post("/v1/jobs", json=wanted).raise_for_status().json()["id"]
    page.reload()
    load = page.locator("#load")
    expect(load).to_contain_text("0 of 64")
    expect(load).to_contain_text("Enrol photos, takes uploads")
    expect(load).to_contain_text("Databaseanswers")
    http.post(f"/v1/jobs/{job}:cancel").raise_for_status()


def test_what_lags_is_told_and_so_is_that_it_has_caught_up(service: str, open_page: Open) -> None:
    page = open_page(f"{service}/system")
    page.clock.install()
    lagging = [{"collection": "slow", "store_revision": 1007, "engine_revision": 1000}]
    behind = json.dumps({"ready": False, "models_warm": True, "lagging": lagging})

    def lag(route: Route) -> None:
        route.fulfill(status=503, body=behind, content_type="application/json", headers={"Retry-After": "1"})

    page.route("**/readyz", lag)
    page.reload()
    ready = page.locator("#ready")
    expect(ready).to_contain_text("not ready")
    expect(ready.locator("tbody tr td")).to_have_text(["slow", "1007", "1000", "7"])
    page.unroute("**/readyz")
    with page.expect_response("**/readyz"):
        page.clock.fast_forward(6000)
    expect(ready).to_contain_text("every acknowledged write is searchable")


def test_a_service_that_goes_away_is_told_and_looked_for_again(service: str, open_page: Open) -> None:
    page = open_page(f"{service}/system")
    page.clock.install()
    page.reload()
    expect(page.locator("#ready")).to_contain_text("ready")
    page.route("**/readyz", lambda route: route.fulfill(status=503, body="<html>", content_type="text/html"))
    page.clock.fast_forward(6000)
    expect(page.get_by_role("alert")).to_have_text("The service answered 503 without words.")
    page.unroute("**/readyz")
    page.clock.fast_forward(6000)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_tab_that_nobody_sees_asks_for_nothing(service: str, open_page: Open) -> None:
    page = open_page(f"{service}/system")
    page.clock.install()
    page.reload()
    expect(page.locator("#load")).to_contain_text("Photos at work")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    see = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(see, True)
    page.clock.fast_forward(60_000)
    assert asked == []
    with page.expect_response("**/readyz"):
        page.evaluate(see, False)


def test_a_key_that_may_not_read_the_metrics_sees_all_the_rest(guarded: Guarded, open_page: Open) -> None:
    page = open_page(f"{guarded.url}/system", key=guarded.make_key(scope="read", collections=["gate"]))
    expect(page.locator("#load")).to_contain_text("This key may not read the metrics")
    expect(page.locator("#ready")).to_contain_text("searchable")
    expect(page.locator("#collections tbody tr td:first-child")).to_have_text(["gate"])
    expect(page.locator("#alert")).to_be_hidden()


def test_the_text_of_metrics_is_read_with_its_labels_and_escapes(page: Page) -> None:
    text = (
        "# HELP a_total Words.\n# TYPE a_total counter\n"
        'a_total{kind="b\\"c\\\\d\\ne",of="f"} 2.0\na_total{kind="g"} 40\nh 1.5e-3 1700000000\ni +Inf\n'
    )
    read = """async (text) => {
      const { Metrics } = await import("/assets/system/metrics_text.js");
      const found = new Metrics(text);
      const escaped = found.one("a_total", { kind: 'b"c\\\\d\\ne' });
      return [found.sum("a_total"), escaped, found.one("h"), found.one("none") ?? null];
    }"""
    assert page.evaluate(read, text) == [42, 2, 0.0015, None]


def test_libraries_are_opened_with_the_keyboard_alone(page: Page) -> None:
    tab_to(page, "#runs summary")
    page.keyboard.press("Enter")
    expect(page.locator("#runs")).to_contain_text("onnxruntime")
    tab_to(page, "#collections a")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).not_to_have_text("System")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_heard_and_held_in_a_hand(scheme: str, service: str, open_page: Open) -> None:
    page = open_page(f"{service}/system", color_scheme=scheme)
    expect(page.locator("#load")).to_contain_text("Photos at work")
    page.locator("#runs summary").click()
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
