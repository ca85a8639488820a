"""The web page in a real Chromium, against a real service process: what a person does and reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.serving.conftest import Att
from tests.serving.page.actions import PHONE, assert_marks_lie_on, choose, detected, drag
from tests.serving.page.chromium import needs_chromium
from tests.serving.page.conftest import CAMERA_FACE

pytestmark = needs_chromium

STRANGER = 8


def test_a_chosen_photo_shows_box_and_landmarks_where_the_face_is(
    service: str, page: Page, photos: Callable[[int, int], Path]
) -> None:
    photo = photos(2, 7)
    choose(page, photo)
    expect(page.locator(".card")).to_have_count(1)
    found = detected(service, photo)
    assert_marks_lie_on(page, found)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert_marks_lie_on(page, found)


def test_a_dropped_photo_of_two_people_names_one_and_calls_the_other_unknown(
    service: str, page: Page, photos: Callable[[int, int], Path], tmp_path: Path
) -> None:
    both = np.full((300, 420, 3), 128, np.uint8)
    both[90:202, 40:132] = cv2.imread(str(photos(1, 8)))
    both[60:228, 240:378] = cv2.resize(cv2.imread(str(photos(STRANGER, 1))), (138, 168))
    cv2.imwrite(str(tmp_path / "both.png"), both)
    page.dispatch_event("#photo .stage", "drop", {"dataTransfer": drag(page, tmp_path / "both.png")})
    expect(page.locator(".card .name")).to_have_text(["Unknown", "s1"])
    assert_marks_lie_on(page, detected(service, tmp_path / "both.png"))


def test_a_pasted_photo_of_an_enrolled_person_is_named_and_the_score_explained(
    service: str, page: Page, photos: Callable[[int, int], Path]
) -> None:
    page.evaluate(
        "(carried) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried }))",
        drag(page, photos(4, 9)),
    )
    expect(page.locator(".card .name")).to_have_text("s4")
    expect(page.locator(".card .score")).to_have_text(re.compile(r"^Cosine 0\.\d{3}"))
    expect(page.locator(".card .meaning")).to_have_text(
        "Strangers searched here who score this high are rarer than the pack's calibration could count."
    )
    expect(page.locator("#status")).to_have_text("1 face found. s4.")


def test_a_stranger_is_unknown_until_enrolled_and_found_afterwards(
    page: Page, photos: Callable[[int, int], Path]
) -> None:
    page.locator("#collection").select_option("+")
    page.get_by_label("Name of the new collection").fill("visitors")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#collection")).to_have_value("visitors")
    assert page.url.endswith("#collection=visitors")
    choose(page, photos(STRANGER, 1))
    expect(page.locator(".card .name")).to_have_text("Unknown")
    expect(page.locator(".card .meaning")).to_have_text("visitors is empty: nobody is enrolled yet.")
    page.get_by_label("Person id").fill("visitor:8")
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator("#status")).to_have_text("Enrolled as visitor:8 in visitors.")
    expect(page.locator("#collection option:checked")).to_have_text("visitors (1 person, 1 face)")
    choose(page, photos(STRANGER, 2))
    expect(page.locator(".card .name")).to_have_text("visitor:8")
    choose(page, photos(7, 1))
    expect(page.locator(".card .name")).to_have_text("Unknown")


def test_the_smaller_of_two_faces_can_be_chosen_and_enrolled(
    service: str, page: Page, photos: Callable[[int, int], Path], tmp_path: Path
) -> None:
    httpx.post(f"{service}/v1/collections", json={"id": "pairs"}).raise_for_status()
    page.goto(f"{service}/#collection=pairs")
    expect(page.locator("#collection")).to_have_value("pairs")
    both = np.full((300, 480, 3), 128, np.uint8)
    both[90:202, 40:132] = cv2.imread(str(photos(9, 1)))
    both[60:228, 300:438] = cv2.resize(cv2.imread(str(photos(7, 1))), (138, 168))
    cv2.imwrite(str(tmp_path / "both.png"), both)
    choose(page, tmp_path / "both.png")
    page.get_by_role("radio", name="Face 2").check()
    expect(page.locator(".overlay .chosen")).to_have_attribute("data-face", "1")
    page.get_by_label("Person id").fill("s9")
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator(".card .name")).to_have_text(["Unknown", "s9"])


def test_a_photo_from_the_camera_is_judged_and_the_camera_let_go(page: Page) -> None:
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the photo").click()
    expect(page.locator(".card .name")).to_have_text("s3")
    assert page.evaluate("document.querySelector('#photo video').srcObject") is None
    left, top, width, height = CAMERA_FACE
    box = page.evaluate("""() => {
      const { x, y, width, height } = document.querySelector("rect.box").getBBox();
      return [x, y, width, height];
    }""")
    assert left <= box[0] + box[2] / 2 <= left + width
    assert top <= box[1] + box[3] / 2 <= top + height
    assert box[2] == pytest.approx(width, rel=0.5)


def test_a_refused_camera_is_said_in_words(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(service)
    page.evaluate("""() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    }""")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser refused the camera.")
    expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()


def test_two_photos_are_compared_side_by_side(
    service: str, page: Page, photos: Callable[[int, int], Path]
) -> None:
    page.get_by_role("tab", name="The same person?").click()
    choose(page, photos(8, 1), "#photo-a")
    choose(page, photos(8, 2), "#photo-b")
    expect(page.locator("#decision .name")).to_have_text("The same person")
    for slot, number in (("#photo-a", 1), ("#photo-b", 2)):
        assert_marks_lie_on(page, detected(service, photos(8, number)), slot)
    choose(page, photos(9, 1), "#photo-b")
    expect(page.locator("#decision .name")).to_have_text("Not shown to be the same person")


def test_a_text_file_called_jpg_is_refused_in_the_words_of_the_api(
    service: str, page: Page, tmp_path: Path
) -> None:
    fake = tmp_path / "holiday.jpg"
    fake.write_text("this is no photo")
    answer = httpx.post(f"{service}/v1/detect", files={"image": fake.read_bytes()})
    assert answer.status_code == 415
    choose(page, fake)
    expect(page.get_by_role("alert")).to_have_text(answer.json()["error"]["message"])
    expect(page.locator("#photo .hint")).to_be_visible()
    expect(page.locator(".card")).to_have_count(0)


def test_a_photo_the_browser_cannot_show_is_judged_all_the_same(page: Page, att: Att, tmp_path: Path) -> None:
    (tmp_path / "s5.pgm").write_bytes(att[5, 4])
    choose(page, tmp_path / "s5.pgm")
    expect(page.locator(".card .name")).to_have_text("s5")
    expect(page.locator("#photo .note")).to_contain_text("This browser cannot show this type")
    expect(page.locator("#photo rect.box")).to_be_visible()


def test_a_photo_without_a_face_says_so(page: Page, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    choose(page, tmp_path / "grey.png")
    expect(page.locator("#faces")).to_contain_text("No face was found on this photo.")
    expect(page.locator("#enrol")).to_be_hidden()


def test_what_the_api_returns_never_becomes_markup(
    service: str, page: Page, att: Att, photos: Callable[[int, int], Path]
) -> None:
    name = "<img src=x onerror=window.owned=1>"
    path = "/v1/collections/markup/persons/p/faces"
    with httpx.Client(base_url=service, timeout=60) as http:
        http.post("/v1/collections", json={"id": "markup"}).raise_for_status()
        options = {"create": "true", "name": name}
        http.post(path, files={"image": att[6, 1]}, params=options).raise_for_status()
    page.goto(f"{service}/#collection=markup")
    expect(page.locator("#collection")).to_have_value("markup")
    choose(page, photos(6, 2))
    expect(page.locator(".card .name")).to_have_text(name)
    assert page.evaluate("window.owned") is None


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.3, "1 in 3"),
        (1e-4, "1 in 10,000"),
        (1 / 1234, "1 in 1,200"),
        (4.2e-7, "1 in 2.4 million"),
        (1e-9, "1 in 1 billion"),
        (0.0, "fewer than 1 in a million billion"),
    ],
)
def test_rates_are_said_in_words(page: Page, rate: float, said: str) -> None:
    assert (
        page.evaluate("(rate) => import('/assets/shell/words.js').then((words) => words.oneIn(rate))", rate)
        == said
    )


def test_an_old_list_that_comes_late_does_not_undo_a_newer_choice(service: str, page: Page) -> None:
    old = httpx.get(f"{service}/v1/collections").text
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route(re.compile("/v1/collections"), hold_the_first)
    with page.expect_request(re.compile("/v1/collections")):
        page.reload()
    httpx.post(f"{service}/v1/collections", json={"id": "late"}).raise_for_status()
    page.goto(f"{service}/#collection=late")
    expect(page.locator("#collection")).to_have_value("late")
    with page.expect_response(re.compile("/v1/collections")):
        held[0].fulfill(body=old, content_type="application/json")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator("#collection")).to_have_value("late")
    expect(page.locator("#alert")).to_be_hidden()
