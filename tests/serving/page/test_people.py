"""The page of collections and persons in a real Chromium: everything it does is looked up through the API, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.serving.page.actions import (
    PHONE,
    assert_texts_can_be_read,
    choose,
    drag,
    nameless_controls,
    tab_to,
)
from tests.serving.page.chromium import needs_chromium

pytestmark = needs_chromium

Photos = Callable[[int, int], Path]


def faces_of(http: httpx.Client, collection: str, person: str) -> list[dict[str, Any]]:
    return http.get(f"/v1/collections/{collection}/persons/{person}/faces").json()["items"]  # type: ignore[no-any-return]


def told(page: Page, text: str) -> None:
    expect(page.locator("#status")).to_have_text(text)


def confirm(page: Page, action: str, typed: str = "") -> None:
    """Agrees in the dialog; where a word is asked for, sees that nothing goes on without it."""
    dialog = page.get_by_role("dialog")
    if typed:
        expect(dialog.get_by_role("button", name=action)).to_be_disabled()
        dialog.get_by_label(f"Type {typed} to go on").fill(typed)
    dialog.get_by_role("button", name=action).click()


def test_a_collection_is_made_changed_and_deleted_with_its_name_typed(
    service: str, http: httpx.Client, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{service}/people")
    demo = http.get("/v1/collections/demo").json()
    size = f"{demo['persons']} persons · {demo['faces']} faces"
    expect(page.locator("#collections li", has_text="demo")).to_contain_text(size)
    page.get_by_label("Name", exact=True).fill("guests")
    page.get_by_label("Keep a small picture").check()
    page.get_by_role("button", name="Create").click()
    told(page, "guests is made; nobody is in it yet.")
    expect(page.get_by_role("heading", level=1)).to_have_text("guests")
    assert http.get("/v1/collections/guests").json()["keep_crops"] is True
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Keep a small picture").uncheck()
    page.get_by_label("Metadata").fill('{"floor": 2')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Metadata is not JSON")
    page.get_by_label("Metadata").fill('{"floor": 2}')
    page.get_by_role("button", name="Save").click()
    told(page, "The settings of guests are saved.")
    found = http.get("/v1/collections/guests").json()
    assert (found["keep_crops"], found["metadata"]) == (False, {"floor": 2})
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("button", name="Cancel").click()
    assert http.get("/v1/collections/guests").status_code == 200
    page.get_by_role("button", name="Delete the collection").click()
    confirm(page, "Delete the collection", "guests")
    told(page, "guests is deleted.")
    assert http.get("/v1/collections/guests").status_code == 404


def test_of_several_photos_the_fit_are_enrolled_and_the_others_say_why_not(
    service: str,
    http: httpx.Client,
    open_page: Callable[..., Page],
    photos: Photos,
    collection: Callable[..., str],
    tmp_path: Path,
) -> None:
    collection("partly")
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 128, np.uint8))
    page = open_page(f"{service}/people#collection=partly")
    page.get_by_label("Person id").fill("ada/b")
    page.locator("#enrol-photos input[type=file]").set_input_files(
        [photos(1, 1), tmp_path / "wall.png", photos(1, 2)]
    )
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#enrol-photos li")).to_have_count(3)
    page.get_by_label("Person id").fill("ada#1?")
    page.get_by_label("Name, if another").fill("Ada")
    page.get_by_role("button", name="Enrol", exact=True).click()
    told(page, "2 photos enrolled as ada#1? in partly. wall.png: refused, no face found.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    expect(page.locator("#tiles img")).to_have_count(2)
    assert len(faces_of(http, "partly", "ada%231%3F")) == 2


def test_photos_that_are_all_refused_stay_with_the_reason_beside_each(
    service: str,
    open_page: Callable[..., Page],
    photos: Photos,
    collection: Callable[..., str],
    tmp_path: Path,
) -> None:
    collection("refused", {"s1": [(1, 1)]})
    both = np.hstack([cv2.imread(str(photos(1, 2))), cv2.imread(str(photos(2, 2)))])
    cv2.imwrite(str(tmp_path / "both.png"), np.pad(both, ((60, 60), (60, 60), (0, 0)), constant_values=128))
    (tmp_path / "text.jpg").write_text("no photo")
    page = open_page(f"{service}/people#collection=refused&person=s1")
    tray = page.locator("#enrol-photos")
    tray.locator("input[type=file]").set_input_files([tmp_path / "both.png", tmp_path / "text.jpg"])
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("No photo was enrolled. both.png: refused")
    expect(tray.locator("li .note")).to_have_text(
        ["refused, several faces where one is wanted.", "refused, not an image type that is read here."]
    )
    tray.get_by_role("button", name="Take out text.jpg").click()
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("take the largest").check()
    page.get_by_role("button", name="Enrol", exact=True).click()
    told(page, "1 photo enrolled as s1 in refused.")
    expect(tray.locator("li")).to_have_count(0)
    expect(page.locator("#tiles li")).to_have_count(2)


def test_more_photos_than_the_service_takes_at_once_go_in_parts_and_each_keeps_its_own_answer(
    service: str,
    http: httpx.Client,
    open_page: Callable[..., Page],
    photos: Photos,
    collection: Callable[..., str],
    tmp_path: Path,
) -> None:
    collection("parts", {"s6": [(6, 1)]})
    (tmp_path / "text.jpg").write_text("no photo")
    page = open_page(f"{service}/people#collection=parts&person=s6")
    two_at_once = {**http.get("/v1/system").json(), "max_images": 2}
    page.route("**/v1/system", lambda route: route.fulfill(json=two_at_once))
    page.reload()
    expect(page.locator("#tiles li")).to_have_count(1)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if request.method == "POST" else None)
    files = [photos(6, 2), photos(6, 3), photos(6, 4), tmp_path / "text.jpg", photos(6, 5)]
    page.locator("#enrol-photos input[type=file]").set_input_files(files[:2])
    for file in files[2:]:
        page.dispatch_event("#enrol-photos", "drop", {"dataTransfer": drag(page, file)})
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.locator("#status")).to_contain_text("4 photos enrolled as s6 in parts. text.jpg: refused")
    assert len(sent) == 3
    expect(page.locator("#enrol-photos .file")).to_have_text(["text.jpg"])
    assert len(faces_of(http, "parts", "s6")) == 5


def test_a_face_is_deleted_and_the_person_renamed(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("one", {"s2": [(2, 1), (2, 2)]})
    first, second = faces_of(http, "one", "s2")
    page = open_page(f"{service}/people#collection=one&person=s2")
    expect(page.locator("#tiles img")).to_have_count(2)
    expect(page.locator("#tiles .tile").first).to_contain_text(f"Quality {first['quality']:.2f}")
    page.get_by_role("button", name="Delete face 1").click()
    confirm(page, "Delete the face")
    told(page, "Face 1 is deleted.")
    expect(page.locator(".facts-line")).to_contain_text("1 face.")
    assert faces_of(http, "one", "s2") == [second]
    page.get_by_text("Name and metadata", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Grace <b>H</b>")
    page.get_by_label("Metadata").fill('{"team": "red"}')
    page.get_by_role("button", name="Save").click()
    told(page, "Saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace <b>H</b>")
    found = http.get("/v1/collections/one/persons/s2").json()
    assert (found["name"], found["metadata"]) == ("Grace <b>H</b>", {"team": "red"})


def test_a_person_is_merged_into_another_one_who_gets_the_faces(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("twice", {"s4": [(4, 1)], "s4-again": [(4, 2), (4, 3)]})
    page = open_page(f"{service}/people#collection=twice&person=s4-again")
    page.get_by_text("Merge into another person").click()
    page.get_by_label("Id of the other person").fill("s5")
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("alert")).to_contain_text("s5")
    page.get_by_label("Id of the other person").fill("s4")
    page.get_by_role("button", name="Merge").click()
    confirm(page, "Merge")
    told(page, "s4-again is merged into s4.")
    expect(page.locator("#tiles img")).to_have_count(3)
    assert http.get("/v1/collections/twice/persons/s4-again").status_code == 404
    assert len(faces_of(http, "twice", "s4")) == 3


def test_a_photo_is_compared_with_the_person_alone(
    service: str, open_page: Callable[..., Page], photos: Photos
) -> None:
    page = open_page(f"{service}/people#collection=demo&person=s1")
    page.get_by_text("Is s1 on a photo?").click()
    choose(page, photos(1, 7), "#check-photo")
    expect(page.locator("#check-decision .name")).to_have_text("This is s1")
    choose(page, photos(2, 7), "#check-photo")
    expect(page.locator("#check-decision .name")).to_have_text("Not shown to be s1")
    expect(page.locator("#check-photo rect.box")).to_have_count(1)


def test_persons_are_found_by_a_part_of_id_or_name_page_by_page(
    service: str, http: httpx.Client, open_page: Callable[..., Page], collection: Callable[..., str]
) -> None:
    collection("many")
    for number in range(70):
        person = {"id": f"p{number:02}", "name": "Zoe" if number == 68 else ""}
        http.post("/v1/collections/many/persons", json=person).raise_for_status()
    page = open_page(f"{service}/people#collection=many")
    rows = page.locator("#persons li")
    expect(rows).to_have_count(60)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(70)
    expect(page.get_by_role("button", name="More")).to_be_hidden()
    page.get_by_label("Find by id or name").fill("zo")
    expect(rows).to_have_text(["Zoep680 faces"])
    page.get_by_label("Find by id or name").fill("p1")
    expect(rows).to_have_count(10)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nobody here has exactly the id p1;")
    page.get_by_label("Find by id or name").fill("p17")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("p17")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("many")


def test_a_person_who_is_not_there_is_said_in_words(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{service}/people#collection=demo&person=nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")
    page.get_by_role("link", name="All collections").click()
    expect(page.locator("#collections")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_found_person_links_to_their_page(page: Page, photos: Photos) -> None:
    choose(page, photos(4, 9))
    page.locator(".card .name a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("s4")
    page.get_by_role("link", name="Photos").click()
    expect(page.locator("#collection")).to_have_value("demo")


def test_from_making_a_collection_to_deleting_a_person_the_keyboard_is_enough(
    service: str, http: httpx.Client, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{service}/people")
    expect(page.locator("#collections")).to_be_visible()
    tab_to(page, "#collection-id")
    page.keyboard.type("by-keys")
    page.keyboard.press("Enter")
    told(page, "by-keys is made; nobody is in it yet.")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to(page, "#new-person")
    page.keyboard.type("s3")
    tab_to(page, "#enrol-photos .camera")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take the photo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#enrol-photos li")).to_have_count(1)
    tab_to(page, "#enrol-form button[type=submit]")
    page.keyboard.press("Enter")
    told(page, "1 photo enrolled as s3 in by-keys.")
    assert len(faces_of(http, "by-keys", "s3")) == 1
    assert page.evaluate("document.querySelector('#enrol-photos video').srcObject") is None
    tab_to(page, ".part:last-child summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Type s3 to go on")).to_be_focused()
    page.keyboard.type("s3")
    page.keyboard.press("Enter")
    told(page, "s3 is deleted.")
    assert http.get("/v1/collections/by-keys/persons/s3").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shown", ["", "#collection=demo", "#collection=demo&person=s1"])
def test_every_view_can_be_read_and_named_and_fits_a_phone(
    shown: str, scheme: str, service: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{service}/people{shown}", viewport=PHONE, color_scheme=scheme)
    expect(page.locator("#people .columns")).to_be_visible()
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert_texts_can_be_read(page)
    assert nameless_controls(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
