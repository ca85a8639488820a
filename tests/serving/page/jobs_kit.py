"""What the tests of the page of jobs share: a job made without the page, the job that a page shows and its state."""

from __future__ import annotations

import re
from typing import Any

import httpx
from playwright.sync_api import Page, expect


def made(http: httpx.Client, kind: str, collection: str, open: bool = False, **options: Any) -> str:
    """Id of a new job."""
    wanted = {"kind": kind, "collection": collection, "options": options, "open": open}
    return str(http.post("/v1/jobs", json=wanted).raise_for_status().json()["id"])


def job_of(page: Page) -> str:
    """Id of the job that the page shows."""
    expect(page).to_have_url(re.compile(r"#job=[0-9a-f]{32}$"))
    return page.url.partition("#job=")[2]


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("#job-head .state")).to_have_text(state)
