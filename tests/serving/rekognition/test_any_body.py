"""Whatever JSON a caller sends, an operation answers it or refuses it by a name; it never fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.app import create_app
from serving.local import InProcessTransport
from serving.rekognition.errors import STATUS
from serving.rekognition.operation import OPERATIONS
from serving.settings import Settings
from tests.serving.rekognition.service_model import MODEL, problems
from tests.serving.rekognition.signing import Pair, signed

NOBODY = "00000000-0000-0000-0000-000000000000"
IMAGES = st.sampled_from([b"", b"no image", b"P5 2 2 255\n0123", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "CollectionId": st.sampled_from(["held", "none", "a b"]),
    "UserId": st.sampled_from(["ann", "nobody", "face:" + "0" * 32]),
    "FaceId": st.just(NOBODY),
    "FaceIds": st.lists(st.just(NOBODY), max_size=3),
    "NextToken": st.text(max_size=8),
    "Tags": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    "MaxResults": st.integers(-1, 3),
    "MaxFaces": st.integers(-1, 3),
    "QualityFilter": st.sampled_from(["AUTO", "HIGH", "auto"]),
    "ClientRequestToken": st.text("ab-", max_size=2),
    **{
        name: st.builds(lambda data: {"Bytes": base64.b64encode(data).decode()}, IMAGES)
        for name in ("Image", "SourceImage", "TargetImage")
    },
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    app = create_app(Settings(home=tmp_path_factory.mktemp("any")))
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(app, portal)
        yield stack.enter_context(httpx.Client(base_url="http://localhost", transport=transport, timeout=60))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    operation = draw(st.sampled_from(sorted(OPERATIONS)))
    shape = MODEL.operation_model(operation).input_shape
    required = set(shape.required_members) if draw(st.integers(0, 5)) else set()
    wanted = required | set(draw(st.lists(st.sampled_from(sorted(shape.members)), max_size=3)))
    return operation, {name: draw(LIKELY.get(name, ANYTHING) | ANYTHING) for name in sorted(wanted)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_any_body_is_answered_or_refused_by_a_name(
    http: httpx.Client, request: tuple[str, dict[str, Any]]
) -> None:
    operation, body = request
    for name in ("CreateCollection", operation):
        asked = {"CollectionId": "held"} if name != operation else body
        headers, data = signed(Pair("any", "any"), name, json.dumps(asked).encode())
        answer = http.post("/", content=data, headers=headers)
    if answer.status_code == 200:
        assert problems(MODEL.operation_model(operation).output_shape, answer.json()) == []
    else:
        assert answer.json()["__type"] in STATUS.keys() - {"InternalServerError"}, answer.json()
