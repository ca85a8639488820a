"""The kind `dedup`: pairs of persons who look like one, each once, as an exhaustive comparison finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from index.job_records import JobState
from index.records import Fusion, NewFace
from serving.jobs import neighbours
from serving.jobs.kinds.dedup import DEDUP, SPAN
from serving.jobs.likeness import Likeness
from serving.service import Service
from tests.serving.jobs.made_jobs import (
    done,
    enrol,
    findings,
    like,
    made_service,
    make,
    opened_service,
    run,
    run_with_deaths,
    units,
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path) as opened:
        yield opened


def names(count: int) -> list[str]:
    """Ids in an order that is not that of enrolment."""
    return [f"p{(at * 7919) % 10_007:05}" for at in range(count)]


def some_doubles(service: Service, count: int = 3 * SPAN) -> None:
    """Strangers, of whom every tenth comes a second time, some cosines around the threshold of .8."""
    rows = units(count)
    for at in range(0, count - 1, 10):
        rows[at + 1] = like(rows[at], 0.7 + 0.25 * at / count, seed=at)
    rows[count - 5] = like(rows[0], 0.95, seed=5)  # and a third one, far away
    enrol(service, [(id, NewFace(row)) for id, row in zip(names(count), rows, strict=True)])


def reference(service: Service, threshold: float) -> dict[tuple[str, str], float]:
    """Every pair, by one loop over all."""
    with service.gallery.reading() as reading:
        people = {
            person.id: np.frombuffer(person.faces[0].vector, np.float16).astype(np.float64)
            for span in reading.spans("people", 1000)
            for person in reading.carried("people", span, with_crops=False)
        }
    found = {}
    for a, one in people.items():
        for b, other in people.items():
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            if a < b and cosine >= threshold:
                found[a, b] = cosine
    return found


def pairs(service: Service, job: Any) -> dict[tuple[str, str], float]:
    told = [one for one in findings(service, job) if "cosine" in one]
    found = {(one["a"], one["b"]): one["cosine"] for one in told}
    assert len(found) == len(told), "a pair was told of twice"
    return found


def test_it_finds_the_pairs_that_an_exhaustive_comparison_finds(service: Service) -> None:
    some_doubles(service)
    job = done(service, DEDUP)
    wanted = reference(service, 0.8)
    found = pairs(service, job)
    assert len(wanted) > 15
    assert found.keys() == wanted.keys()
    assert all(abs(found[pair] - wanted[pair]) < 1e-5 for pair in wanted)
    assert job.result["compared"] == 3 * SPAN
    assert job.result["pairs"] == len(wanted)
    assert job.result["threshold"] == 0.8
    assert job.result["expected_by_chance"] == pytest.approx(1e-6 * 300 * 299 / 2, abs=1e-3)


def test_a_pair_says_how_often_strangers_are_as_alike(service: Service) -> None:
    one = units(1)[0]
    enrol(service, [("a", NewFace(one)), ("b", NewFace(like(one, 0.9)))])
    (finding,) = findings(service, done(service, DEDUP))
    assert finding["false_match_rate"] == pytest.approx(1e-7, rel=0.1)
    assert finding["match_level"] == pytest.approx(7.0, abs=0.05)


def test_three_who_are_one_are_one_group(service: Service) -> None:
    one, other = units(2)
    doubles = [("a", one), ("b", like(one, 0.95, 1)), ("c", like(one, 0.95, 2)), ("d", other), ("e", other)]
    enrol(service, [(id, NewFace(row)) for id, row in doubles])
    result = done(service, DEDUP, max_fmr=1e-5).result
    assert (result["groups"], result["persons"], result["largest_group"]) == (2, 5, 3)


def test_killed_workers_leave_what_an_undisturbed_run_leaves(service: Service) -> None:
    some_doubles(service)
    undisturbed = done(service, DEDUP)
    disturbed = run_with_deaths(service, DEDUP, make(service, DEDUP))
    assert disturbed.result == undisturbed.result

    def told(job: Any) -> list[str]:
        return sorted(map(str, findings(service, job)))

    assert told(disturbed) == told(undisturbed)


def test_photos_that_two_persons_were_enrolled_from_are_copies(service: Service) -> None:
    rows = units(5)
    owners = [
        ("a", "01"),
        ("b", "01"),
        ("c", "01"),
        ("a", "02"),
        ("c", "02"),
        ("d", "03"),
        ("d", "03"),
        ("e", None),
    ]
    enrol(service, [(id, NewFace(rows[at % 5], source=source)) for at, (id, source) in enumerate(owners)])
    job = done(service, DEDUP, threshold=1.0)
    copies = [one for one in findings(service, job) if "photos" in one]
    assert copies == [{"a": "a", "b": "b", "photos": 1}, {"a": "a", "b": "c", "photos": 2}]
    assert job.result["copies"] == 2


def test_where_samples_are_searched_the_best_two_samples_decide(tmp_path: Path) -> None:
    with opened_service(tmp_path, fusion=Fusion.SAMPLES) as service:
        rows = units(4)
        enrol(service, [("a", NewFace(rows[0])), ("a", NewFace(rows[1]))])
        enrol(
            service, [("b", NewFace(rows[2])), ("b", NewFace(like(rows[1], 0.93))), ("c", NewFace(rows[3]))]
        )
        assert pairs(service, done(service, DEDUP)) == {("a", "b"): pytest.approx(0.93, abs=1e-3)}


def test_more_neighbours_than_are_asked_for_at_first_are_all_found(service: Service) -> None:
    one = units(1)[0]
    count = neighbours.FIRST * 2
    enrol(service, [(f"p{at:03}", NewFace(like(one, 0.99, at))) for at in range(count)])
    result = done(service, DEDUP).result
    assert (result["pairs"], result["groups"], result["cut"]) == (count * (count - 1) // 2, 1, 0)


def test_of_more_neighbours_than_can_be_told_the_nearest_are_and_the_rest_is_counted_as_cut(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "MOST", 20)
    enrol(service, [(f"p{at:03}", NewFace(units(1)[0])) for at in range(30)])
    result = done(service, DEDUP).result
    assert (result["cut"], result["groups"], result["persons"]) == (30, 1, 20)


def test_an_empty_collection_has_no_pairs(service: Service) -> None:
    result = done(service, DEDUP).result
    assert (result["compared"], result["pairs"], result["groups"]) == (0, 0, 0)


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, DEDUP, make(service, DEDUP, collection="nowhere"))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message


def test_a_cancelled_job_tells_of_nothing_more_and_can_go_on(service: Service) -> None:
    some_doubles(service, SPAN)
    job = make(service, DEDUP)
    service.gallery.jobs.cancel(job.id)
    assert run(service, DEDUP, job).state is JobState.CANCELLED
    assert findings(service, job) == []
    service.gallery.jobs.resume(job.id)
    assert run(service, DEDUP, job).result["pairs"] == len(reference(service, 0.8))


def test_a_rate_waits_for_a_process_that_serves_the_pack_and_a_cosine_does_not(
    service: Service, tmp_path: Path
) -> None:
    enrol(service, [("a", NewFace(units(1)[0])), ("b", NewFace(units(1)[0]))])
    other = made_service(service.gallery, tmp_path, contract="other-1111")
    waits = make(service, DEDUP)
    assert run(other, DEDUP, waits).state is JobState.WAITING
    service.gallery.jobs.cancel(waits.id)
    (finding,) = findings(service, done(other, DEDUP, threshold=0.9))
    assert (finding["a"], finding["b"], finding["false_match_rate"]) == ("a", "b", None)


def test_a_rate_and_a_cosine_are_not_given_both() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Likeness(max_fmr=1e-3, threshold=0.5)
