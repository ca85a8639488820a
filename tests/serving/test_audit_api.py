"""The audit as a service writes and tells it: who did what by which request, searches a moment later, no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from index.audit_records import Action, Note
from index.errors import StoreUnavailable
from serving import recorder as recorder_module
from serving.cli import app
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.keys import open_keys
from serving.recorder import Recorder
from serving.scopes import Scope
from serving.settings import Settings
from tests.serving.conftest import Att, Opened, ServiceProcess


def enrolled(api: httpx.Client, att: Att, headers: dict[str, str]) -> None:
    api.post("/v1/collections", json={"id": "c"}, headers=headers).raise_for_status()
    path = "/v1/collections/c/persons/jane.doe/faces"
    api.post(path, files={"image": att[1, 1]}, params={"create": True}, headers=headers).raise_for_status()


def searched(api: httpx.Client, att: Att, headers: dict[str, str]) -> None:
    for path in ("/v1/collections/c/identify", "/v1/collections/c/persons/jane.doe/verify"):
        api.post(path, files={"image": att[1, 2]}, headers=headers).raise_for_status()
    photos = {"image_a": att[1, 1], "image_b": att[2, 1]}
    api.post("/v1/verify", files=photos, headers=headers).raise_for_status()


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(line["action"], line["actor"], line["outcome"]) for line in found]


@pytest.mark.parametrize(("kept", "count"), [("all", 7), ("writes", 4), ("off", 0)])
def test_what_a_key_did_is_told_with_its_requests(
    opened: Callable[..., Opened], att: Att, kept: str, count: int
) -> None:
    found = opened(auth="on", audit=kept)
    key = found.service.keys.create("", Scope.ADMIN)
    identity, headers = key.split("_")[1], {"X-Api-Key": key, "X-Request-Id": "gate-7"}
    enrolled(found.http, att, headers)
    searched(found.http, att, headers)
    found.service.recorder.close()
    lines = found.http.get("/v1/audit", headers=headers).json()["items"][::-1]
    assert (
        told(lines)
        == [
            ("key_created", "local", "done"),
            ("key_created", "local", "done"),
            ("create_collection", identity, "done"),
            ("enrol", identity, "done"),
            ("identify", identity, "hit"),
            ("verify", identity, "match"),
            ("verify", identity, "no_match"),
        ][:count]
    )
    assert {line["request"] for line in lines[2:]} <= {"gate-7"}
    assert found.service.gallery.audit.verify().damage is None


def test_a_person_is_found_in_the_audit_by_who_knows_the_id(opened: Callable[..., Opened], att: Att) -> None:
    found = opened()
    enrolled(found.http, att, {})
    searched(found.http, att, {})
    found.http.delete("/v1/collections/c/persons/jane.doe").raise_for_status()
    found.service.recorder.close()
    hers = found.http.get("/v1/audit", params={"collection": "c", "person": "jane.doe"}).json()["items"]
    # Searches are written by a thread, each second: where theirs stands among the writes is the clock's to say.
    assert sorted(line["action"] for line in hers) == ["delete_person", "enrol", "verify"]
    whole = found.http.get("/v1/audit:export")
    assert whole.headers["content-type"] == "application/jsonl"
    assert len(whole.text.splitlines()) == 6
    assert "jane" not in whole.text
    alone = found.http.get("/v1/audit", params={"person": "jane.doe"})
    assert (alone.status_code, alone.json()["error"]["code"]) == (422, "invalid_request")


def test_the_audit_is_paged_and_filtered_and_a_cursor_names_nobody(opened: Callable[..., Opened]) -> None:
    api = opened().http
    for number in range(5):
        api.post("/v1/collections", json={"id": f"c{number}"})
    api.post("/v1/collections/c0/persons", json={"id": "jane.doe"})
    found: list[int] = []
    params: dict[str, Any] = {"action": "create_collection", "limit": 2}
    while True:
        page = api.get("/v1/audit", params=params).json()
        found += [line["number"] for line in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert found == [5, 4, 3, 2, 1]
    other = api.get("/v1/audit", params={"action": "enrol", "cursor": params["cursor"]})
    assert other.status_code == 422
    hers = {"collection": "c0", "person": "jane.doe", "limit": 1}
    api.patch("/v1/collections/c0/persons/jane.doe", json={"name": "J"})
    cursor = api.get("/v1/audit", params=hers).json()["next"]
    assert "jane" not in str(httpx.URL(f"http://x/?c={cursor}"))
    assert b"jane" not in _decoded(cursor)
    assert api.get("/v1/audit", params={"since": "2100-01-01T00:00:00Z"}).json()["items"] == []
    assert api.get("/v1/audit", params={"since": "yesterday"}).status_code == 422


def _decoded(cursor: str) -> bytes:
    import base64

    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def test_what_a_job_did_leads_to_who_made_it(opened: Callable[..., Opened], att: Att) -> None:
    found = opened(auth="on")
    key = found.service.keys.create("", Scope.ADMIN)
    identity, headers = key.split("_")[1], {"X-Api-Key": key}
    enrolled(found.http, att, headers)
    job = found.http.post("/v1/jobs", json={"kind": "export", "collection": "c"}, headers=headers).json()[
        "id"
    ]
    worker = Worker(found.service, KINDS, 1)
    while worker.once():
        pass
    found.http.get(f"/v1/jobs/{job}/result", headers=headers).raise_for_status()
    found.service.recorder.close()
    lines = found.http.get("/v1/audit", headers=headers).json()["items"][::-1]
    its = [(line["action"], line["actor"], line["faces"]) for line in lines if line["job"] == job]
    assert its == [("job_made", identity, 0), ("export", "worker", 1), ("export_fetched", identity, 0)]


def test_a_key_is_told_to_be_used_at_most_once_a_minute(opened: Callable[..., Opened]) -> None:
    found = opened(auth="on")
    headers = {"X-Api-Key": found.service.keys.create("", Scope.ADMIN)}
    written: list[dict[str, int]] = []
    used = found.service.gallery.keys.used
    found.service.gallery.keys.used = lambda moments: written.append(dict(moments)) or used(moments)  # type: ignore
    for _ in range(5):
        found.http.get("/v1/keys", headers=headers)
    found.service.recorder.close()
    assert len([moments for moments in written if moments]) == 1
    assert [key.used_at is not None for key in found.service.keys.all()] == [False, True]


def test_searches_wait_for_the_store_and_those_beyond_the_bound_are_counted(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened()
    found.service.recorder.close()
    monkeypatch.setattr(recorder_module, "WAITING_AT_MOST", 3)
    monkeypatch.setattr(recorder_module, "FLUSH_SECONDS", 0.01)
    write, away = found.service.gallery.audit.searched, [True, True]

    def searched_later(searches: Any) -> None:
        if away:
            away.pop()
            raise StoreUnavailable("away")
        write(searches)

    monkeypatch.setattr(found.service.gallery.audit, "searched", searched_later)
    recorder = Recorder(found.service.gallery)
    with recorder._news:
        for _ in range(5):
            recorder.searched(Note(Action.IDENTIFY, "c", outcome="hit", faces=1))
    while away:
        recorder._thread.join(0.01)
    recorder.close()
    found_lines = found.http.get("/v1/audit").json()["items"][::-1]
    assert [(line["action"], line["faces"]) for line in found_lines] == [("identify", 1)] * 3 + [
        ("searches_lost", 2)
    ]


def test_the_command_lists_writes_out_and_checks(opened: Callable[..., Opened], tmp_path: Path) -> None:
    found = opened()
    found.http.post("/v1/collections", json={"id": "c"})
    home = ["--home", str(tmp_path / "home")]
    run = CliRunner()
    listed = run.invoke(app, ["audit", "list", "--json", *home])
    assert json.loads(listed.stdout)["action"] == "create_collection"
    assert "create_collection" in run.invoke(app, ["audit", "list", *home]).stdout
    assert len(run.invoke(app, ["audit", "export", *home]).stdout.splitlines()) == 1
    assert run.invoke(app, ["audit", "export", "--action", "enrol", *home]).stdout == ""
    checked = run.invoke(app, ["audit", "verify", *home])
    kept = checked.stdout.strip()
    assert checked.exit_code == 0
    assert re.fullmatch(r"1:[0-9a-f]{64}", kept)
    assert run.invoke(app, ["audit", "verify", "--expect", kept, *home]).exit_code == 0
    assert run.invoke(app, ["audit", "verify", "--expect", "1:" + "0" * 64, *home]).exit_code == 1
    assert run.invoke(app, ["audit", "verify", "--expect", "latest", *home]).exit_code == 2
    assert run.invoke(app, ["audit", "list", "--person", "jane", *home]).exit_code == 2
    assert run.invoke(app, ["audit", "list", "--since", "yesterday", *home]).exit_code == 2


def test_the_command_makes_keys_with_grants_rate_and_end(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    run = CliRunner()
    asked = ["--scope", "read", "-c", "door", "-c", "team-*", "--rate", "5", "--expires", "2100-01-01"]
    made = run.invoke(app, ["keys", "create", *asked, *home])
    assert made.exit_code == 0
    text = made.stdout.splitlines()[0]
    (listed,) = json.loads(run.invoke(app, ["keys", "list", "--json", *home]).stdout)
    assert (listed["collections"], listed["rate"]) == (["door", "team-*"], 5.0)
    assert listed["expires_at"] == "2100-01-01T00:00:00+00:00"
    assert "team-*" in run.invoke(app, ["keys", "list", *home], env={"COLUMNS": "200"}).stdout
    with open_keys(Settings(home=tmp_path)) as ring:
        assert ring.find(text) is not None
        assert run.invoke(app, ["keys", "revoke", listed["id"], *home]).exit_code == 0
        assert ring.all() == []
    assert run.invoke(app, ["keys", "create", "--scope", "read", "-c", "a/b", *home]).exit_code == 2
    assert run.invoke(app, ["keys", "revoke", listed["id"], *home]).exit_code == 2


def test_no_key_stands_in_anything_a_real_process_says_or_keeps(
    service_process: Callable[..., ServiceProcess], tmp_path: Path, att: Att
) -> None:
    home = tmp_path / "home"
    with open_keys(Settings(home=home)) as ring:
        admin = ring.create("administrator", Scope.ADMIN)
    process = service_process(home, COCIRCLE_AUTH="on", COCIRCLE_LOG_LEVEL="debug")
    wrong = admin[:-4] + "AAAA"
    secrets = [admin, wrong]
    said: list[str] = []
    with httpx.Client(base_url=process.url, timeout=60) as http:
        right = {"Authorization": f"Bearer {admin}"}
        made = http.post("/v1/keys", json={"scope": "read", "collections": ["c"]}, headers=right)
        secrets.append(made.json()["key"])
        enrolled(http, att, right)
        searched(http, att, right)
        attempts = [
            right,
            {"X-Api-Key": secrets[2]},
            {"X-Api-Key": wrong},
            {"Authorization": f"Basic {admin}"},
        ]
        for headers in attempts:
            for method, path in (
                ("GET", "/v1/collections/c"),
                ("GET", "/v1/collections/none"),
                ("POST", "/v1/detect"),
                ("POST", "/v1/keys"),
                ("POST", "/"),
                ("GET", "/metrics"),
                ("GET", "/v1/keys"),
                ("GET", "/v1/audit:export"),
            ):
                answer = http.request(method, path, headers=headers)
                said += [answer.text, str(dict(answer.headers))]
    assert process.stop() == 0
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    whole = "\n".join([*said, process.log.read_text()]).encode() + kept
    assert b'"event": "request"' in whole
    assert b"export_fetched" not in whole
    assert b"key_created" in whole
    for secret in secrets:
        assert secret.encode() not in whole
        assert secret.split("_", 2)[2].encode() not in whole


def test_the_guide_tells_every_action_and_no_other() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    table = guide.split("| action | of |")[1].split("\n\n")[0]
    named = [
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1:2][0] if "|" in row else "")
    ]
    assert sorted(named) == sorted(action.value for action in Action)
