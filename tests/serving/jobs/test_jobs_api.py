"""Jobs over REST: every route, who may do what, uploads and their limits, pages, and ids that are none."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from index.errors import StoreUnavailable
from index.job_records import Claim, NewJob, Values
from serving.app import create_app
from serving.client import ApiFailure, Client
from serving.job_client import DamagedDownload
from serving.jobs.making import scope_of, takes_uploads
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.scopes import Scope
from serving.service import Service
from serving.settings import Settings
from tests.serving.conftest import Opened
from tests.serving.jobs.fake import Fake

NOWHERE = "0" * 32
UPLOADS = {"source": {"kind": "uploads"}}


class Exporting(Fake):
    """A kind for administrators, whose jobs may leave a file."""

    name = "export"
    local = frozenset()


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fake]:
    made: dict[str, Fake] = {"enroll": Fake(), "export": Exporting()}
    monkeypatch.setattr("serving.jobs.making.KINDS", made)
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the module; with keys, so that each test asks as whom it likes."""
    settings = Settings(home=tmp_path_factory.mktemp("jobs"), auth="on", job_upload_bytes=4096)
    service = Service.open(settings)
    yield service
    service.close()


@pytest.fixture
def ask(
    whole: Service, opened: Callable[..., Opened], kinds: dict[str, Fake]
) -> Iterator[Callable[..., httpx.Client]]:
    """Clients of the service with a new key of a scope."""
    from anyio.from_thread import start_blocking_portal

    from serving.local import InProcessTransport

    app = create_app(whole.settings, whole)
    for job in whole.gallery.jobs.page(limit=1000):
        if job.ended_at is None:
            whole.gallery.jobs.cancel(job.id)
        whole.gallery.jobs.remove(job.id)
    if not whole.gallery.collections(None, 1):
        with_key = {"Authorization": f"Bearer {whole.keys.create('', Scope.ADMIN)}"}
        with (
            start_blocking_portal() as portal,
            httpx.Client(
                base_url="http://localhost", transport=InProcessTransport(app, portal), headers=with_key
            ) as http,
        ):
            assert http.post("/v1/collections", json={"id": "people"}).status_code == 201
    with start_blocking_portal() as portal:
        clients: list[httpx.Client] = []

        def client(scope: str = "admin") -> httpx.Client:
            headers = {"Authorization": f"Bearer {whole.keys.create('', Scope(scope))}"}
            transport = InProcessTransport(app, portal)
            clients.append(httpx.Client(base_url="http://localhost", transport=transport, headers=headers))
            return clients[-1]

        yield client
        for one in clients:
            one.close()


@pytest.fixture
def work(whole: Service, kinds: dict[str, Fake]) -> Iterator[Callable[[], None]]:
    """Does whatever there is to do."""
    worker = Worker(whole, kinds, 1)

    def everything() -> None:
        while worker.once():
            pass

    yield everything
    worker.stop()


def made(http: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/jobs", json={"kind": "enroll", "collection": "people", **body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    return dict(error)


def upload(http: httpx.Client, job: str, *items: str, data: bytes = b"photo", **more: Any) -> httpx.Response:
    listed = [{"item": item, "person": "ada"} for item in items]
    files = [("image", ("image", data)) for _ in items]
    form = {"options": json.dumps({"items": listed, **more})}
    return http.post(f"/v1/jobs/{job}/items", data=form, files=files)


def test_a_job_is_made_done_and_looked_at(
    ask: Callable[..., httpx.Client], work: Callable[[], None], kinds: dict[str, Fake]
) -> None:
    http = ask("enrol")
    kinds["enroll"].rejects = frozenset({"item-1", "item-4"})
    answer = http.post("/v1/jobs", json={"kind": "enroll", "collection": "people", "options": {"count": 7}})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["items"], job["listed"], job["items_per_second"]) == ("waiting", 0, False, None)
    assert job["options"] == {"count": 7, "careful": False, "note": None}
    work()
    job = http.get(answer.headers["location"]).json()
    assert (job["state"], job["items"], job["done"], job["rejected"]) == ("done", 7, 5, 2)
    assert job["items_per_second"] > 0
    assert (job["seconds_left"], job["result"]) == (None, {"seen": 7})
    items = http.get(f"/v1/jobs/{job['id']}/items", params={"state": "rejected"}).json()["items"]
    assert [(one["item"], one["reasons"], one["message"]) for one in items] == [
        ("item-1", ["no_face"], "No face was found."),
        ("item-4", ["no_face"], "No face was found."),
    ]
    findings = http.get(f"/v1/jobs/{job['id']}/findings").json()
    assert findings == {"items": [{"rejected": "item-1"}, {"rejected": "item-4"}], "next": None}


