"""The form of a new job in a real Chromium: what is uploaded, what is sent, and what comes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
from playwright.sync_api import Page, Route, expect

from tests.serving.page.actions import nameless_controls
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.jobs_kit import expect_state, job_of, made

pytestmark = needs_chromium

Open = Callable[..., Page]
Photos = Callable[[int, int], Path]
Make = Callable[..., str]


def start(page: Page, kind: str, collection: str) -> None:
    page.get_by_label("What to do").select_option(kind)
    page.get_by_label("Collection").select_option(collection)


def test_a_folder_is_uploaded_and_enrolled_and_each_refusal_has_its_reason(
    service: str, open_page: Open, http: httpx.Client, collection: Make, photos: Photos, tmp_path: Path
) -> None:
    collection("crew")
    chosen = {"ada/1.png": (6, 1), "ada/later/2.png": (6, 2), "bob.png": (7, 1)}
    for place, (person, number) in chosen.items():
        (tmp_path / "people" / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / place).write_bytes(photos(person, number).read_bytes())
    cv2.imwrite(str(tmp_path / "people" / "ada" / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    (tmp_path / "people" / "notes.txt").write_text("no photo")
    page = open_page(f"{service}/jobs#new=enroll&collection=crew")
    expect(page.get_by_label("Collection")).to_have_value("crew")
    page.get_by_label("Folder of photos").set_input_files(tmp_path / "people")
    expect(page.locator("#upload-told")).to_have_text(
        "4 photos of 2 persons. 1 file is left out: no photo of a person."
    )
    page.get_by_role("button", name="Start").click()
    expect_state(page, "done")
    expect(page.locator("#job-head")).to_contain_text("1 rejected")
    page.get_by_text("Items", exact=True).click()
    page.get_by_label("Only those").select_option("rejected")
    row = page.locator("#job-items tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("ada/grey.png")
    expect(row).to_contain_text("no face found")
    persons = http.get("/v1/collections/crew/persons").json()["items"]
    assert {one["id"]: one["faces"] for one in persons} == {"ada": 2, "bob": 1}
    assert http.get(f"/v1/jobs/{job_of(page)}").json()["rejected"] == 1


def test_photos_of_one_person_wait_for_the_id_and_for_a_busy_service(
    service: str, open_page: Open, http: httpx.Client, collection: Make, photos: Photos
) -> None:
    collection("patient")
    page = open_page(f"{service}/jobs#new=enroll&collection=patient")
    page.get_by_role("button", name="Choose photos").click()
    assert page.evaluate("document.activeElement.id") == "upload-person"
    page.get_by_label("Person id").fill("s8")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose photos").click()
    chooser.value.set_files([photos(8, 1), photos(8, 2)])
    refused: list[str] = []

    def busy_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        body = {"error": {"code": "overloaded", "message": "Uploads wait.", "details": {}}, "request_id": "x"}
        headers = {"Retry-After": "1"}
        route.fulfill(status=429, body=json.dumps(body), content_type="application/json", headers=headers)

    page.route("**/items", busy_once)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("The service is busy with what was sent; going on in 1 s.")).to_be_visible()
    expect_state(page, "done")
    assert http.get("/v1/collections/patient/persons/s8").json()["faces"] == 2


def test_an_export_is_fetched_and_imported_as_another_collection(
    service: str, open_page: Open, http: httpx.Client, tmp_path: Path
) -> None:
    page = open_page(f"{service}/jobs#new=export")
    start(page, "export", "demo")
    page.get_by_role("button", name="Start").click()
    expect_state(page, "done")
    with page.expect_download() as download:
        page.get_by_role("button", name="Fetch the file").click()
    assert re.fullmatch(r"demo-\d{4}-\d\d-\d\d\.jsonl", download.value.suggested_filename)
    file = tmp_path / "demo.jsonl"
    download.value.save_as(file)
    assert file.read_bytes() == http.get(f"/v1/jobs/{job_of(page)}/result").content

    page.goto(f"{service}/jobs#new=import")
    page.get_by_label("Exported file").set_input_files(file)
    page.get_by_label("Collection", exact=True).fill("copied")
    page.get_by_role("button", name="Start").click()
    expect_state(page, "done")
    told = [http.get(f"/v1/collections/{name}/persons").json()["items"] for name in ("demo", "copied")]
    assert [(one["id"], one["faces"]) for one in told[0]] == [(one["id"], one["faces"]) for one in told[1]]


def test_a_large_exported_file_is_taken_apart_and_a_damaged_one_refused(
    service: str, open_page: Open, http: httpx.Client, tmp_path: Path
) -> None:
    job = made(http, "export", "demo")
    page = open_page(f"{service}/jobs#job={job}")
    expect_state(page, "done")
    whole = http.get(f"/v1/jobs/{job}/result").content
    split = """async (text) => {
      const { split } = await import("/assets/jobs/export_file.js");
      const parts = await split(new TextEncoder().encode(text), 1);
      return Promise.all(parts.map((part) => part.text()));
    }"""
    parts = page.evaluate(split, whole.decode())
    header, *persons, _ = whole.decode().splitlines(keepends=True)
    assert [part.splitlines(keepends=True)[:-1] for part in parts] == [[header, one] for one in persons]
    upload = made(http, "import", "in-parts", open=True)
    for number, part in enumerate(parts):
        options = {"options": json.dumps({"items": [{"item": str(number)}]})}
        files = {"image": part.encode()}
        http.post(f"/v1/jobs/{upload}/items", data=options, files=files).raise_for_status()
    http.post(f"/v1/jobs/{upload}:start").raise_for_status()
    page.goto(f"{service}/jobs#job={upload}")
    expect_state(page, "done")
    assert http.get("/v1/collections/in-parts").json()["persons"] == len(persons)

    damaged = tmp_path / "damaged.jsonl"
    damaged.write_bytes(whole.replace(b'"quality"', b'"qualitx"', 1))
    page.goto(f"{service}/jobs#new=import")
    page.get_by_label("Exported file").set_input_files(damaged)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("The checksum is wrong")


def test_the_form_of_each_kind_has_the_options_of_its_schema_and_no_others(
    service: str, open_page: Open, http: httpx.Client
) -> None:
    page = open_page(f"{service}/jobs#new=any")
    left_out = {"enroll": {"contract"}, "cluster": {"quality", "enroll"}}
    for kind in http.get("/v1/jobs:kinds").json()["items"]:
        page.get_by_label("What to do").select_option(kind["kind"])
        expect(page.locator("#job-does")).to_contain_text(f"scope {kind['scope']}.")
        ids = page.evaluate("[...document.querySelectorAll('[id^=option-]:not(p)')].map((node) => node.id)")
        wanted = set(kind["options"]["properties"]) - left_out.get(kind["kind"], set())
        assert set(ids) == {f"option-{name}" for name in wanted}
        labels = page.locator("#job-form label").all_inner_texts()
        assert not {name for name in wanted if "_" in name} & set(labels)
        assert nameless_controls(page) == []


def test_options_are_sent_as_they_are_typed_and_what_is_left_empty_is_not(
    service: str, open_page: Open, http: httpx.Client
) -> None:
    page = open_page(f"{service}/jobs#new=purge&collection=demo")
    page.get_by_role("button", name="Start").click()
    assert page.evaluate("document.activeElement.id") == "option-days"
    page.get_by_label("Older than so many days").fill("0.5")
    page.get_by_label("Counted by").select_option("person")
    page.get_by_label("A rehearsal").check()
    page.get_by_label("Delete persons who have no face left").uncheck()
    page.get_by_role("button", name="Start").click()
    expect_state(page, "done")
    told = http.get(f"/v1/jobs/{job_of(page)}").json()
    assert told["options"] == {"days": 0.5, "by": "person", "remove_empty": False, "dry_run": True}
    expect(page.locator("#job-result")).to_contain_text("dry run")
    page.goto(f"{service}/jobs#new=dedup&collection=demo")
    page.get_by_label("Alike from this false match rate").fill("1e-4")
    page.get_by_role("button", name="Start").click()
    expect_state(page, "done")
    assert http.get(f"/v1/jobs/{job_of(page)}").json()["options"] == {"max_fmr": 1e-4, "threshold": None}
    expect(page.get_by_role("link", name="Look at them on the page Duplicates")).to_be_visible()


def test_what_cannot_be_undone_is_begun_only_after_a_confirmation(
    service: str, open_page: Open, http: httpx.Client, collection: Make
) -> None:
    collection("kept", {"one": [(1, 1)]})
    page = open_page(f"{service}/jobs#new=purge&collection=kept")
    page.get_by_label("Older than so many days").fill("1e-9")
    page.get_by_role("button", name="Start").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What is older is deleted, for good.")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    assert http.get("/v1/jobs", params={"collection": "kept"}).json()["items"] == []
    page.get_by_role("button", name="Start").click()
    dialog.get_by_role("button", name="Start it").click()
    expect_state(page, "done")
    assert http.get("/v1/collections/kept").json()["faces"] == 0
