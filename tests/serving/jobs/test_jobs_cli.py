"""`cocircle jobs` and `cocircle worker` as a user types them: here on a data folder, and against a service."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from index.job_records import Claim, Values
from serving.cli import app
from serving.cli.console import err
from serving.client import Client
from serving.local import Local, open_local
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings
from tests.serving.conftest import ServiceProcess
from tests.serving.jobs.fake import Fake

Run = Callable[..., Result]


@pytest.fixture
def kind(monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake()
    for module in ("serving.jobs.registry", "serving.jobs.making", "serving.local"):
        monkeypatch.setattr(f"{module}.KINDS", {made.name: made})
    monkeypatch.setattr("serving.cli.job_place.LOOK_SECONDS", 0.01)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(err, "_width", 200)
    return made


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A data folder with the collection `people`, opened once for all tests that do not ask for its opening."""
    with open_local(Settings(home=tmp_path_factory.mktemp("home"))) as opened:
        opened.client.create_collection("people")
        yield opened
    start_logging("info")


@pytest.fixture
def run(local: Local, kind: Fake, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `cocircle jobs …` on the data folder, without jobs of other tests."""
    jobs = local.service.gallery.jobs
    for job in jobs.page(limit=1000):
        if job.ended_at is None:
            jobs.cancel(job.id)
        jobs.remove(job.id)
    if local.client.collection("people").persons:
        local.client.delete_collection("people", force=True)
        local.client.create_collection("people")
    monkeypatch.setattr("serving.local.open_local", lambda _: nullcontext(local))
    return cocircle_jobs


def cocircle_jobs(*words: object, status: int = 0) -> Result:
    answer = CliRunner().invoke(app, ["jobs", *map(str, words)])
    assert answer.exit_code == status, answer.output
    return answer


def made(run: Run, *words: object) -> str:
    """The id of a job that waits."""
    answer = run("make", "enroll", "-c", "people", "--no-wait", "--json", *words)
    job = json.loads(answer.stdout)
    assert (job["state"], job["items"]) == ("waiting", 0)
    return str(job["id"])


def lines(answer: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_a_job_is_made_and_done_here_and_told_of(run: Run, kind: Fake) -> None:
    kind.rejects = frozenset({"item-3"})
    answer = run("make", "enroll", "-c", "people", "--set", "count=10", "--json")
    job = json.loads(answer.stdout)
    assert (job["state"], job["items"], job["done"], job["rejected"]) == ("done", 10, 9, 1)
    words = run("show", job["id"]).stdout
    assert "enroll of people" in words
    assert "10: 9 done, 1 rejected, 0 failed" in words
    assert job["id"] in run("list").stdout
    assert [one["id"] for one in lines(run("list", "--state", "done", "--json"))] == [job["id"]]
    assert lines(run("list", "--state", "failed", "--json")) == []
    assert "rejected item-3: No face was found." in run("items", job["id"], "--state", "rejected").stdout
    assert len(lines(run("items", job["id"], "--json"))) == 10
    assert lines(run("findings", job["id"])) == [{"rejected": "item-3"}]


def test_the_flags_of_a_kind_are_its_options(run: Run) -> None:
    told = run("enroll", "--help").stdout
    for flag in (
        "--count",
        "--careful",
        "--no-careful",
        "--note",
        "--source",
        "How many items.",
        "By default 0.",
    ):
        assert flag in told
    words = ("--count", 5, "--careful", "--note", "[draft]", "--source", '{"kind": "uploads"}', "--json")
    job = json.loads(run("enroll", "-c", "people", *words).stdout)
    assert (job["done"], job["options"]) == (5, {"count": 5, "careful": True, "note": "[draft]"})
    assert "enroll" in run("--help").stdout


def test_a_file_of_this_machine_may_be_named_here(run: Run) -> None:
    job = made(run, "--set", 'source={"kind": "folder", "path": "/photos"}')
    assert json.loads(run("show", job, "--json").stdout)["kind"] == "enroll"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("make", "sing"), "there is no kind 'sing'; there are enroll"),
        (("make", "enroll"), "a job of this kind needs one"),
        (("make", "enroll", "-c", "nobody"), "there is no collection 'nobody'"),
        (("make", "enroll", "-c", "people", "--set", "count"), "it must be NAME=VALUE"),
        (("make", "enroll", "-c", "people", "--set", "size=3"), "careful, count, note, source"),
        (("make", "enroll", "-c", "people", "--set", "count=-1"), "options.count"),
        (("enroll", "-c", "people", "--source", "{"), "options.source"),
        (("show", "nothing"), "there is no job 'nothing'"),
        (("watch", "nothing"), "there is no job 'nothing'"),
        (("list", "--state", "lost"), "state"),
        (("download", "0" * 32, "file"), "there is no job"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    answer = run(*words, status=2)
    assert said in answer.stderr
    assert answer.stderr.startswith("error:")
    assert answer.stderr.count("\n") == 1


def test_a_job_is_cancelled_and_resumed_and_watched_to_its_end(run: Run) -> None:
    job = made(run, "--set", "count=7")
    assert "cancelled" in run("cancel", job).stdout
    assert "cancelled" in run("watch", job, status=1).stdout
    assert json.loads(run("resume", job, "--json").stdout)["state"] == "waiting"
    assert "nothing to resume" in run("resume", job, status=2).stderr
    watched = json.loads(run("watch", job, "--work", "--json").stdout)
    assert (watched["state"], watched["done"]) == ("done", 7)
    assert "only a job that has not ended" in run("cancel", job, status=2).stderr
    run("delete", job)
    assert lines(run("list", "--json")) == []


def test_a_resume_with_work_follows_the_job_to_its_end(run: Run, kind: Fake) -> None:
    def broken(claim: Claim) -> None:
        if any(item.item == "item-0" for item in claim.items):
            raise OSError("gone")

    kind.on_work = broken
    job = json.loads(run("enroll", "-c", "people", "--count", 3, "--json").stdout)
    assert (job["state"], job["failed"]) == ("done", 1)
    kind.on_work = lambda _: None
    assert json.loads(run("resume", job["id"], "--work", "--json").stdout)["done"] == 3


def test_a_failed_job_has_the_status_1_and_says_why(run: Run, kind: Fake) -> None:
    def finish(*_: object) -> Values:
        raise KeyError("ada")

    kind.on_finish = finish
    answer = run("enroll", "-c", "people", "--count", 1, status=1)
    assert "KeyError" in answer.stdout
    assert "ada" not in answer.output


def test_an_interrupt_leaves_the_job_and_says_how_to_go_on(
    run: Run, kind: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("serving.cli.job_place.time.sleep", interrupted)
        answer = run("enroll", "-c", "people", "--count", 40, status=130)
    (job,) = lines(run("list", "--json"))
    assert f"cocircle jobs watch {job['id']} --work" in answer.stderr
    assert job["state"] in ("waiting", "running")
    assert json.loads(run("watch", job["id"], "--work", "--json").stdout)["done"] == 40


def test_what_a_job_made_is_fetched(run: Run, kind: Fake, local: Local, tmp_path: Path) -> None:
    def finish(service: Service, claim: Claim) -> Values:
        folder = service.settings.folder / "exports"
        folder.mkdir(exist_ok=True)
        (folder / f"{claim.job.id}.jsonl").write_bytes(b"line\n")
        return {"file": f"{claim.job.id}.jsonl"}

    kind.on_finish = finish
    job = json.loads(run("enroll", "-c", "people", "--json").stdout)
    target = tmp_path / "people.jsonl"
    assert "5 bytes" in run("download", job["id"], target).stdout
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"line\n", 0o600)
    run("delete", job["id"])
    assert list((local.service.settings.folder / "exports").iterdir()) == []


class WorkerProcess:
    """A real `cocircle worker`."""

    def __init__(self, home: Path, log: Path) -> None:
        words = [sys.executable, "-m", "serving", "worker", "--home", str(home), "--threads", "1"]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert re.match(r"Cocircle works on jobs of .* in 1 threads", line), log.read_text()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(60)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[], WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start() -> WorkerProcess:
        started.append(WorkerProcess(tmp_path / "home", tmp_path / "worker.log"))
        return started[-1]

    yield start
    for process in started:
        if process._process.poll() is None:
            process.stop()


def test_a_data_folder_is_opened_for_a_command_and_closed_after_it(
    tmp_path: Path, kind: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_HOME", str(tmp_path))
    monkeypatch.setattr("serving.local.start_logging", lambda _: None)
    with open_local(Settings()) as opened:
        opened.client.create_collection("people")
    job = json.loads(cocircle_jobs("enroll", "-c", "people", "--count", 5, "--json").stdout)
    assert (job["state"], job["done"]) == ("done", 5)


def test_a_worker_process_does_the_jobs_of_a_service_that_does_none_itself(
    tmp_path: Path,
    service_process: Callable[..., ServiceProcess],
    worker: Callable[[], WorkerProcess],
) -> None:
    url = service_process(COCIRCLE_WORKERS="0").url

    with Client(url) as client:
        client.create_collection("people")
        client.create_person("people", "ada")
    made = cocircle_jobs("export", "-c", "people", "--no-wait", "--json", "--url", url)
    job = json.loads(made.stdout)
    assert job["state"] == "waiting"
    process = worker()
    watched = cocircle_jobs("watch", job["id"], "--json", "--url", url)
    assert json.loads(watched.stdout)["state"] == "done"
    cocircle_jobs("download", job["id"], tmp_path / "people", "--url", url)
    assert b'"ada"' in (tmp_path / "people").read_bytes()
    assert process.stop() == 0
    assert "ada" not in (tmp_path / "worker.log").read_text()


def test_a_service_does_jobs_itself_and_stops_in_order(
    service_process: Callable[..., ServiceProcess],
) -> None:
    process = service_process()
    with Client(process.url) as client:
        client.create_collection("people")
        job = client.jobs.create("export", "people")
        cocircle_jobs("watch", job.id, "--url", process.url)
        assert client.jobs.get(job.id).state == "done"
    assert process.stop() == 0