def test_a_job_under_way_tells_its_rate_and_the_time_left(
    ask: Callable[..., httpx.Client], whole: Service, kinds: dict[str, Fake]
) -> None:
    http = ask()
    id = made(http, options={"count": 100})["id"]
    worker = Worker(whole, kinds, 1)
    for _ in range(4):
        worker.once()
    worker.stop()
    job = http.get(f"/v1/jobs/{id}").json()
    assert (job["state"], job["done"]) == ("running", 12)
    assert job["seconds_left"] == pytest.approx(88 / job["items_per_second"], rel=0.5, abs=0.2)


def test_the_same_idempotency_key_makes_one_job(ask: Callable[..., httpx.Client]) -> None:
    http = ask("enrol")
    body = {"kind": "enroll", "collection": "people"}
    first, again = (http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    other = http.post("/v1/jobs", json={**body, "open": True}, headers={"Idempotency-Key": "k1"})
    refused(other, 409, "idempotency_conflict")
    assert len(http.get("/v1/jobs").json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "sing"}, "kind"),
        ({"kind": "../enroll"}, "kind"),
        ({"kind": "enroll", "options": {"count": -1}}, "options.count"),
        ({"kind": "enroll", "options": {"count": "many", "colour": 1}}, "options.count"),
        ({"kind": "enroll", "options": {"source": {"kind": "folder", "path": "/etc"}}}, "options.source"),
        ({"kind": "enroll", "options": {"source": {"kind": "folder", "path": "uploads"}}}, "options.source"),
        ({"kind": "enroll", "options": {"source": {"kind": "uploads", "path": "/etc"}}}, "options.source"),
        ({"kind": "enroll", "collection": "a/b"}, "collection"),
        ({"kind": "enroll", "owner": "somebody"}, "owner"),
        ({"kind": "enroll", "collection": None}, "collection"),
        ({"kind": "export", "collection": "people", "open": True}, "open"),
        ({}, "kind"),
    ],
)
def test_a_job_that_cannot_be_made_is_refused_by_the_name_of_what_is_wrong(
    ask: Callable[..., httpx.Client], body: dict[str, Any], field: str
) -> None:
    http = ask()
    error = refused(http.post("/v1/jobs", json=body), 422, "invalid_request")
    assert error["details"]["problems"][0]["field"].startswith(field)
    assert http.get("/v1/jobs").json()["items"] == []


def test_every_wrong_option_is_named(ask: Callable[..., httpx.Client]) -> None:
    options = {"count": "many", "colour": 1}
    body = {"kind": "enroll", "collection": "people", "options": options}
    error = refused(ask().post("/v1/jobs", json=body), 422, "invalid_request")
    assert {one["field"] for one in error["details"]["problems"]} == {"options.count", "options.colour"}


def test_a_collection_that_is_missing_or_of_another_contract_is_refused(
    ask: Callable[..., httpx.Client], whole: Service
) -> None:
    from index.records import NewCollection

    http = ask()
    if not [one for one in whole.gallery.collections(None, 9) if one.id == "foreign"]:
        whole.gallery.create_collection(NewCollection("foreign", "another-model", 8))
    refused(http.post("/v1/jobs", json={"kind": "enroll", "collection": "no"}), 404, "unknown_collection")
    error = refused(
        http.post("/v1/jobs", json={"kind": "enroll", "collection": "foreign"}), 409, "contract_mismatch"
    )
    assert "another-model" in error["message"]
    assert whole.pack.contract_id in error["message"]
    assert http.post("/v1/jobs", json={"kind": "export", "collection": "foreign"}).status_code == 202


