"""Several packs in one service: a collection is answered by the pack of its contract, and by no other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from faces.pack import PackError, add_pack, load_pack
from index.records import Collection, Role
from serving.cli import app
from serving.jobs.kinds.reembed import REEMBED
from serving.jobs.kinds.rollback import ROLLBACK
from serving.jobs.worker import Worker
from serving.service import Service
from serving.settings import Settings, read_settings
from tests.serving.conftest import Att, Opened
from tests.serving.jobs.made_jobs import run
from tests.serving.jobs.reembed_kit import (
    NEW,
    OLD,
    PEOPLE,
    PGM,
    THRESHOLD,
    contract_of,
    enrol,
    fill,
    http_of,
    identify,
    make,
    named,
    photo,
    template,
    two_packs,
)

BUILT_IN = Path(__file__).parents[2] / "faces/packs/default/model.toml"
BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2].parent / "shared")
SHIFT = 0.125


@pytest.fixture(scope="session")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second pack without files of its own: the default's, averaged with the mirrored crop, calibrated otherwise."""
    text = BUILT_IN.read_text().replace('name = "default"', 'name = "flipped"', 1)
    text = text.replace("flip = false", "flip = true", 1)

    def shifted(found: re.Match[str]) -> str:
        return f"cosines = [{', '.join(str(float(one) + SHIFT) for one in found[1].split(','))}]"

    folder = tmp_path_factory.mktemp("flipped")
    (folder / "model.toml").write_text(re.sub(r"cosines = \[([^\]]*)\]", shifted, text))
    return folder


@pytest.fixture
def both(opened: Callable[..., Opened], flipped: Path) -> Opened:
    return opened(packs=[str(flipped)], threads=1)


def ask(http: httpx.Client, path: str, data: bytes, **options: object) -> httpx.Response:
    return http.post(path, content=data, params=options, headers=PGM)  # type: ignore[arg-type]


def test_each_collection_is_answered_by_the_pack_of_its_contract(both: Opened, att: Att) -> None:
    http = both.http
    listed = {one["name"]: one for one in http.get("/v1/models").json()["items"]}
    assert list(listed) == ["default", "flipped"]
    contracts = {name: one["contract_id"] for name, one in listed.items()}
    assert contracts["default"] != contracts["flipped"]
    for collection, given in (
        ("main", {}),
        ("named", {"pack": "flipped"}),
        ("by", {"pack": contracts["flipped"]}),
    ):
        made = http.post("/v1/collections", json={"id": collection, **given})
        assert made.json()["contract_id"] == contracts["flipped" if given else "default"]
    thresholds, cosines = {}, {}
    for collection in ("main", "named"):
        enrolled = ask(http, f"/v1/collections/{collection}/persons/ada/faces", att[1, 1], create=True)
        assert enrolled.status_code == 201, enrolled.text
        answer = ask(http, f"/v1/collections/{collection}/identify", att[1, 2]).json()
        verified = ask(http, f"/v1/collections/{collection}/persons/ada/verify", att[1, 2]).json()
        expected = contracts["default" if collection == "main" else "flipped"]
        assert {enrolled.json()["model"]["contract_id"], answer["model"]["contract_id"]} == {expected}
        assert verified["model"]["contract_id"] == expected
        thresholds[collection] = (answer["threshold"], verified["threshold"])
        cosines[collection] = answer["faces"][0]["candidates"][0]["cosine"]
        assert verified["cosine"] == pytest.approx(cosines[collection], abs=1e-3)
    # Each by its own calibration, and by its own templates.
    for main, other in zip(thresholds["main"], thresholds["named"], strict=True):
        assert other - main == pytest.approx(SHIFT, abs=1e-5)
    assert abs(cosines["main"] - cosines["named"]) > 1e-3


def test_photos_alone_are_answered_by_the_main_pack_or_the_one_that_is_named(both: Opened, att: Att) -> None:
    rows = {}
    for pack in (None, "default", "flipped"):
        given = {} if pack is None else {"pack": pack}
        answer = ask(both.http, "/v1/embeddings", att[1, 1], **given).json()
        assert answer["model"]["name"] == (pack or "default")
        rows[pack] = np.array(answer["faces"][0]["embedding"])
    assert np.allclose(rows[None], rows["default"], atol=1e-6)
    assert rows["default"] @ rows["flipped"] < 0.999
    files = {"image_a": att[1, 1], "image_b": att[1, 2]}
    answer = both.http.post("/v1/verify", files=files, params={"pack": "flipped"}).json()
    main = both.http.post("/v1/verify", files=files).json()
    assert (answer["model"]["name"], main["model"]["name"]) == ("flipped", "default")
    assert answer["threshold"] - main["threshold"] == pytest.approx(SHIFT, abs=1e-5)


