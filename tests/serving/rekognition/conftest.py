"""A real service process with keys on, and boto3 clients of it whose every answer is held against the service model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.model import OperationModel

from serving.keys import open_keys
from serving.rekognition.credentials import Credentials
from serving.scopes import Scope
from serving.settings import Settings
from tests.serving.conftest import Att, ServiceProcess
from tests.serving.rekognition.service_model import problems
from tests.serving.rekognition.signing import Pair, pair_of


@dataclass
class Served:
    """A running service, and a key of each scope as AWS clients are given it."""

    url: str
    pairs: dict[Scope, Pair]

    def client(self, pair: Pair, region: str = "eu-west-1") -> Any:
        """A boto3 client; a wrong answer raises AssertionError from the call itself."""
        client = boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=pair.access,
            aws_secret_access_key=pair.secret,
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )
        client.meta.events.register("after-call.rekognition.*", _check_answer)
        return client


def _check_answer(http_response: Any, model: OperationModel, **_: Any) -> None:
    assert http_response.headers["content-type"] == "application/x-amz-json-1.1"
    assert http_response.headers["x-amzn-requestid"]
    if http_response.status_code == 200:
        assert problems(model.output_shape, json.loads(http_response.content), model.name) == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service process for all tests of a module; each uses collections of its own."""
    home = tmp_path_factory.mktemp("served")
    with open_keys(Settings(home=home)) as ring:
        pairs = {scope: pair_of(ring, Credentials.open(home), scope) for scope in Scope}
    process = ServiceProcess(home, home / "service.log", COCIRCLE_AUTH="on", COCIRCLE_WORKERS="0")
    yield Served(process.url, pairs)
    assert process.stop() == 0
    assert "Traceback" not in (home / "service.log").read_text()


@pytest.fixture(scope="module")
def rekognition(served: Served) -> Any:
    """A boto3 client that may do everything."""
    return served.client(served.pairs[Scope.ADMIN])


@pytest.fixture
def collection(rekognition: Any, request: pytest.FixtureRequest) -> str:
    """A fresh collection, called after the test."""
    name = request.node.name[:200].replace("[", "-").replace("]", "")
    rekognition.create_collection(CollectionId=name)
    return str(name)


Index = Callable[..., list[str]]


@pytest.fixture
def index(rekognition: Any, collection: str, att: Att) -> Index:
    """Enrols AT&T photos (person, number) into the collection; their face ids."""

    def enrol(*photos: tuple[int, int]) -> list[str]:
        found = []
        for person, number in photos:
            answer = rekognition.index_faces(
                CollectionId=collection,
                Image={"Bytes": att[person, number]},
                ExternalImageId=f"{person}:{number}",
                QualityFilter="NONE",
            )
            (record,) = answer["FaceRecords"]
            found.append(record["Face"]["FaceId"])
        return found

    return enrol