def test_each_scope_may_do_its_own(ask: Callable[..., httpx.Client]) -> None:
    reader, enroller, admin = ask("read"), ask("enrol"), ask()
    enroll = {"kind": "enroll", "collection": "people"}
    export = {"kind": "export", "collection": "people"}
    refused(reader.post("/v1/jobs", json=enroll), 403, "forbidden")
    refused(enroller.post("/v1/jobs", json=export), 403, "forbidden")
    assert enroller.post("/v1/jobs", json=enroll).status_code == 202
    assert admin.post("/v1/jobs", json=export).status_code == 202
    assert (reader.get("/v1/jobs").status_code, reader.get("/v1/jobs").json()["items"]) == (200, [])
    without = httpx.Headers({"Authorization": ""})
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("DELETE", f"/v1/jobs/{NOWHERE}")):
        refused(reader.request(method, path, headers=without), 401, "unauthorized")


def test_a_job_is_its_owners_and_the_administrators_alone(ask: Callable[..., httpx.Client]) -> None:
    owner, other, admin = ask("enrol"), ask("enrol"), ask()
    mine = made(owner, open=True)["id"]
    made(other)
    assert [job["id"] for job in owner.get("/v1/jobs").json()["items"]] == [mine]
    assert len(admin.get("/v1/jobs").json()["items"]) == 2
    for path in ("", "/items", "/findings", "/result"):
        refused(other.get(f"/v1/jobs/{mine}{path}"), 404, "unknown_job")
    for word in (":cancel", ":resume", ":start"):
        refused(other.post(f"/v1/jobs/{mine}{word}"), 404, "unknown_job")
    refused(upload(other, mine, "a"), 404, "unknown_job")
    refused(other.delete(f"/v1/jobs/{mine}"), 404, "unknown_job")
    assert admin.post(f"/v1/jobs/{mine}:cancel").json()["state"] == "cancelled"


def test_an_owner_whose_scope_does_not_cover_the_kind_may_look_and_change_nothing(
    ask: Callable[..., httpx.Client], whole: Service
) -> None:
    http = ask("enrol")
    owner = whole.gallery.jobs.get(made(http)["id"]).owner
    id = whole.gallery.jobs.create(NewJob("export", "people", owner)).id
    assert http.get(f"/v1/jobs/{id}").status_code == 200
    for answer in (http.post(f"/v1/jobs/{id}:cancel"), http.get(f"/v1/jobs/{id}/result")):
        refused(answer, 403, "forbidden")


def test_cancel_resume_and_start_answer_conflicts_where_they_make_no_sense(
    ask: Callable[..., httpx.Client], work: Callable[[], None]
) -> None:
    http = ask()
    id = made(http, options={"count": 2})["id"]
    path = f"/v1/jobs/{id}"
    refused(http.post(f"{path}:resume"), 409, "job_conflict")
    refused(http.post(f"{path}:start"), 409, "job_conflict")
    refused(http.delete(path), 409, "job_conflict")
    for _ in range(2):
        assert http.post(f"{path}:cancel").json()["state"] == "cancelled"
    work()
    assert http.get(path).json()["done"] == 0
    assert http.post(f"{path}:resume").json()["state"] == "waiting"
    work()
    assert http.get(path).json()["state"] == "done"
    refused(http.post(f"{path}:cancel"), 409, "job_conflict")
    refused(http.post(f"{path}:resume"), 409, "job_conflict")
    assert http.delete(path).status_code == 204
    refused(http.get(path), 404, "unknown_job")
    refused(http.delete(path), 404, "unknown_job")


