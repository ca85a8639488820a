"""The web page in a real Chromium, against a real service process: what a person sees, does and reads."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.serving.chromium import chromium, chromium_path, write_y4m
from tests.serving.conftest import ServiceProcess

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None, reason="no Chromium here: install one or set COCIRCLE_CHROMIUM"
    ),
]

ENROLLED = (1, 2, 3, 4, 5)
STRANGER = 8
PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1200, "height": 900}
CAMERA_FACE = (232, 96, 184, 224)  # left, top, width, height of the photo within the camera's picture

WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""


@pytest.fixture(scope="module")
def photos(
    att: dict[tuple[int, int], bytes], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int, int], Path]:
    """AT&T photos as PNG files, the kind a browser shows, by (person, number)."""
    folder = tmp_path_factory.mktemp("photos")

    def photo(person: int, number: int) -> Path:
        path = folder / f"s{person}-{number}.png"
        if not path.exists():
            cv2.imwrite(str(path), picture_of(att[person, number]))
        return path

    return photo


@pytest.fixture(scope="module")
def browser(att: dict[tuple[int, int], bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with person 3 before its camera, on grey."""
    left, top, width, height = CAMERA_FACE
    scene = np.full((480, 640, 3), 128, np.uint8)
    face = cv2.resize(picture_of(att[3, 6]), (width, height), interpolation=cv2.INTER_CUBIC)
    scene[top : top + height, left : left + width] = face
    film = tmp_path_factory.mktemp("camera") / "scene.y4m"
    write_y4m(film, scene)
    with chromium(film) as started:
        yield started


@pytest.fixture(scope="module")
def service(att: dict[tuple[int, int], bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with a collection `demo` of five people."""
    folder = tmp_path_factory.mktemp("service")
    process = ServiceProcess(folder / "home", folder / "service.log")
    try:
        with httpx.Client(base_url=process.url, timeout=60) as http:
            assert http.post("/v1/collections", json={"id": "demo"}).status_code == 201
            for person in ENROLLED:
                files = [("image", att[person, number]) for number in (1, 2, 3)]
                path = f"/v1/collections/demo/persons/s{person}/faces"
                assert http.post(path, files=files, params={"create": True}).status_code == 201
        yield process.url
    finally:
        process.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages in fresh profiles; at the end no script may have failed and no policy been violated."""
    opened: list[tuple[Page, list[str]]] = []

    def open_at(address: str, viewport: dict[str, int] = DESKTOP, **profile: Any) -> Page:
        context = browser.new_context(viewport=viewport, **profile)  # type: ignore[arg-type]
        context.grant_permissions(["camera"])
        context.set_default_timeout(20_000)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said.type, said.text) else None)
        page.add_init_script(WATCH_POLICY)
        page.goto(address)
        expect(page.locator("#service")).not_to_be_empty()
        opened.append((page, faults))
        return page

    yield open_at
    for page, faults in opened:
        assert page.evaluate("window.violations") == []
        assert faults == []
        page.context.close()


@pytest.fixture
def page(service: str, open_page: Callable[..., Page]) -> Page:
    """The page with the collection `demo` chosen by its address."""
    return open_page(f"{service}/#collection=demo")


def is_fault(kind: str, text: str) -> bool:
    """An error on the console, but for Chromium's own line about each 4xx answer, which the page tells in words."""
    return kind in ("error", "warning") and not re.match(r"Failed to load resource: .* status of 4\d\d", text)


def picture_of(pgm: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(pgm, np.uint8), cv2.IMREAD_COLOR)


def choose(page: Page, photo: Path, slot: str = "#photo") -> None:
    page.locator(f"{slot} input[type=file]").set_input_files(photo)


def drag(page: Page, photo: Path) -> Any:
    """What a browser hands over with a dropped or pasted photo."""
    script = """([text, name]) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const carried = new DataTransfer();
      carried.items.add(new File([bytes], name, { type: "image/png" }));
      return carried;
    }"""
    return page.evaluate_handle(script, [base64.b64encode(photo.read_bytes()).decode(), photo.name])


def detected(service: str, photo: Path) -> dict[str, Any]:
    """The service's own answer about a photo, asked without the page."""
    answer = httpx.post(f"{service}/v1/detect", files={"image": photo.read_bytes()}, timeout=60)
    return answer.raise_for_status().json()  # type: ignore[no-any-return]


def assert_marks_lie_on(page: Page, found: dict[str, Any], slot: str = "#photo") -> None:
    """Every box and landmark is where the photo's own pixels say, on the photo as it is shown."""
    shown = page.locator(f"{slot} img").bounding_box()
    assert shown is not None
    across, down = shown["width"] / found["image"]["width"], shown["height"] / found["image"]["height"]
    assert across == pytest.approx(down, rel=0.01)
    boxes = page.locator(f"{slot} .overlay rect.box")
    expect(boxes).to_have_count(len(found["faces"]))
    dots = [dot.bounding_box() for dot in page.locator(f"{slot} .overlay circle").all()]
    assert len(dots) == 5 * len(found["faces"])
    for at, face in enumerate(found["faces"]):
        drawn, box = boxes.nth(at).bounding_box(), face["box"]
        assert drawn is not None
        assert drawn["x"] == pytest.approx(shown["x"] + box["left"] * across, abs=3)
        assert drawn["y"] == pytest.approx(shown["y"] + box["top"] * down, abs=3)
        assert drawn["width"] == pytest.approx(box["width"] * across, abs=6)
        assert drawn["height"] == pytest.approx(box["height"] * down, abs=6)
        for dot, (x, y) in zip(dots[5 * at : 5 * at + 5], face["landmarks"], strict=True):
            assert dot is not None
            assert dot["x"] + dot["width"] / 2 == pytest.approx(shown["x"] + x * across, abs=2)
            assert dot["y"] + dot["height"] / 2 == pytest.approx(shown["y"] + y * down, abs=2)


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
        re.compile(r"1 in [\d,.]+( \w+)? strangers searched here")
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
    box = page.evaluate(
        "(() => { const b = document.querySelector('rect.box').getBBox(); return [b.x, b.y, b.width, b.height] })()"
    )
    assert left <= box[0] + box[2] / 2 <= left + width
    assert top <= box[1] + box[3] / 2 <= top + height
    assert box[2] == pytest.approx(width, rel=0.5)


def test_a_refused_camera_is_said_in_words(service: str, open_page: Callable[..., Page]) -> None:
    page = open_page(service)
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }"
    )
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


def test_a_photo_the_browser_cannot_show_is_judged_all_the_same(
    page: Page, att: dict[tuple[int, int], bytes], tmp_path: Path
) -> None:
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
    service: str, page: Page, att: dict[tuple[int, int], bytes], photos: Callable[[int, int], Path]
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


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until `selector` has the focus, and sees that the focus is visible there."""
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab does not reach {selector}")


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
        expect(page.locator("#service")).to_contain_text("default")
        assert not any("cck_" in address for address in [*asked, page.url])
        assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
        page.reload()
        expect(page.locator("#service")).to_contain_text("default")
    finally:
        context.close()
        process.stop()


CONTRASTS = """() => {
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
  };
  const texts = [...document.querySelectorAll("body *")].filter(
    (node) => node.checkVisibility() && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
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
        page.evaluate("(rate) => import('/assets/words.js').then((words) => words.oneIn(rate))", rate) == said
    )
