"""The pipeline answers as analyze does, whoever shares its batches, and ends every photo whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from threading import Lock, Thread
from time import monotonic, perf_counter

import cv2
import numpy as np
import pytest
from conftest import att, att_file

from faces.analyzer import Analysis, Analyzer, EmbedWhat
from faces.batching.admission import Admission
from faces.batching.errors import Closed, DeadlineExceeded, QueueFull
from faces.batching.pipeline import PART, Pipeline, PipelineSettings, padded
from faces.batching.pixels import PixelBudget
from faces.face import Image, Reason
from faces.image import ImageError, ImageLimits, decode_image
from tests.faces.fake_analyzer import LIMIT, FakeAnalyzer


def png(image: Image) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def flat(value: int, side: int = 8) -> bytes:
    """A photo on which the fake analyzer finds `value % 100` faces."""
    return png(np.full((side, side, 3), value, np.uint8))


def opened(analyzer: FakeAnalyzer, **settings: object) -> Pipeline:
    options = {"buckets": (), **settings}
    return Pipeline(analyzer, ImageLimits(max_pixels=1_000_000), PipelineSettings(**options))  # type: ignore[arg-type]


def rows(analysis: Analysis) -> list[list[float]]:
    return [face.embedding.tolist() for face in analysis.faces if face.embedding is not None]


def assert_same(one: Analysis, two: Analysis) -> None:
    assert (one.width, one.height, len(one.faces)) == (two.width, two.height, len(two.faces))
    for a, b in zip(one.faces, two.faces, strict=True):
        assert np.allclose(a.detection.box, b.detection.box, atol=1e-2)
        assert np.allclose(a.detection.landmarks, b.detection.landmarks, atol=1e-2)
        assert a.quality.reasons == b.quality.reasons
        assert (a.embedding is None) == (b.embedding is None)
        if a.embedding is not None and b.embedding is not None:
            assert np.abs(a.embedding - b.embedding).max() <= 1e-5


@pytest.mark.parametrize("buckets", [(), (1, 2, 4, 8, 16, 32)])
def test_photos_of_many_sizes_are_answered_together_as_each_alone(
    analyzer: Analyzer, group: Image, buckets: tuple[int, ...]
) -> None:
    images = [
        group,
        att(7, 1),
        np.zeros((5, 90, 3), np.uint8),
        att(8, 2)[:90],
        group[:300, :333],
        cv2.resize(att(9, 3), (400, 487)).astype(np.uint8),
    ]
    pipeline = Pipeline(analyzer, ImageLimits(), PipelineSettings(buckets=buckets, threads=1))
    pipeline.warm()
    asked = [(image, what) for image in images for what in EmbedWhat]
    with ThreadPoolExecutor(6) as pool:
        futures = list(pool.map(lambda one: pipeline.submit(png(one[0]), one[1]), asked))
    found = [future.result(LIMIT) for future in futures]
    pipeline.close()
    for (image, what), analysis in zip(asked, found, strict=True):
        (alone,) = analyzer.analyze([image], embed=what)
        assert_same(alone, analysis)
    assert {len(analysis.faces) for analysis in found} >= {0, 1, 6}


def test_a_bad_image_among_good_ones_fails_alone_and_says_why(analyzer: Analyzer) -> None:
    good = [att_file(person, 1).read_bytes() for person in (1, 2)]
    sent = [good[0], b"GIF89a", good[1][:500], png(np.zeros((1100, 1000, 3), np.uint8)), good[1]]
    pipeline = Pipeline(analyzer, ImageLimits(max_pixels=1_000_000), PipelineSettings(buckets=()))
    futures = pipeline.submit_all(sent)
    wait_for(futures, LIMIT)
    pipeline.close()
    reasons = [
        error.reason if isinstance(error := future.exception(), ImageError) else None for future in futures
    ]
    wanted = [None, Reason.UNSUPPORTED_TYPE, Reason.INVALID_IMAGE, Reason.TOO_LARGE, None]
    assert reasons == wanted
    for data, future in ((good[0], futures[0]), (good[1], futures[4])):
        (alone,) = analyzer.analyze([decode_image(data)])
        assert_same(alone, future.result())
    assert pipeline.admission.admitted == 0
    assert pipeline._budget.held == 0


def test_every_caller_gets_the_faces_of_its_own_photo() -> None:
    fake = FakeAnalyzer()
    pipeline = opened(fake)
    counts = [7, 1, 0, 100 + 12, 99, 3] * 5
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda count: pipeline.submit(flat(count), EmbedWhat.ALL), counts))
    for count, future in zip(counts, futures, strict=True):
        assert rows(future.result(LIMIT)) == [[count, rank] for rank in range(count % 100)]
    pipeline.close()


def test_a_face_that_cannot_be_embedded_fails_its_own_photo_only() -> None:
    fake = FakeAnalyzer()
    pipeline = opened(fake)
    futures = pipeline.submit_all([flat(count) for count in (2, 66, 3)], EmbedWhat.ALL)
    assert rows(futures[0].result(LIMIT)) == [[2, 0], [2, 1]]
    assert len(rows(futures[2].result(LIMIT))) == 3
    with pytest.raises(ValueError, match="66 cannot"):
        futures[1].result(LIMIT)
    pipeline.close()
    assert pipeline.admission.admitted == 0


def test_the_faces_of_a_crowd_let_others_photos_pass() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake, threads=1, batch=8)
    first = pipeline.submit(flat(1))
    assert fake.entered.wait(LIMIT)
    futures = pipeline.submit_all([flat(99), *[flat(1)] * 5], EmbedWhat.ALL)
    ended: list[int] = []
    for place, future in enumerate(futures):
        future.add_done_callback(lambda _, place=place: ended.append(place))
    fake.go.set()
    wait_for([first, *futures], LIMIT)
    pipeline.close()
    assert ended[-1] == 0
    assert all(len(batch) <= max(8, PART) for batch in fake.embedded)


def test_more_photos_than_the_queue_are_refused_and_a_caller_of_many_is_admitted_whole() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake, queue=3)
    futures = [pipeline.submit(flat(1)), pipeline.submit(flat(1))]
    futures += pipeline.submit_all([flat(1)] * 4)
    assert pipeline.admission.full
    with pytest.raises(QueueFull, match="6 photos"):
        pipeline.submit(flat(1))
    with pytest.raises(DeadlineExceeded, match="no place"):
        pipeline.submit(flat(1), wait=True, deadline=monotonic() - 1)
    fake.go.set()
    wait_for(futures, LIMIT)
    assert len(rows(pipeline.submit(flat(1)).result(LIMIT))) == 1
    pipeline.close()


def test_the_background_leaves_half_of_the_places_to_others() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake, queue=4)
    futures = [pipeline.submit(flat(1), background=True) for _ in range(2)]
    with pytest.raises(QueueFull):
        pipeline.submit(flat(1), background=True)
    futures += [pipeline.submit(flat(1)) for _ in range(2)]
    fake.go.set()
    assert all(len(future.result(LIMIT).faces) == 1 for future in futures)
    pipeline.close()


def test_a_photo_that_waited_too_long_is_not_looked_at() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake, threads=1)
    first = pipeline.submit(flat(1))
    assert fake.entered.wait(LIMIT)
    late = pipeline.submit(flat(2), deadline=monotonic() - 1)
    with pytest.raises(DeadlineExceeded):
        late.result(LIMIT)
    fake.go.set()
    first.result(LIMIT)
    pipeline.close()
    assert fake.detected == [1]


def test_a_cancelled_photo_is_worked_on_no_further_and_leaves_its_place_and_memory() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake, threads=1)
    first = pipeline.submit(flat(1))
    assert fake.entered.wait(LIMIT)
    second = pipeline.submit(flat(2))
    assert first.cancel()
    assert second.cancel()
    fake.go.set()
    pipeline.close()
    for future in (first, second):
        with pytest.raises(CancelledError):
            future.result()
    assert fake.embedded == []
    assert (pipeline.admission.admitted, pipeline._budget.held) == (0, 0)


def test_closing_answers_what_was_admitted_and_admits_no_more() -> None:
    fake = FakeAnalyzer()
    fake.go.clear()
    pipeline = opened(fake)
    futures = [pipeline.submit(flat(count), EmbedWhat.ALL) for count in (1, 20, 3) * 4]
    closing = Thread(target=pipeline.close)
    closing.start()
    refused = None
    while refused is None:
        try:
            futures.append(pipeline.submit(flat(1), wait=True, deadline=monotonic() + LIMIT))
        except Closed as error:
            refused = error
    fake.go.set()
    closing.join(LIMIT)
    assert [len(future.result(0).faces) for future in futures[:3]] == [1, 20, 3]
    assert all(future.done() for future in futures)
    pipeline.close()


def test_decoded_pixels_stay_within_the_budget_and_a_giant_is_let_in_alone() -> None:
    held: list[int] = []
    fake = FakeAnalyzer()
    pipeline = opened(fake, threads=4, pixels=100)
    take = pipeline._budget.take

    def watched(pixels: int, until: float | None = None) -> None:
        take(pixels, until)
        held.append(pipeline._budget.held)

    pipeline._budget.take = watched  # type: ignore[method-assign]
    futures = pipeline.submit_all([flat(1, side) for side in (8, 5, 40, 8, 7, 3, 12) * 4])
    assert [len(future.result(LIMIT).faces) for future in futures] == [1] * 28
    pipeline.close()
    assert max(held) == 1600
    assert all(pixels <= 100 or pixels in (1600, 144) for pixels in held)
    assert pipeline._budget.held == 0


def test_who_waits_for_pixels_gives_up_at_its_deadline_and_keeps_nobody_behind_it() -> None:
    budget = PixelBudget(10)
    budget.take(8)
    with pytest.raises(DeadlineExceeded, match="memory"):
        budget.take(3, monotonic() - 1)
    budget.take(2, monotonic() - 1)
    assert budget.held == 10
    budget.give_back(10)
    budget.take(1000)


def test_the_time_to_wait_follows_the_rate_of_answers() -> None:
    admission = Admission(100)
    assert admission.seconds_to_wait() == 1
    admission.enter(50)
    for _ in range(10):
        admission.leave()
    assert admission.seconds_to_wait() == 1
    now = monotonic()
    admission._left.clear()
    # An answer every two seconds, and forty photos still here.
    admission._left.extend(now - 20 + 2 * step for step in range(10))
    assert admission.seconds_to_wait() == 60
    admission._left.clear()
    admission._left.extend(now - 2 + 0.2 * step for step in range(10))
    assert admission.seconds_to_wait() in (8, 9)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (8, 8), (9, 9)])
def test_padding_goes_to_the_next_bucket_by_copies_and_never_beyond(count: int, size: int) -> None:
    crops = np.arange(count * 3, dtype=np.uint8).reshape(count, 1, 1, 3)
    full = padded(crops, (1, 2, 4, 8))
    assert len(full) == size
    assert (full[:count] == crops).all()
    assert (full[count:] == crops[-1]).all()


def photos_a_second(batch: int, clients: int = 32, each: int = 3) -> float:
    fake = FakeAnalyzer(seconds=0.01)
    pipeline = opened(fake, batch=batch, threads=1)
    lock, answered = Lock(), 0

    def client(_: int) -> None:
        nonlocal answered
        for _ in range(each):
            assert rows(pipeline.submit(flat(1)).result(LIMIT)) == [[1, 0]]
            with lock:
                answered += 1

    begun = perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    seconds = perf_counter() - begun
    pipeline.close()
    assert answered == clients * each
    return answered / seconds


def test_sharing_runs_of_a_model_whose_cost_is_a_run_serves_many_times_as_many() -> None:
    # Six times on a quiet machine (benchmarks.load --accelerator); a busy one takes its share of each.
    assert photos_a_second(batch=32) >= 2 * photos_a_second(batch=1)


def test_what_follows_an_answer_is_called_once_for_each_photo() -> None:
    pipeline = opened(FakeAnalyzer())
    ended: list[Future[Analysis]] = []
    note: Callable[[Future[Analysis]], None] = ended.append
    futures = pipeline.submit_all([flat(1), b"no image", flat(0)], then=note)
    wait_for(futures, LIMIT)
    pipeline.close()
    assert sorted(map(id, ended)) == sorted(map(id, futures))


@pytest.mark.parametrize("buckets", [(), (1, 2, 4, 8)])
def test_crops_embedded_behind_photos_are_what_the_analyzer_makes_of_them(
    analyzer: Analyzer, buckets: tuple[int, ...]
) -> None:
    (faces,) = analyzer.analyze([att(3, 1)], embed=EmbedWhat.NONE)
    (others,) = analyzer.analyze([att(4, 1)], embed=EmbedWhat.NONE)
    crops = np.stack([faces.faces[0].crop, others.faces[0].crop] * 5 + [faces.faces[0].crop])
    pipeline = Pipeline(analyzer, ImageLimits(), PipelineSettings(buckets=buckets, batch=8, threads=1))
    found = pipeline.embed_crops(crops)
    pipeline.close()
    assert np.abs(found - analyzer.embed_crops(crops)).max() <= 1e-5
    with pytest.raises(Closed):
        pipeline.embed_crops(crops)


def test_a_pipeline_beside_another_shares_its_places() -> None:
    one, other = FakeAnalyzer(), FakeAnalyzer()
    first = opened(one, queue=1)
    second = Pipeline(other, ImageLimits(), PipelineSettings(queue=9, buckets=()), beside=first)
    first.admission.enter()
    with pytest.raises(QueueFull):
        second.submit(flat(1))
    first.admission.leave()
    assert len(second.submit(flat(1)).result(LIMIT).faces) == 1
    first.close()
    with pytest.raises(Closed):
        second.submit(flat(1))
    second.close()