def test_a_resume_tries_failed_items_again_and_never_rejected_ones(
    ask: Callable[..., httpx.Client], work: Callable[[], None], kinds: dict[str, Fake]
) -> None:
    def broken(claim: Claim) -> None:
        if any(item.item == "item-0" for item in claim.items):
            raise OSError("gone")

    http = ask()
    kinds["enroll"].on_work = broken
    kinds["enroll"].rejects = frozenset({"item-1"})
    path = f"/v1/jobs/{made(http, options={'count': 3})['id']}"
    work()
    job = http.get(path).json()
    assert (job["state"], job["done"], job["rejected"], job["failed"]) == ("done", 1, 1, 1)
    kinds["enroll"].on_work, kinds["enroll"].rejects = (lambda _: None), frozenset()
    http.post(f"{path}:resume")
    work()
    job = http.get(path).json()
    assert (job["state"], job["done"], job["rejected"], job["failed"]) == ("done", 2, 1, 0)


def test_photos_are_uploaded_to_an_open_job_and_sent_again_add_nothing(
    ask: Callable[..., httpx.Client], work: Callable[[], None], whole: Service
) -> None:
    http = ask("enrol")
    id = made(http, open=True, options=UPLOADS)["id"]
    first = upload(http, id, "a.jpg", "b.jpg")
    assert (first.status_code, first.json()["added"], first.json()["job"]["items"]) == (200, 2, 2)
    again = upload(http, id, "b.jpg", "c.jpg", data=b"other")
    assert (again.json()["added"], again.json()["job"]["items"]) == (1, 3)
    assert whole.gallery.jobs.pending_bytes() == 3 * 5
    work()
    job = http.get(f"/v1/jobs/{id}").json()
    assert (job["state"], job["done"]) == ("open", 3), "items are worked on while more come"
    assert whole.gallery.jobs.pending_bytes() == 0
    assert http.post(f"/v1/jobs/{id}:start").json()["state"] == "running"
    refused(upload(http, id, "d.jpg"), 409, "job_conflict")
    work()
    assert http.get(f"/v1/jobs/{id}").json()["state"] == "done"


def test_uploads_that_are_not_what_they_should_be_are_refused_whole(
    ask: Callable[..., httpx.Client], whole: Service
) -> None:
    http = ask("enrol")
    id = made(http, open=True)["id"]
    path = f"/v1/jobs/{id}/items"
    one = [("image", ("image", b"photo"))]

    def sent(options: object, files: object = one) -> httpx.Response:
        text = options if isinstance(options, str) else json.dumps(options)
        return http.post(path, data={"options": text}, files=files)  # type: ignore[arg-type]

    fine = {"item": "a", "person": "ada"}
    for options in (
        {"items": [fine, {"item": "b"}]},
        {"items": []},
        {"items": [fine, fine]},
        {"items": [{"item": "", "person": "ada"}]},
        {"items": [{"item": "x" * 1025}]},
        {"items": [{"item": "a\u0000b"}]},
        {"items": [{"item": "a", "person": "../x"}]},
        {"items": [{"item": "a", "path": "/etc/passwd"}]},
        {"items": [fine], "folder": "/etc"},
        "not JSON",
        [1],
    ):
        refused(sent(options), 422, "invalid_request")
    refused(http.post(path, files=one), 422, "invalid_request")
    refused(sent({"items": [fine]}, [("file", ("image", b"photo"))]), 422, "invalid_request")
    refused(http.post(path, json={"options": "{}"}), 415, "unsupported_type")
    assert http.get(f"/v1/jobs/{id}").json()["items"] == 0
    assert whole.gallery.jobs.pending_bytes() == 0