def test_a_pack_that_is_not_served_is_a_422_that_says_which_are(both: Opened, att: Att) -> None:
    answers = [
        both.http.post("/v1/collections", json={"id": "c", "pack": "other"}),
        ask(both.http, "/v1/embeddings", att[1, 1], pack="other"),
    ]
    for answer in answers:
        assert answer.status_code == 422
        message = answer.json()["error"]["message"]
        assert message.startswith(
            "pack: 'other' is not served; served are default (sface-2021dec-635d76998c92)"
        )
        assert "flipped (sface-2021dec-" in message


def test_a_collection_of_a_contract_that_is_not_served_is_a_409_that_names_both(
    opened: Callable[..., Opened], flipped: Path, tmp_path: Path, att: Att
) -> None:
    before = opened(tmp_path / "one", packs=[str(flipped)], threads=1)
    other = before.http.post("/v1/collections", json={"id": "c", "pack": "flipped"}).json()["contract_id"]
    http = opened(tmp_path / "one", threads=1).http
    for path in ("identify", "persons/ada/verify", "persons/ada/faces"):
        answer = ask(http, f"/v1/collections/c/{path}", att[1, 1])
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "contract_mismatch")
        assert other in answer.json()["error"]["message"]
        assert "sface-2021dec-635d76998c92" in answer.json()["error"]["message"]
    assert http.get("/v1/collections/c").status_code == 200


def test_real_faces_re_embedded_have_the_cosines_of_faces_enrolled_by_the_new_pack(
    both: Opened, att: Att
) -> None:
    http = both.http
    people = range(1, 7)
    contract = both.service.packs[1].pack.contract_id
    for collection, given in (("moved", {}), ("fresh", {"pack": "flipped"})):
        http.post("/v1/collections", json={"id": collection, "keep_crops": True, **given})
        for person in people:
            for number in (1, 2):
                path = f"/v1/collections/{collection}/persons/p{person}/faces"
                assert ask(http, path, att[person, number], create=True).status_code == 201
    made = http.post(
        "/v1/jobs", json={"kind": "reembed", "collection": "moved", "options": {"to": "flipped"}}
    )
    assert made.status_code == 202, made.text
    worker = Worker(both.service, {REEMBED.name: REEMBED}, 0)
    while worker.once():
        pass
    job = http.get(f"/v1/jobs/{made.json()['id']}").json()
    assert (job["state"], job["result"]["switched"], job["result"]["faces"]) == ("done", True, 12)
    assert {(one["role"], one["faces"]) for one in http.get("/v1/collections/moved").json()["forms"]} == {
        ("live", 12),
        ("previous", 12),
    }
    for person in people:
        moved, fresh = (
            ask(http, f"/v1/collections/{one}/identify", att[person, 7]).json() for one in ("moved", "fresh")
        )
        assert moved["model"]["contract_id"] == contract
        assert moved["threshold"] == fresh["threshold"]
        (here, *_), (there, *_) = moved["faces"][0]["candidates"], fresh["faces"][0]["candidates"]
        assert here["person_id"] == there["person_id"] == f"p{person}"
        assert here["cosine"] == pytest.approx(there["cosine"], abs=1e-4)


@pytest.mark.data
def test_a_pack_of_another_crop_size_and_dimension_takes_a_collection_over_and_gives_it_back(
    opened: Callable[..., Opened], att: Att, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (BESIDE / "models/retail-0095").is_dir():
        pytest.skip(f"no model at {BESIDE}; set COCIRCLE_DATA to run this test")
    monkeypatch.setenv("COCIRCLE_HOME", str(tmp_path / "home"))
    add_pack(BESIDE / "models/retail-0095")
    here = opened(packs=["retail-0095"], threads=1)
    here.http.post("/v1/collections", json={"id": PEOPLE, "keep_crops": True})
    for person in range(1, 6):
        path = f"/v1/collections/{PEOPLE}/persons/p{person}/faces"
        assert ask(here.http, path, att[person, 1], create=True).status_code == 201
    for kind, options, name in ((REEMBED, {"to": "retail-0095"}, "retail-0095"), (ROLLBACK, {}, "default")):
        job = run(here.service, kind, make(here.service, kind, **options))
        assert job.result["switched"], job.message
        for person in range(1, 6):
            answer = ask(here.http, f"/v1/collections/{PEOPLE}/identify", att[person, 2], max_fmr=0.01)
            assert (named(answer)[:1], answer.json()["model"]["name"]) == ([f"p{person}"], name)


def test_packs_share_the_places_and_the_memory_that_the_settings_allow(both: Opened) -> None:
    main, other = (one.pipeline for one in both.service.packs)
    assert main.admission is other.admission
    assert main._budget is other._budget


def test_two_packs_of_one_contract_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(BUILT_IN.read_text().replace('"default"', '"same"', 1))
    with pytest.raises(
        PackError, match=r"'default' and 'same' are both of contract sface-2021dec-635d76998c92"
    ):
        Service.open(Settings(home=tmp_path / "home", packs=(str(tmp_path),)))


def test_packs_come_from_the_environment_and_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, flipped: Path
) -> None:
    monkeypatch.setenv("COCIRCLE_PACKS", f'["retail-0095", "{flipped}"]')
    assert read_settings().packs == ("retail-0095", str(flipped))
    assert read_settings(packs=["one"]).packs == ("one",)
    for command in ("serve", "worker"):
        (found,) = [one for one in _options(command) if "--also-pack" in one.opts]
        assert found.multiple


