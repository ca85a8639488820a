"""Alerts and dashboard ask for metrics that a real service has, with labels that it has; promtool tries the alerts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from index.job_records import NewJob
from serving.overload import overloaded
from tests.deployment.conftest import ROOT
from tests.serving.conftest import Att, Opened, att, opened

__all__ = ["att", "opened"]  # fixtures

FOLDER = ROOT / "docker" / "monitoring"
ALERTS = FOLDER / "alerts.yml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "cocircle.json"
GUIDE = ROOT / "docs" / "monitoring.md"

# Prometheus' own: it writes them itself for whatever it asks.
PROMETHEUS_OWN = {"up": {"job", "instance"}}
ADDED_BY_PROMETHEUS = {"job", "instance"}
SELECTOR = re.compile(r"\b((?:cocircle|process)_\w+|up)\b(\{[^}]*\})?")
GROUPING = re.compile(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every query of the alerts, the recorded rules and the dashboard."""
    for rule in rules():
        yield rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"]


def without_strings(query: str) -> str:
    return re.sub(r'"[^"]*"', '""', query)


@pytest.fixture
def scraped(opened: Callable[..., Opened], att: Att) -> dict[str, set[str]]:
    """Sample name -> its labels, of a service to which everything happened that it counts."""
    here = opened()
    collection = "/v1/collections/people"
    assert here.http.post("/v1/collections", json={"id": "people"}).status_code == 201
    files = [("image", att[1, 1]), ("image", b"no photo")]
    done = here.http.post(f"{collection}/persons/one/faces", files=files, params={"create": True})
    assert (len(done.json()["enrolled"]), len(done.json()["rejected"])) == (1, 1), done.text
    for person in (1, 2):
        done = here.http.post(f"{collection}/identify", files={"image": att[person, 2]})
        assert done.status_code == 200, done.text
    here.service.gallery.jobs.create(NewJob("enroll", "people"))
    overloaded(here.service, "queue_full", "Full")
    here.service.metrics.expired("decode")
    text = here.http.get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_of_alerts_and_dashboard_exists_with_its_labels(scraped: dict[str, set[str]]) -> None:
    known = {**scraped, **PROMETHEUS_OWN}
    asked = list(expressions())
    assert len(asked) > 40
    for query in asked:
        labels = set()
        for name, selector in SELECTOR.findall(without_strings(query)):
            assert name in known, f"{name} in {query}"
            named = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector or ""))
            assert named <= known[name] | ADDED_BY_PROMETHEUS, f"{name} in {query}"
            labels |= known[name]
        for group in GROUPING.findall(query):
            named = {word.strip() for word in group.split(",")}
            assert named <= labels | ADDED_BY_PROMETHEUS, query


def test_what_a_panel_writes_beside_a_line_is_a_label_of_its_query(scraped: dict[str, set[str]]) -> None:
    known = {**scraped, **PROMETHEUS_OWN}
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"]
            names = [name for name, _ in SELECTOR.findall(without_strings(query))]
            labels = set().union(*(known[name] for name in names)) | ADDED_BY_PROMETHEUS
            kept = GROUPING.findall(query)
            if kept and "topk" not in query:
                labels &= {word.strip() for group in kept for word in group.split(",")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]


def test_the_guide_describes_every_metric_of_the_service(scraped: dict[str, set[str]]) -> None:
    described = set(re.findall(r"^\| `(cocircle_\w+)", GUIDE.read_text(), flags=re.M))
    suffix = re.compile(r"_(bucket|count|sum)$")
    told = {name for name in scraped if name.startswith("cocircle_") and not name.endswith("_created")}
    own = {suffix.sub("", name) for name in told}
    assert described == own


def test_the_guide_says_what_to_do_at_each_alert() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert len(alerts) >= 10
    said = dict(re.findall(r"^\| `(Cocircle\w+)` \|.*\| (.+) \|$", GUIDE.read_text(), flags=re.M))
    assert set(said) == alerts


def test_every_alert_says_how_bad_it_is_and_is_tried_by_promtool() -> None:
    tried = {
        case["alertname"]
        for file in ("alerts_test.yml", "scores_test.yml")
        for test in yaml.safe_load((FOLDER / file).read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert {"summary", "description"} == set(rule["annotations"])
            assert rule["alert"] in tried


def test_the_dashboard_shows_what_an_operator_watches() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    for metric in (
        "requests_total",
        "request_seconds_bucket",
        "admitted_photos",
        "batch_size_sum",
        "stage_seconds_sum",
        "rejections_total",
        "faces_per_image_bucket",
        "searches_total",
        "best_cosine_bucket",
        "gallery_faces",
        "revision_lag",
        "jobs",
    ):
        assert f"cocircle_{metric}" in shown
    places = [tuple(panel["gridPos"].values()) for panel in panels()]
    assert len(set(places)) == len(places)
    assert {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]} == {
        yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())[
            "datasources"
        ][0]["uid"]
    }


def test_prometheus_sends_a_key_from_a_secret_and_asks_the_service(tmp_path: Path) -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (ours,) = [job for job in config["scrape_configs"] if job["job_name"] == "cocircle"]
    assert ours["authorization"] == {"credentials_file": "/run/secrets/metrics_key"}
    assert ours["static_configs"] == [{"targets": ["cocircle:8080"]}]
    assert config["rule_files"] == [ALERTS.name]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml", "scores_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_files_and_the_alerts_pass_their_tests(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    if not shutil.which("promtool"):
        pytest.skip("no promtool here (Debian's package prometheus)")
    for file in FOLDER.glob("*.yml"):
        # The key's file is there in the container only.
        key = tmp_path / "metrics_key"
        key.write_text("cck_")
        (tmp_path / file.name).write_text(file.read_text().replace("/run/secrets/metrics_key", str(key)))
    done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("no promtool here (Debian's package prometheus)")
    filled = [
        target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panel in panels()
        for target in panel["targets"]
    ]
    made = [{"record": f"panel:{at}", "expr": query} for at, query in enumerate(filled)]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(made)} rules found" in done.stdout