def test_uploads_are_bounded_each_and_together(
    ask: Callable[..., httpx.Client], work: Callable[[], None]
) -> None:
    http = ask("enrol")
    id = made(http, open=True)["id"]
    refused(upload(http, id, "giant", data=b"x" * 5000), 413, "too_large")
    assert upload(http, id, "a", data=b"x" * 4000).status_code == 200
    full = upload(http, id, "b", data=b"x" * 200)
    error = refused(full, 429, "overloaded")
    assert int(full.headers["retry-after"]) >= 1
    assert error["details"] == {"cause": "job_uploads", "waiting_bytes": 4000}
    assert upload(http, id, "c", data=b"x" * 90).status_code == 200
    work()
    assert upload(http, id, "b", data=b"x" * 200).status_code == 200


def test_one_image_of_an_upload_has_the_limit_of_every_image(
    opened: Callable[..., Opened], kinds: dict[str, Fake]
) -> None:
    service = opened(max_image_bytes=1024, max_images=2)
    service.http.post("/v1/collections", json={"id": "people"})
    id = made(service.http, open=True)["id"]
    error = refused(upload(service.http, id, "a", data=b"x" * 1025), 413, "too_large")
    assert error["details"] == {"index": 0}
    assert upload(service.http, id, "a", "b", "c").status_code in (400, 422)
    assert upload(service.http, id, "a", "b", data=b"x" * 1024).json()["added"] == 2


def test_listings_are_paged_by_signed_cursors_of_their_own(
    ask: Callable[..., httpx.Client], work: Callable[[], None], kinds: dict[str, Fake]
) -> None:
    http = ask()
    kinds["enroll"].rejects = frozenset({f"item-{at}" for at in range(5)})
    ids = [made(http, options={"count": 5})["id"] for _ in range(3)]
    work()

    def pages(path: str, **parameters: object) -> tuple[list[Any], str]:
        items: list[Any] = []
        page = http.get(path, params={"limit": 2, **parameters}).json()
        cursor = page["next"]
        while True:
            items += page["items"]
            if page["next"] is None:
                return items, cursor
            page = http.get(path, params={"limit": 2, "cursor": page["next"], **parameters}).json()

    found, jobs_cursor = pages("/v1/jobs", state="done", collection="people")
    assert [job["id"] for job in found] == ids[::-1]
    items, items_cursor = pages(f"/v1/jobs/{ids[0]}/items")
    assert [item["item"] for item in items] == [f"item-{at}" for at in range(5)]
    findings, findings_cursor = pages(f"/v1/jobs/{ids[0]}/findings")
    assert len(findings) == 5
    for path, cursor in (
        ("/v1/jobs", jobs_cursor),
        (f"/v1/jobs/{ids[1]}/items", items_cursor),
        (f"/v1/jobs/{ids[0]}/items?state=rejected", items_cursor),
        (f"/v1/jobs/{ids[0]}/findings", items_cursor),
        (f"/v1/jobs/{ids[0]}/items", findings_cursor),
        ("/v1/jobs", "bm8"),
    ):
        url = httpx.URL(path).copy_merge_params({"cursor": cursor})
        refused(http.get(url), 422, "invalid_request")
    for wrong in ({"limit": 0}, {"limit": 1001}, {"state": "lost"}, {"collection": "a b"}):
        refused(http.get("/v1/jobs", params=wrong), 422, "invalid_request")


@pytest.mark.parametrize(
    "id",
    [
        "nothing",
        "0' OR '1'='1",
        "%",
        "../../keys.json",
        "a\0b",
        "é\n",
        NOWHERE,
        f"{NOWHERE}\n",
        "A" * 32,
        "x" * 3000,
    ],
)
def test_an_id_that_is_none_is_not_found_on_any_route(ask: Callable[..., httpx.Client], id: str) -> None:
    http, part = ask(), quote(id, safe="")
    path = f"/v1/jobs/{part}"
    answers = [http.get(f"{path}{more}") for more in ("", "/items", "/findings", "/result")]
    answers += [http.post(f"{path}:{word}") for word in ("cancel", "resume", "start")]
    answers += [http.delete(path), upload(http, part, "a")]
    assert {answer.status_code for answer in answers} == {404}
    assert all(answer.json()["error"]["code"] for answer in answers)