def _options(command: str):  # type: ignore[no-untyped-def]
    import typer

    return typer.main.get_group(app).commands[command].params


# What happens between a request's reading of its collection and its search or write.


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Service, httpx.Client]]:
    with two_packs(tmp_path) as service, http_of(service) as http:
        fill(service, 5)
        yield service, http


def exchanged_after_the_next_look(service: Service) -> None:
    """The forms are exchanged right after a request has read its collection."""
    run(service, REEMBED, make(service, REEMBED, to="new", switch=False))
    look = service.gallery.collection

    def looked(id: str) -> Collection:
        found = look(id)
        service.gallery.collection = look  # type: ignore[method-assign]
        assert service.gallery.forms.exchange(PEOPLE, Role.NEXT, lambda _: {})
        return found

    service.gallery.collection = looked  # type: ignore[method-assign]


def test_a_search_that_meets_an_exchange_is_done_again_by_the_new_pack(
    made: tuple[Service, httpx.Client],
) -> None:
    service, http = made
    exchanged_after_the_next_look(service)
    answer = identify(http, 3)
    assert (named(answer), contract_of(answer)) == (["p3"], NEW)


def test_a_comparison_that_meets_an_exchange_is_done_again_by_the_new_pack(
    made: tuple[Service, httpx.Client],
) -> None:
    service, http = made
    exchanged_after_the_next_look(service)
    path = f"/v1/collections/{PEOPLE}/persons/p3/verify"
    answer = ask(http, path, photo(3, 99), threshold=THRESHOLD)
    assert (answer.json()["match"], contract_of(answer)) == (True, NEW)


def test_an_enrolment_that_meets_an_exchange_is_written_once_under_the_new_contract(
    made: tuple[Service, httpx.Client],
) -> None:
    service, http = made
    exchanged_after_the_next_look(service)
    first = enrol(http, 8, **{"Idempotency-Key": "once"})
    assert (first.status_code, contract_of(first)) == (201, NEW)
    again = enrol(http, 8, **{"Idempotency-Key": "once"})
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert len(service.gallery.faces(PEOPLE, "p8")) == 1
    assert named(identify(http, 8)) == ["p8"]


def test_a_template_of_the_old_contract_is_refused_after_an_exchange_and_never_scaled_by_the_new_one(
    made: tuple[Service, httpx.Client],
) -> None:
    service, http = made
    body = {"embedding": template(photo(3, 99), OLD).tolist(), "contract_id": OLD, "threshold": THRESHOLD}
    assert named(http.post(f"/v1/collections/{PEOPLE}/identify", json=body)) == ["p3"]
    exchanged_after_the_next_look(service)
    refused = http.post(f"/v1/collections/{PEOPLE}/identify", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "contract_mismatch")
    assert OLD in refused.json()["error"]["message"]
    assert NEW in refused.json()["error"]["message"]
    new = {**body, "embedding": template(photo(3, 99), NEW).tolist(), "contract_id": NEW}
    answer = http.post(f"/v1/collections/{PEOPLE}/identify", json=new)
    assert (named(answer), contract_of(answer)) == (["p3"], NEW)


def test_a_search_that_meets_an_exchange_and_the_end_of_the_old_form_is_done_again_too(
    made: tuple[Service, httpx.Client],
) -> None:
    service, http = made
    run(service, REEMBED, make(service, REEMBED, to="new", switch=False))
    identification = service.gallery._identification
    search = identification._search

    def late(*given: object) -> object:
        identification._search = search  # type: ignore[method-assign]
        assert service.gallery.forms.exchange(PEOPLE, Role.NEXT, lambda _: {})
        service.gallery.forms.discard(PEOPLE, Role.PREVIOUS)
        return search(*given)  # type: ignore[arg-type]

    identification._search = late  # type: ignore[method-assign, assignment]
    answer = identify(http, 3)
    assert (named(answer), contract_of(answer)) == (["p3"], NEW)


def test_templates_are_enrolled_under_the_contract_they_say_or_not_at_all(
    made: tuple[Service, httpx.Client],
) -> None:
    _, http = made
    path = f"/v1/collections/{PEOPLE}/persons/p9/faces?create=true"
    rows = {contract: [{"embedding": template(photo(9), contract).tolist()}] for contract in (OLD, NEW)}
    assert http.post(path, json={"templates": rows[NEW], "contract_id": NEW}).status_code == 409
    assert http.post(path, json={"templates": rows[OLD], "contract_id": OLD}).status_code == 201
    assert named(identify(http, 9)) == ["p9"]


def test_the_second_pack_of_the_tests_is_the_default_one_but_for_what_it_says(flipped: Path) -> None:
    main, other = load_pack(), load_pack(flipped)
    assert (main.dimension, main.embedder_file) == (other.dimension, other.embedder_file)
    assert main.contract_id != other.contract_id
