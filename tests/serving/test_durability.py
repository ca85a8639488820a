"""A real service killed with -9 while it enrols: what was acknowledged is found, what was not is not half there."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from serving.client import ApiFailure, Client
from tests.serving.conftest import Att, ServiceProcess

CLIENTS = 3
TEMPLATES_A_WRITE = 2


class Enroller(threading.Thread):
    """Enrols one new person after another until the service is gone; remembers what was acknowledged."""

    def __init__(self, url: str, contract: str, dimension: int, name: str) -> None:
        super().__init__()
        self._url, self._contract, self._name = url, contract, name
        self._random = np.random.default_rng(abs(hash(name)) % 2**32)
        self._dimension = dimension
        self.acknowledged: dict[str, list[list[float]]] = {}
        self.tried: set[str] = set()
        self.begun = threading.Event()

    def run(self) -> None:
        with Client(self._url, retries=0) as client:
            for number in range(100_000):
                person = f"{self._name}-{number}"
                templates = self._random.normal(size=(TEMPLATES_A_WRITE, self._dimension)).tolist()
                self.tried.add(person)
                try:
                    client.enrol_templates("staff", person, templates, self._contract, create=True)
                except (httpx.TransportError, ApiFailure):
                    return
                self.acknowledged[person] = templates
                self.begun.set()


def check(url: str, acknowledged: dict[str, list[list[float]]], tried: set[str], contract: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as http, Client(url) as client:
        assert client.ready()
        persons = {person.id: person.faces for person in client.persons("staff")}
        assert set(acknowledged) <= set(persons) <= tried
        assert set(persons.values()) <= {TEMPLATES_A_WRITE}, "a write is there whole or not at all"
        collection = client.collection("staff")
        assert collection.persons == len(persons)
        assert collection.faces == TEMPLATES_A_WRITE * len(persons)
        for person, templates in acknowledged.items():
            unit = [np.array(template) / np.linalg.norm(template) for template in templates]
            probe = {"embedding": sum(unit).tolist(), "contract_id": contract, "threshold": 0.9}
            answer = http.post("/v1/collections/staff/identify", json=probe).json()
            assert [hit["person_id"] for hit in answer["faces"][0]["candidates"]] == [person]


def kill_and_look(start: Callable[..., ServiceProcess], kills: int) -> None:
    chance = random.Random(20260101)
    acknowledged: dict[str, list[list[float]]] = {}
    tried: set[str] = set()
    process = start()
    with Client(process.url) as client:
        client.create_collection("staff")
        model = client.models().items[0]
    for kill in range(kills):
        enrollers = [
            Enroller(process.url, model.contract_id, model.dimension, f"k{kill}c{number}")
            for number in range(CLIENTS)
        ]
        for enroller in enrollers:
            enroller.start()
        assert all(enroller.begun.wait(30) for enroller in enrollers)
        threading.Event().wait(chance.uniform(0.0, 0.3))
        process.kill()
        fresh: dict[str, list[list[float]]] = {}
        for enroller in enrollers:
            enroller.join()
            fresh.update(enroller.acknowledged)
            tried |= enroller.tried
        acknowledged.update(fresh)
        process = start()
        check(process.url, fresh, tried, model.contract_id)
    check(process.url, acknowledged, tried, model.contract_id)
    assert len(acknowledged) >= kills * CLIENTS


@pytest.mark.slow
def test_a_killed_service_keeps_every_acknowledged_face(
    service_process: Callable[..., ServiceProcess],
) -> None:
    kill_and_look(service_process, kills=4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_service_killed_fifty_times_keeps_every_acknowledged_face(
    service_process: Callable[..., ServiceProcess],
) -> None:
    kill_and_look(service_process, kills=50)


def test_an_orderly_stop_ends_with_status_zero_and_a_start_finds_everything(
    service_process: Callable[..., ServiceProcess], att: Att
) -> None:
    process = service_process()
    with Client(process.url) as client:
        client.create_collection("staff")
        client.enrol("staff", "p1", [att[1, 1]], create=True)
    assert process.stop() == 0
    with Client(service_process().url) as client:
        hits = client.identify("staff", att[1, 2]).faces[0].candidates
    assert [hit.person_id for hit in hits] == ["p1"]


def test_a_second_service_on_the_same_folder_finds_what_the_first_enrolled(
    service_process: Callable[..., ServiceProcess], att: Att
) -> None:
    one, other = service_process(), service_process()
    with Client(one.url) as writer, Client(other.url) as reader:
        writer.create_collection("staff")
        writer.enrol("staff", "p1", [att[1, 1]], create=True)
        assert [hit.person_id for hit in reader.identify("staff", att[1, 2]).faces[0].candidates] == ["p1"]
        writer.delete_person("staff", "p1")
        assert reader.identify("staff", att[1, 2]).faces[0].candidates == []
