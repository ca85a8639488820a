"""What an operator watches, in Prometheus' words. Counts and times only: nothing that tells of a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from serving.settings import Settings

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
COSINES = tuple(round(-0.2 + 0.1 * step, 1) for step in range(12))


class Metrics:
    """One registry a service, so that two services in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files, start
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "cocircle_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "cocircle_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.stage_seconds = Histogram(
            "cocircle_stage_seconds",
            "Time of a batch at work in a stage: decode, detect, align, embed, search; and of a write.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "cocircle_batch_size",
            "Items of a batch: photos, of embed faces, of search templates.",
            ["stage"],
            buckets=BATCHES,
            registry=self.registry,
        )
        self.stage_waiting = Gauge(
            "cocircle_stage_waiting", "Items in a stage's queue.", ["stage"], registry=self.registry
        )
        self.stage_expired = Counter(
            "cocircle_stage_expired",
            "Items whose deadline passed before their turn.",
            ["stage"],
            registry=self.registry,
        )
        self.overloaded = Counter(
            "cocircle_overloaded",
            "Requests answered 429: queue_full or deadline.",
            ["cause"],
            registry=self.registry,
        )
        self.rejections = Counter(
            "cocircle_rejections", "Images and faces not accepted.", ["reason"], registry=self.registry
        )
        self.faces_per_image = Histogram(
            "cocircle_faces_per_image",
            "Faces found on an image.",
            buckets=(0, 1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.searches = Counter(
            "cocircle_searches", "Searched faces, by hit or unknown.", ["outcome"], registry=self.registry
        )
        self.best_cosine = Histogram(
            "cocircle_best_cosine", "Cosine of the best match.", buckets=COSINES, registry=self.registry
        )
        self.waiting = Gauge("cocircle_admitted_photos", "At work or waiting for it.", registry=self.registry)
        self.places = Gauge(
            "cocircle_queue_places",
            "Photos admitted at most; a request beyond is answered 429.",
            registry=self.registry,
        )
        self.deadline = Gauge(
            "cocircle_deadline_seconds", "How long a photo may wait for its analysis.", registry=self.registry
        )
        self.templates = Gauge(
            "cocircle_gallery_faces", "Faces in a collection.", ["collection"], registry=self.registry
        )
        self.store_up = Gauge(
            "cocircle_store_up",
            "1 while the gallery's database answers; without it the gallery's figures are left out.",
            registry=self.registry,
        )
        self.lag = Gauge(
            "cocircle_revision_lag",
            "Changes the vector engine has yet to apply.",
            ["collection"],
            registry=self.registry,
        )
        self.jobs = Gauge(
            "cocircle_jobs", "Jobs that have not ended.", ["kind", "state"], registry=self.registry
        )
        self.job_items_settled = Gauge(
            "cocircle_job_items_settled",
            "Items done, rejected or failed of the jobs that have not ended.",
            ["kind", "state"],
            registry=self.registry,
        )
        self.job_items = Gauge(
            "cocircle_job_items_waiting",
            "Items that jobs have yet to settle, by the job's kind and state.",
            ["kind", "state"],
            registry=self.registry,
        )
        self.model = Gauge(
            "cocircle_model_info", "A served pack.", ["name", "contract_id"], registry=self.registry
        )
        self.build = Gauge(
            "cocircle_build_info",
            "What runs, and on what.",
            ["version", "engine", "provider"],
            registry=self.registry,
        )

    def set_up(self, settings: Settings) -> None:
        """What does not change while the service runs."""
        self.places.set(settings.queue)
        self.deadline.set(settings.deadline)
        self.build.labels(version("cocircle"), settings.engine, settings.provider).set(1)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what runs inside as stage `name`."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(perf_counter() - begun)

    def ran(self, stage: str, size: int, seconds: float) -> None:
        """A batch of `size` was at work in a stage for `seconds`."""
        self.stage_seconds.labels(stage).observe(seconds)
        self.batch_size.labels(stage).observe(size)

    def queued(self, stage: str, waiting: int) -> None:
        """So many items wait for a stage now."""
        self.stage_waiting.labels(stage).set(waiting)

    def expired(self, stage: str) -> None:
        """An item waited too long for a stage."""
        self.stage_expired.labels(stage).inc()

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
