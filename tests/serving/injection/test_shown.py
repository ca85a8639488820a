"""What callers store is data when it is shown, and what fails is not shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.serving.conftest import Opened
from tests.serving.injection.kit import MARK, PERSONS, SCRIPT, Served, refused

PAGES = Path(__file__).parents[3] / "serving/pages"


def test_markup_that_is_stored_comes_back_as_json_that_no_browser_takes_for_a_page(served: Served) -> None:
    body = {"id": "markup", "name": SCRIPT, "metadata": {SCRIPT: SCRIPT}}
    assert served.http.post(PERSONS, json=body).status_code == 201
    accept = {"accept": "text/html,application/xhtml+xml"}
    for path in (f"{PERSONS}/markup", PERSONS, f"{PERSONS}/{quote(SCRIPT, safe='')}/faces"):
        answer = served.http.get(path, headers=accept)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert served.http.get(f"{PERSONS}/markup").json()["name"] == SCRIPT


@pytest.mark.parametrize(
    "word",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "srcdoc",
        "eval(",
        "new Function",
    ],
)
def test_no_page_makes_markup_of_text(word: str) -> None:
    scripts = sorted(PAGES.rglob("*.js"))
    assert len(scripts) > 10
    assert [path.name for path in scripts if word in path.read_text()] == []


def test_no_page_loads_anything_from_elsewhere_or_has_a_script_of_its_own() -> None:
    pages = sorted(PAGES.rglob("*.html"))
    assert len(pages) > 1
    for path in pages:
        text = path.read_text()
        for address in re.findall(r"""(?:src|href)="([^"]*)\"""", text):
            assert not urlsplit(address).netloc, (path.name, address)
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
        assert not re.search(r"""\s(on\w+|style)=["']""", text), path.name


def test_an_unforeseen_failure_tells_its_id_and_not_its_cause(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = opened()

    def fail(*_: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr(here.service.gallery, "collections", fail)
    answer = here.http.get("/v1/collections")
    message = refused(answer, (500, "internal"))
    assert MARK not in message
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
