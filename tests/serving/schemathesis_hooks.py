"""Makes generated requests sensible where a schema cannot say what is: read by Schemathesis, see test_schemathesis.py.

Only valid requests are touched; invalid ones go as they were made. What is held by the service stands in COCIRCLE_HELD.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.generation.meta import TestPhase

from evaluation.datasets.att import att_faces

HELD: dict[str, Any] = json.loads(os.environ["COCIRCLE_HELD"])
IDS = ("collection", "person", "face", "job")


def photo_as_text() -> str:
    """A photo whose bytes are ASCII, grey values of 7 bits: Schemathesis judges bodies as JSON, which has no bytes."""
    found = re.fullmatch(rb"P5\s+(\d+)\s+(\d+)\s+255\s(.*)", att_faces()[0].path.read_bytes(), re.DOTALL)
    assert found is not None
    pixels = bytes(value // 2 for value in found[3])
    return f"P5\n{int(found[1])} {int(found[2])}\n127\n" + pixels.decode("ascii")


PHOTO = photo_as_text()
schemathesis.openapi.format("binary", st.just(PHOTO))
schemathesis.openapi.format("byte", st.just(base64.b64encode(PHOTO.encode()).decode()))
schemathesis.openapi.media_type("image/*", st.just(PHOTO.encode()))
schemathesis.openapi.media_type("application/octet-stream", st.just(PHOTO.encode()))


@schemathesis.hook
def before_call(_: HookContext, case: Case, sent: dict[str, Any]) -> None:
    """Called with each request before it is sent."""
    _leaving_what_is_held(case)
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.meta.phase.name is not TestPhase.STATEFUL:  # whose requests are about what those before made
        _about_what_is_there(case)
    query: dict[str, Any] = case.query or {}
    _without_what_no_schema_can_say(query)
    if isinstance(case.body, (bytes, str)):
        sent["data"] = PHOTO.encode()
    elif isinstance(case.body, dict):
        _without_what_no_schema_can_say(case.body)
        if case.body.get("source") == (case.path_parameters or {}).get("person", ""):
            # Nobody is merged with themselves: tests/index/test_gallery.py.
            case.body["source"] = "somebody else"
        # An option stands in the query or in the body; OpenAPI cannot say "or".
        both = set(query) & set(case.body)
        both |= {"threshold", "max_fmr"} & set(query) if {"threshold", "max_fmr"} & set(case.body) else set()
        for name in both:
            del query[name]


def _leaving_what_is_held(case: Case) -> None:
    """Without its key every later request would be answered with 401, without the others with 404."""
    if case.method != "DELETE" or not case.path_parameters:
        return
    name, given = list(case.path_parameters.items())[-1]
    if given == HELD.get(name):
        case.path_parameters[name] = "gone"


def _about_what_is_there(case: Case) -> None:
    """Every second request is about what the service holds, so that it is answered with more than a 404."""
    for name in IDS:
        given = (case.path_parameters or {}).get(name)
        if case.method != "DELETE" and isinstance(given, str) and len(given) % 2:
            case.path_parameters[name] = HELD[name]


def _without_what_no_schema_can_say(options: dict[str, Any]) -> None:
    options.pop("cursor", None)  # signed by the service for one listing: test_keys.py
    options.pop("expires_at", None)  # valid only where it lies ahead: test_access_matrix.py
    if "threshold" in options:
        options.pop("max_fmr", None)  # one of the two: test_photos_api.py
    if "pack" in options:
        options["pack"] = "default"  # one of those that are served: test_packs.py
    if "collection" not in options:
        options.pop("person", None)  # the audit knows a person together with a collection: test_audit_api.py
    if "kind" in options:
        # What a kind needs is its own: tests/serving/jobs.
        options.update(kind="export", collection=HELD["collection"], options={}, open=False)
    if "embedding" in options:
        # Of the dimension of the collection's contract: test_bad_input_api.py.
        options.update(embedding=HELD["embedding"], contract_id=HELD["contract_id"])
    if "templates" in options:
        options.update(templates=[{"embedding": HELD["embedding"]}], contract_id=HELD["contract_id"])
    if isinstance(options.get("options"), dict) and "image" in options:
        # As many images as items, each with a key of its own: test_jobs_api.py.
        options.update(options={"items": [{"item": "one"}]}, image=[PHOTO])
