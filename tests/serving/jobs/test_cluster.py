"""The kind `cluster`: the known are named, the others grouped, and groups are merged or enrolled once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Detection, Face, Quality, Reason
from faces.image import ImageError
from index.job_records import ItemState, Job, JobState, NewItem, NewJob
from index.records import NewCollection, NewFace
from serving.jobs.kinds import cluster
from serving.jobs.kinds.cluster import CLUSTER, ClusterOptions
from serving.service import Service
from serving.settings import Settings
from tests.serving.conftest import Att
from tests.serving.jobs.made_jobs import (
    contents,
    done,
    enrol,
    findings,
    like,
    make,
    opened_service,
    run,
    run_with_deaths,
    units,
)

PEOPLE = units(8, seed=1)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path) as opened:
        opened.pipeline = MadePipeline()  # type: ignore[misc]
        yield opened


def sighted(service: Service) -> None:
    """Ann and Bob are known. Unknown: Ann again, Eve three times, Dan twice, and somebody once."""
    seen = {"u1": 0, "u2": 4, "u3": 3, "u4": 4, "u5": 3, "u6": 4, "u7": 5}
    enrol(service, [("ann", NewFace(PEOPLE[0])), ("bob", NewFace(PEOPLE[1]))])
    faces = [
        (f"unknown-{id}", NewFace(like(PEOPLE[who], 0.97, at))) for at, (id, who) in enumerate(seen.items())
    ]
    enrol(service, faces)


def groups(service: Service, job: Job, what: str = "persons") -> list[list[Any]]:
    return sorted(one[what] for one in findings(service, job) if one["cluster"] is not None)


def known(service: Service, job: Job) -> list[tuple[Any, str]]:
    told = [one for one in findings(service, job) if one["known"] is not None]
    return [((one.get("persons") or one["items"])[0], one["known"]) for one in told]


EVE, DAN = ["unknown-u2", "unknown-u4", "unknown-u6"], ["unknown-u3", "unknown-u5"]


def test_the_known_are_named_and_the_others_grouped(service: Service) -> None:
    sighted(service)
    before = contents(service)
    job = done(service, CLUSTER)
    assert known(service, job) == [("unknown-u1", "ann")]
    assert groups(service, job) == [EVE, DAN]
    assert contents(service) == before
    assert job.result == {
        "looked_at": 7,
        "known": 1,
        "groups": 2,
        "grouped": 5,
        "merged": 0,
        "enrolled": 0,
    }


def test_somebody_seen_once_is_told_of_where_that_is_wanted(service: Service) -> None:
    sighted(service)
    assert groups(service, done(service, CLUSTER, smallest=1)) == [EVE, DAN, ["unknown-u7"]]
    assert groups(service, done(service, CLUSTER, smallest=3)) == [EVE]


def test_groups_are_merged_into_their_first_person(service: Service) -> None:
    sighted(service)
    job = done(service, CLUSTER, merge=True)
    assert job.result["merged"] == 3
    left = {person.id: person.faces for person in service.gallery.persons("people")}
    assert left == {"ann": 1, "bob": 1, "unknown-u1": 1, "unknown-u2": 3, "unknown-u3": 2, "unknown-u7": 1}
    again = done(service, CLUSTER, merge=True)
    assert (again.result["groups"], again.result["merged"]) == (0, 0)


def test_killed_workers_merge_what_an_undisturbed_run_merges(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "SPAN", 2)
    sighted(service)
    job = run_with_deaths(service, CLUSTER, make(service, CLUSTER, merge=True))
    assert (job.state, job.result["merged"], job.result["groups"]) == (JobState.DONE, 3, 2)
    assert groups(service, job) == [EVE, DAN]
    assert known(service, job) == [("unknown-u1", "ann")]
    assert service.gallery.person("people", "unknown-u2").faces == 3


def test_who_goes_before_the_merge_is_left_out_of_it(service: Service) -> None:
    sighted(service)
    job = make(service, CLUSTER, merge=True)
    work = CLUSTER.work

    def leaving(opened: Service, claim: Any) -> Any:
        if any("members" in item.payload for item in claim.items):
            opened.gallery.delete_person("people", "unknown-u2")
        return work(opened, claim)

    kind = SimpleNamespace(**{name: getattr(CLUSTER, name) for name in dir(CLUSTER) if name[0] != "_"})
    kind.work = leaving
    assert run(service, kind, job).result["merged"] == 2  # type: ignore[arg-type]
    assert service.gallery.person("people", "unknown-u4").faces == 2


def test_another_prefix_asks_about_others(service: Service) -> None:
    enrol(service, [("x%1", NewFace(PEOPLE[0])), ("x%2", NewFace(PEOPLE[0])), ("xy3", NewFace(PEOPLE[0]))])
    job = done(service, CLUSTER, prefix="x%")
    assert known(service, job) == [("x%1", "xy3"), ("x%2", "xy3")]


def test_a_rate_says_how_alike(service: Service) -> None:
    enrol(service, [("unknown-1", NewFace(PEOPLE[0])), ("unknown-2", NewFace(like(PEOPLE[0], 0.6)))])
    assert groups(service, done(service, CLUSTER)) == []
    assert groups(service, done(service, CLUSTER, max_fmr=1e-3)) == [["unknown-1", "unknown-2"]]
    assert groups(service, done(service, CLUSTER, threshold=0.55)) == [["unknown-1", "unknown-2"]]


def test_an_empty_collection_has_no_groups(service: Service) -> None:
    assert done(service, CLUSTER).result["groups"] == 0


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, CLUSTER, make(service, CLUSTER, collection="nowhere"))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message


def test_a_cancelled_job_merges_nothing(service: Service) -> None:
    sighted(service)
    job = make(service, CLUSTER, merge=True)
    service.gallery.jobs.cancel(job.id)
    assert run(service, CLUSTER, job).state is JobState.CANCELLED
    assert service.gallery.collection("people").persons == 9


def test_what_is_found_on_photos_is_not_merged_nor_are_persons_enrolled() -> None:
    with pytest.raises(ValidationError, match="merge is for persons"):
        ClusterOptions.model_validate({"photos": {"kind": "uploads"}, "merge": True})
    with pytest.raises(ValidationError, match="enroll is for photos"):
        ClusterOptions(enroll=True)


class MadePipeline:
    """Analyses photos that are lists of [person, seed, fit] in place of pixels."""

    def submit(self, data: bytes, embed: EmbedWhat, *, background: bool, wait: bool) -> Future[Analysis]:
        assert embed is EmbedWhat.ALL
        assert background
        assert wait
        photo: Future[Analysis] = Future()
        try:
            faces = tuple(face(*one) for one in json.loads(data))
        except ValueError:
            photo.set_exception(ImageError(Reason.INVALID_IMAGE, "no image"))
        else:
            photo.set_result(Analysis(faces, 100, 100))
        return photo


def face(who: int, seed: int, fit: bool = True) -> Face:
    quality = Quality(0.5, 90, 100, 100, 0, 0, 0, () if fit else (Reason.BLURRED,))
    detection = Detection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.9)
    crop = np.zeros((112, 112, 3), np.uint8)
    return Face(detection, quality, crop, like(PEOPLE[who], 0.97, seed).astype(np.float32))


def photos(**shown: list[list[Any]]) -> list[NewItem]:
    return [NewItem(name, {}, json.dumps(faces).encode()) for name, faces in shown.items()]


CAMERA = photos(
    a=[[0, 1], [4, 2]],  # Ann and Eve
    b=[[4, 3]],
    c=[[3, 4], [4, 5], [5, 6, False]],
    d=[[3, 7]],
    e=[],
    f=[[3, 8, False]],
)
UPLOADS = {"photos": {"kind": "uploads"}}


def test_faces_on_photos_are_named_or_grouped(service: Service) -> None:
    enrol(service, [("ann", NewFace(PEOPLE[0]))])
    bad = NewItem("bad", {}, b"\xff")
    job = done(service, CLUSTER, *CAMERA, bad, NewItem("none"), **UPLOADS)
    assert known(service, job) == [({"item": "a", "face": 0}, "ann")]
    found = [[(one["item"], one["face"]) for one in group] for group in groups_by_number(service, job)]
    assert found == [[("a", 1), ("b", 0), ("c", 1)], [("c", 0), ("d", 0)]]
    rejected = {
        item.item: item.reasons for item in service.gallery.jobs.items(job.id, state=ItemState.REJECTED)
    }
    assert rejected == {
        "e": ("no_face",),
        "f": ("blurred",),
        "bad": ("invalid_image",),
        "none": ("invalid_row",),
    }
    assert job.result == {
        "looked_at": 6,
        "known": 1,
        "groups": 2,
        "grouped": 5,
        "merged": 0,
        "enrolled": 0,
    }
    assert service.gallery.collection("people").persons == 1


def groups_by_number(service: Service, job: Job) -> list[list[Any]]:
    told = [one for one in findings(service, job) if one["cluster"] is not None]
    return [one["items"] for one in sorted(told, key=lambda one: one["cluster"])]


def test_without_a_gate_every_face_counts(service: Service) -> None:
    job = done(service, CLUSTER, *CAMERA, quality="none", **UPLOADS)
    assert job.result["looked_at"] == 8
    assert [len(group) for group in groups_by_number(service, job)] == [3, 3]


def test_groups_are_enrolled_as_new_persons_once(service: Service) -> None:
    job = run_with_deaths(service, CLUSTER, make(service, CLUSTER, CAMERA, enroll=True, **UPLOADS))
    assert (job.state, job.result["enrolled"]) == (JobState.DONE, 5)
    people = {person.id: person.faces for person in service.gallery.persons("people")}
    keys = {item.item: item.key for item in service.gallery.jobs.items(job.id)}
    name = f"unknown-{job.id[-8:]}-"
    assert people == {f"{name}{keys['a']}.1": 3, f"{name}{keys['c']}": 2}
    (one, *_) = service.gallery.faces("people", f"{name}{keys['c']}")
    assert one.detail == {"item": "c", "face": 0}


def test_the_next_photos_find_who_was_enrolled_from_the_first(service: Service) -> None:
    done(service, CLUSTER, *CAMERA, enroll=True, **UPLOADS)
    later = done(service, CLUSTER, *photos(x=[[4, 20]], y=[[3, 21]]), enroll=True, **UPLOADS)
    assert (later.result["known"], later.result["enrolled"]) == (2, 0)
    assert service.gallery.collection("people").persons == 2


def test_photos_of_a_folder_that_vanish_fail_and_are_grouped_when_they_are_back(
    service: Service, tmp_path: Path
) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    for item in CAMERA[:4]:
        (folder / f"{item.item}.jpg").write_bytes(item.upload or b"")
    job = make(service, CLUSTER, photos={"kind": "folder", "path": str(folder)}, enroll=True)
    plan = service.gallery.jobs.claim_plan()
    assert plan is not None
    for part in CLUSTER.plan(service, job):
        service.gallery.jobs.listed(plan, part)
    service.gallery.jobs.planned(plan)
    gone = (folder / "d.jpg").read_bytes()
    (folder / "d.jpg").unlink()
    first = run(service, CLUSTER, job)
    assert (first.state, first.failed, first.result["enrolled"]) == (JobState.DONE, 1, 3)
    (folder / "d.jpg").write_bytes(gone)
    service.gallery.jobs.resume(job.id)
    second = run(service, CLUSTER, job)
    assert (second.state, second.failed) == (JobState.DONE, 0)
    assert sorted(person.faces for person in service.gallery.persons("people")) == [2, 3]


def test_a_job_about_persons_takes_no_photos(service: Service) -> None:
    job = done(service, CLUSTER, *CAMERA[:1])
    (item,) = service.gallery.jobs.items(job.id, state=ItemState.REJECTED)
    assert item.reasons == ("not_asked_for",)


def test_real_photos_of_ten_people_make_groups_of_one_person_each(tmp_path: Path, att: Att) -> None:
    service = Service.open(Settings(home=tmp_path))
    try:
        pack = service.pack
        service.gallery.create_collection(NewCollection("people", pack.contract_id, pack.dimension))
        items = [
            NewItem(f"{person}-{number}", {}, att[person, number])
            for person in range(1, 11)
            for number in range(1, 5)
        ]
        options = ClusterOptions.model_validate(
            {"photos": {"kind": "uploads"}, "quality": "none", "max_fmr": 1e-3, "smallest": 1}
        )
        asked = NewJob(CLUSTER.name, "people", options=options.model_dump(mode="json"))
        job = run(service, CLUSTER, service.gallery.jobs.create(asked, items))
        assert job.state is JobState.DONE, job.message
        found = [[one["item"].split("-")[0] for one in group] for group in groups_by_number(service, job)]
    finally:
        service.close()
    assert all(len(set(group)) == 1 for group in found)
    assert len(found) <= 14
    assert sum(map(len, found)) >= 38