@pytest.fixture
def exported(
    ask: Callable[..., httpx.Client], whole: Service, kinds: dict[str, Fake], work: Callable[[], None]
) -> Callable[[str | None], tuple[httpx.Client, str]]:
    """A finished export whose result names a file."""

    def export(name: str | None = None) -> tuple[httpx.Client, str]:
        def finish(service: Service, claim: Claim) -> Values:
            folder = service.settings.folder / "exports"
            folder.mkdir(exist_ok=True)
            own = f"{claim.job.id}.jsonl"
            (folder / own).write_bytes(b"line\n" * 1000)
            return {"file": own if name is None else name}

        kinds["export"].on_finish = finish
        http = ask()
        id = made(http, kind="export")["id"]
        refused(http.get(f"/v1/jobs/{id}/result"), 404, "no_result")
        work()
        return http, id

    return export


def test_the_file_of_an_export_is_fetched_with_its_digest_and_removed_with_its_job(
    exported: Callable[..., tuple[httpx.Client, str]], whole: Service
) -> None:
    http, id = exported()
    answer = http.get(f"/v1/jobs/{id}/result")
    assert (answer.status_code, answer.content) == (200, b"line\n" * 1000)
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-disposition"] == f'attachment; filename="{id}.jsonl"'
    part = http.get(f"/v1/jobs/{id}/result", headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, b"line\n")
    assert http.delete(f"/v1/jobs/{id}").status_code == 204
    assert not (whole.settings.folder / "exports" / f"{id}.jsonl").exists()


@pytest.mark.parametrize("name", ["../keys.json", "/etc/passwd", "keys.json", f"{NOWHERE}.jsonl", ""])
def test_no_result_leads_to_another_file(
    exported: Callable[..., tuple[httpx.Client, str]], whole: Service, name: str
) -> None:
    http, id = exported(name)
    (whole.settings.folder / "exports" / f"{NOWHERE}.jsonl").write_text("somebody else's")
    (whole.settings.folder / "exports" / "keys.json").write_text("secret")
    refused(http.get(f"/v1/jobs/{id}/result"), 404, "no_result")


def test_a_result_whose_file_is_gone_is_not_found(
    exported: Callable[..., tuple[httpx.Client, str]], whole: Service
) -> None:
    http, id = exported()
    (whole.settings.folder / "exports" / f"{id}.jsonl").unlink()
    refused(http.get(f"/v1/jobs/{id}/result"), 404, "no_result")


def test_options_that_name_files_of_the_machine_are_never_answered(
    ask: Callable[..., httpx.Client], whole: Service
) -> None:
    options = {"count": 1, "source": {"kind": "folder", "path": "/home/secret"}}
    id = whole.gallery.jobs.create(NewJob("enroll", "people", options=options)).id
    assert "secret" not in ask().get(f"/v1/jobs/{id}").text


