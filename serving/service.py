"""Everything a request needs, opened once at start and closed once at the end; holds state, answers nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic

from faces.analyzer import Analysis, Analyzer, EmbedWhat
from faces.batching.pipeline import PART, Analysing, Pipeline, PipelineSettings
from faces.batching.stage import Stage
from faces.image import ImageLimits
from faces.pack import ModelPack, load_pack
from index.gallery import Gallery, GallerySettings
from serving.cursors import Cursors
from serving.keys import KeyRing, Scope
from serving.metrics import Metrics
from serving.searching import Found, PhotoSearch, Search, search_stage
from serving.settings import Settings


@dataclass(frozen=True)
class Service:
    """The opened parts. Close it with `close`."""

    settings: Settings
    pack: ModelPack
    analyzer: Analyzer
    gallery: Gallery
    keys: KeyRing
    cursors: Cursors
    pipeline: Pipeline
    searches: Stage[Search, Found]
    metrics: Metrics

    @classmethod
    def open(cls, settings: Settings) -> Service:
        """Loads and warms the models, opens the gallery, makes the first administrator's key where keys are on.

        Raises what the rooms below raise: a missing provider, engine or model file stops the start.
        """
        pack = load_pack(settings.pack)
        analyzer = Analyzer(pack, provider=settings.provider, threads=settings.threads)
        analyzer.warm()
        gallery = Gallery.open(
            GallerySettings(
                path=settings.folder / "gallery",
                engine=settings.engine,
                database=settings.database_address,
            )
        )
        metrics = Metrics()
        metrics.model.labels(pack.name, pack.contract_id).set(1)
        keys = KeyRing(settings.folder / "keys.json")
        if settings.keys_required and not keys.all():
            _show_once(keys.create("first administrator", Scope.ADMIN))
        pipeline = open_pipeline(analyzer, settings, metrics)
        pipeline.warm()
        return cls(
            settings=settings,
            pack=pack,
            analyzer=analyzer,
            gallery=gallery,
            keys=keys,
            cursors=Cursors.open(settings.folder / "cursor.secret"),
            pipeline=pipeline,
            searches=search_stage(
                gallery,
                places=settings.queue,
                threads=settings.concurrency,
                shared=settings.largest_batch > 1,
                observer=metrics,
            ),
            metrics=metrics,
        )

    def close(self) -> None:
        """Answers what was admitted, then writes what the gallery keeps for a fast start and closes it."""
        self.pipeline.close()
        self.searches.close()
        self.gallery.close()

    def analyze(self, data: bytes, embed: EmbedWhat, *, background: bool = False) -> Analysis:
        """Analyses one encoded image and waits for it; for threads, never for the event loop.

        background: others go first, and it waits as long as that takes. Raises ImageError, DeadlineExceeded,
        Closed.
        """
        deadline = None if background else self.deadline()
        return self.pipeline.submit(
            data, embed, deadline=deadline, background=background, wait=True, then=self._count_faces
        ).result()

    def submit(self, encoded: Sequence[bytes], embed: EmbedWhat) -> list[Future[Analysis]]:
        """The analyses of one request's encoded images. Raises QueueFull, Closed; a future also ImageError and
        DeadlineExceeded.
        """
        return self.pipeline.submit_all(
            encoded, embed, deadline=self.deadline(len(encoded)), then=self._count_faces
        )

    def submit_search(
        self, data: bytes, embed: EmbedWhat, ask: Callable[[Analysis], Search]
    ) -> tuple[Future[Analysis], Future[Found]]:
        """The analysis of an image, and the search for what `ask` reads from it; as submit. To cancel both,
        cancel the second.
        """
        deadline = self.deadline()
        search = PhotoSearch(self.searches, ask, deadline)

        def analyzed(photo: Future[Analysis]) -> None:
            self._count_faces(photo)
            search.analyzed(photo)

        photo = self.pipeline.submit(data, embed, deadline=deadline, then=analyzed)
        search.began(photo)
        return photo, search.found

    def deadline(self, photos: int = 1) -> float:
        """Of time.monotonic(): until when a request with so many photos may wait."""
        return monotonic() + self.settings.deadline * photos

    def _count_faces(self, photo: Future[Analysis]) -> None:
        if not photo.cancelled() and photo.exception() is None:
            self.metrics.faces_per_image.observe(len(photo.result().faces))


def open_pipeline(analyzer: Analysing, settings: Settings, metrics: Metrics) -> Pipeline:
    """The pipeline as the settings want it, its threads waiting for photos."""
    sizes = (2**power for power in range(9))
    most = max(settings.largest_batch, PART)
    # A CPU gains nothing from equal sizes: padding would only cost it the time of the copies.
    buckets = () if settings.provider == "cpu" else tuple(size for size in sizes if size <= most)
    return Pipeline(
        analyzer,
        ImageLimits(max_bytes=settings.max_image_bytes, max_pixels=settings.max_pixels),
        PipelineSettings(
            queue=settings.queue,
            batch=settings.largest_batch,
            threads=settings.concurrency,
            pixels=settings.decoded_pixels,
            buckets=buckets,
        ),
        metrics,
    )


def _show_once(key: str) -> None:
    print(
        f"\nAdministrator's key, shown this once (make others with `cocircle keys create`):\n\n    {key}\n",
        file=sys.stderr,
        flush=True,
    )
