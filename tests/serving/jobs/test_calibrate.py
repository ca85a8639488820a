"""The kind `calibrate`: rates of strangers as a plain count over all pairs gives them, with intervals and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from index.job_records import JobState
from index.records import NewFace
from serving.jobs.kinds.calibrate import CALIBRATE
from serving.service import Service
from tests.serving.jobs.made_jobs import (
    CALIBRATION,
    contents,
    done,
    enrol,
    made_service,
    make,
    opened_service,
    run,
    units,
)

COUNT = 150


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path) as opened:
        yield opened


def strangers(service: Service, count: int = COUNT) -> None:
    enrol(service, [(f"p{at:04}", NewFace(row)) for at, row in enumerate(units(count))])


def cosines(service: Service) -> np.ndarray:
    """Of all pairs of strangers, by one loop."""
    rows = [
        np.frombuffer(face.vector, np.float16).astype(np.float64)
        for person in contents(service)["people"]
        for face in person.faces
    ]
    rows = [row / np.linalg.norm(row) for row in rows]
    return np.array([one @ other for one, other in combinations(rows, 2)])


def test_rates_are_those_of_a_plain_count(service: Service) -> None:
    strangers(service)
    before = contents(service)
    result = done(service, CALIBRATE).result
    scores = cosines(service)
    assert (result["persons"], result["compared_persons"], result["pairs"]) == (COUNT, COUNT, len(scores))
    assert not result["sampled"]
    counted = [level for level in result["levels"] if level["counted"]]
    assert [level["max_fmr"] for level in counted] == [1e-1, 1e-2]
    for level in counted:
        assert (scores >= level["cosine"]).mean() == pytest.approx(level["max_fmr"], rel=0.1)
        assert level["low"] <= level["cosine"] <= level["high"]
    assert [level["cosine"] for level in result["levels"]] == sorted(
        level["cosine"] for level in result["levels"]
    )
    assert result["counted_down_to"] == pytest.approx(30 / len(scores), rel=0.1)
    assert contents(service) == before


def test_it_says_how_far_the_pack_is_off(service: Service) -> None:
    strangers(service)
    result = done(service, CALIBRATE).result
    scores = cosines(service)
    assert [one["max_fmr"] for one in result["served"]] == [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    for one in result["served"]:
        assert one["cosine"] == pytest.approx(CALIBRATION.threshold(one["max_fmr"]), abs=1e-4)
        assert one["measured_fmr"] == pytest.approx((scores >= one["cosine"]).mean(), abs=2e-4)
        assert one["low"] <= one["measured_fmr"] <= one["high"]
        assert one["times"] == pytest.approx(one["measured_fmr"] / one["max_fmr"], abs=1e-3)


def test_duplicates_raise_the_rates_and_the_result_warns_of_them(service: Service) -> None:
    strangers(service)
    before = done(service, CALIBRATE).result
    enrol(service, [(f"copy{at:04}", NewFace(row)) for at, row in enumerate(units(COUNT))])
    after = done(service, CALIBRATE).result
    assert after["served"][-1]["measured_fmr"] > 0.003 > before["served"][-1]["measured_fmr"]
    assert "run a dedup job first" in after["warning"]


def test_faces_of_one_person_are_no_strangers(service: Service) -> None:
    rows = units(40)
    enrol(service, [(f"p{at:02}", NewFace(rows[at])) for at in range(40) for _ in range(3)])
    result = done(service, CALIBRATE).result
    assert (result["compared_rows"], result["pairs"]) == (120, 9 * 40 * 39 // 2)
    assert result["served"][-1]["measured_fmr"] == 0
    means = done(service, CALIBRATE, of="means").result
    assert (means["compared_rows"], means["pairs"]) == (40, 40 * 39 // 2)


def test_a_sample_is_drawn_by_its_seed(service: Service) -> None:
    strangers(service)
    one, same, other = (done(service, CALIBRATE, rows=60, seed=seed).result for seed in (1, 1, 2))
    assert (one["compared_persons"], one["sampled"]) == (60, True)
    assert one == same
    assert one["levels"] != other["levels"]


def test_a_collection_of_another_pack_is_measured_but_not_compared(service: Service, tmp_path: Path) -> None:
    strangers(service)
    other = made_service(service.gallery, tmp_path, contract="other-1111")
    assert done(other, CALIBRATE).result["served"] == []


def test_too_few_people_are_told_how_many_it_takes(service: Service) -> None:
    for count in (0, 5):
        if count:
            strangers(service, count)
        job = run(service, CALIBRATE, make(service, CALIBRATE))
        assert job.state is JobState.FAILED
        assert f"{count} persons of the collection have a face" in job.message
        assert "need 9 at least" in job.message


def test_finishing_twice_gives_the_same(service: Service) -> None:
    strangers(service, 40)
    job = make(service, CALIBRATE)
    plan = service.gallery.jobs.claim_plan()
    assert plan is not None
    assert list(CALIBRATE.plan(service, job)) == []
    service.gallery.jobs.planned(plan)
    whole = service.gallery.jobs.claim_finish()
    assert whole is not None
    assert CALIBRATE.finish(service, whole) == CALIBRATE.finish(service, whole)
    service.gallery.jobs.let_go(whole)
    service.gallery.jobs.cancel(job.id)
    assert run(service, CALIBRATE, job).state is JobState.CANCELLED


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, CALIBRATE, make(service, CALIBRATE, collection="nowhere"))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message