def test_a_store_that_cannot_answer_is_a_503(
    ask: Callable[..., httpx.Client], whole: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise StoreUnavailable("no")

    monkeypatch.setattr(whole.gallery.jobs, "page", down)
    refused(ask().get("/v1/jobs"), 503, "store_unavailable")


def test_the_document_describes_every_route_of_jobs(ask: Callable[..., httpx.Client]) -> None:
    paths = ask().get("/v1/openapi.json").json()["paths"]
    described = {path: sorted(what) for path, what in paths.items() if path.startswith("/v1/jobs")}
    assert described == {
        "/v1/jobs": ["get", "post"],
        "/v1/jobs:kinds": ["get"],
        "/v1/jobs/{job}": ["delete", "get"],
        "/v1/jobs/{job}/items": ["get", "post"],
        "/v1/jobs/{job}/findings": ["get"],
        "/v1/jobs/{job}/result": ["get"],
        "/v1/jobs/{job}:start": ["post"],
        "/v1/jobs/{job}:cancel": ["post"],
        "/v1/jobs/{job}:resume": ["post"],
    }
    assert all(way.get("summary") for what in described for way in paths[what].values())


def test_the_client_has_a_method_for_every_route(
    opened: Callable[..., Opened], kinds: dict[str, Fake], tmp_path: Path
) -> None:
    service = opened()
    with Client("http://localhost", transport=service.http._transport) as client:
        client.create_collection("people")
        job = client.jobs.create("enroll", "people", UPLOADS, open=True, idempotency_key="k")
        assert client.jobs.create("enroll", "people", UPLOADS, open=True, idempotency_key="k") == job
        photos = [("a", "ada", b"photo"), ("b", None, b"photo")]
        assert (client.jobs.add(job.id, photos).added, client.jobs.add(job.id, photos).added) == (2, 0)
        worker = Worker(service.service, kinds, 1)
        assert client.jobs.start(job.id).state == "running"
        assert client.jobs.cancel(job.id).state == "cancelled"
        assert client.jobs.resume(job.id).state == "running"
        while worker.once():
            pass
        worker.stop()
        assert client.jobs.get(job.id).done == 2
        assert [item.item for item in client.jobs.items(job.id, state="done")] == ["a", "b"]
        assert list(client.jobs.findings(job.id)) == []
        assert [one.id for one in client.jobs.all(collection="people", state="done")] == [job.id]
        with pytest.raises(ApiFailure, match="no file"):
            client.jobs.download(job.id, tmp_path / "file")
        client.jobs.delete(job.id)
        with pytest.raises(ApiFailure, match="no job"):
            client.jobs.get(job.id)


def test_a_download_arrives_whole_or_not_at_all(tmp_path: Path) -> None:
    body = b"exported"
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    sent = {"right": f"sha-256=:{digest}:", "wrong": "sha-256=:AAAA:"}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, content=body, headers={"Repr-Digest": sent[request.url.path.split("/")[3]]}
        )

    with Client("http://service", transport=httpx.MockTransport(answer)) as client:
        assert client.jobs.download("right", tmp_path / "a") == len(body)
        assert ((tmp_path / "a").read_bytes(), (tmp_path / "a").stat().st_mode & 0o777) == (body, 0o600)
        with pytest.raises(DamagedDownload):
            client.jobs.download("wrong", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_uploads_of_many_clients_at_once_are_all_there_once(
    ask: Callable[..., httpx.Client], whole: Service
) -> None:
    http = ask()
    id = made(http, open=True)["id"]
    answers: list[int] = []

    def send() -> None:
        answers.extend(upload(http, id, f"{at}", f"{at + 1}").json()["added"] for at in range(8))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answers) == 9
    assert http.get(f"/v1/jobs/{id}").json()["items"] == 9


@pytest.mark.parametrize(
    ("kind", "options", "takes"),
    [
        ("enroll", {}, True),
        ("enroll", {"source": {"kind": "uploads"}}, True),
        ("cluster", {"photos": {"kind": "uploads"}}, True),
        ("cluster", {}, False),
        ("import", {}, True),
        ("dedup", {}, False),
        ("export", {}, False),
    ],
)
def test_the_kinds_there_are_take_uploads_where_they_read_them(
    kind: str, options: dict[str, Any], takes: bool
) -> None:
    found = KINDS[kind]
    assert takes_uploads(found, found.options.model_validate(options)) is takes


@pytest.mark.parametrize(
    ("kind", "options", "scope"),
    [
        ("enroll", {}, "enrol"),
        ("cluster", {}, "enrol"),
        ("import", {"create": False}, "enrol"),
        ("import", {"create": True}, "admin"),
        ("import", {}, "admin"),
        ("export", {}, "admin"),
        ("of-a-later-version", {}, "admin"),
    ],
)
def test_a_job_needs_the_scope_of_what_it_does(kind: str, options: dict[str, Any], scope: str) -> None:
    assert scope_of(NewJob(kind, "people", options=options)) == scope
