"""What a person does with the page and looks at on it, for its tests. Asserts only where marks lie and focus is."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1200, "height": 900}

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


def drawn_marks(page: Page, slot: str) -> dict[str, list[dict[str, float]]]:
    """Where photo, boxes and landmarks lie, read at one moment: marks are drawn anew whenever the photo's size is."""
    script = """async (slot) => {
      const frame = () => new Promise(requestAnimationFrame);
      await frame();
      await frame();
      const placed = (selector) => [...document.querySelectorAll(`${slot} ${selector}`)].map((mark) => {
        const { x, y, width, height } = mark.getBoundingClientRect();
        return { x, y, width, height };
      });
      return { photo: placed("img"), boxes: placed(".overlay rect.box"), dots: placed(".overlay circle") };
    }"""
    return page.evaluate(script, slot)  # type: ignore[no-any-return]


def assert_marks_lie_on(page: Page, found: dict[str, Any], slot: str = "#photo") -> None:
    """Every box and landmark is where the photo's own pixels say, on the photo as it is shown."""
    expect(page.locator(f"{slot} .overlay rect.box")).to_have_count(len(found["faces"]))
    marks = drawn_marks(page, slot)
    (shown,) = marks["photo"]
    across, down = shown["width"] / found["image"]["width"], shown["height"] / found["image"]["height"]
    assert across == pytest.approx(down, rel=0.01)
    assert len(marks["dots"]) == 5 * len(found["faces"])
    for at, (face, drawn) in enumerate(zip(found["faces"], marks["boxes"], strict=True)):
        box = face["box"]
        assert drawn["x"] == pytest.approx(shown["x"] + box["left"] * across, abs=3)
        assert drawn["y"] == pytest.approx(shown["y"] + box["top"] * down, abs=3)
        assert drawn["width"] == pytest.approx(box["width"] * across, abs=6)
        assert drawn["height"] == pytest.approx(box["height"] * down, abs=6)
        dots = marks["dots"][5 * at : 5 * at + 5]
        for dot, (x, y) in zip(dots, face["landmarks"], strict=True):
            assert dot["x"] + dot["width"] / 2 == pytest.approx(shown["x"] + x * across, abs=2)
            assert dot["y"] + dot["height"] / 2 == pytest.approx(shown["y"] + y * down, abs=2)


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until `selector` has the focus, and sees that the focus is visible there."""
    # A page that is still being filled would let the presses go by.
    expect(page.locator(selector).first).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab does not reach {selector}")


def assert_texts_can_be_read(page: Page) -> None:
    """Every text that is shown has the contrast that WCAG AA asks for."""
    measured = page.evaluate(CONTRASTS)
    assert len(measured) > 15
    assert [(text, ratio) for text, ratio in measured if ratio < 4.5] == []


def nameless_controls(page: Page) -> list[str]:
    """What a screen reader could only call "button" or the like."""
    script = """() => [...document.querySelectorAll(
        "button, input, select, textarea, summary, [role=tab], [role=group], [role=region], [role=img]")]
      .filter((node) => !(node.labels?.length || node.getAttribute("aria-label") || node.textContent.trim()))
      .map((node) => node.outerHTML)"""
    return page.evaluate(script)  # type: ignore[no-any-return]
