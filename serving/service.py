"""Everything a request needs, opened once at start and closed once at the end; holds state, answers nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from faces.analyzer import Analysis, Analyzer, EmbedWhat
from faces.batching.pipeline import PART, Analysing, Pipeline, PipelineSettings
from faces.batching.stage import Stage
from faces.image import ImageLimits
from faces.pack import ModelPack, PackError, load_pack
from index.errors import ContractMismatch
from index.gallery import Gallery
from index.records import Collection
from serving import cursors
from serving.cursors import Cursors
from serving.keys import KeyRing, gallery_settings, take_over
from serving.limits import Limits
from serving.metrics import Metrics
from serving.recorder import Recorder
from serving.scopes import Scope
from serving.searching import Found, PhotoSearch, Search, search_stage
from serving.settings import Settings, SettingsError

if TYPE_CHECKING:
    from serving.tracing import Tracing


@dataclass(frozen=True)
class ServedPack:
    """A model pack that answers here, with the pipeline in which photos for it share runs of its models."""

    pack: ModelPack
    analyzer: Analyzer
    pipeline: Pipeline


@dataclass(frozen=True)
class Service:
    """The opened parts. Close it with `close`.

    pack, analyzer, pipeline: of the main pack, by which photos alone are answered and which new collections get.
    others: packs served beside it, for collections of their contracts.
    """

    settings: Settings
    pack: ModelPack
    analyzer: Analyzer
    gallery: Gallery
    keys: KeyRing
    cursors: Cursors
    pipeline: Pipeline
    searches: Stage[Search, Found]
    metrics: Metrics
    recorder: Recorder
    limits: Limits = field(default_factory=Limits)
    others: tuple[ServedPack, ...] = field(default=())
    tracing: Tracing | None = None

    @classmethod
    def open(cls, settings: Settings) -> Service:
        """Loads and warms the models, opens the gallery, makes the first administrator's key where keys are on.

        Raises what the rooms below raise: a missing provider, engine or model file stops the start.
        """
        packs = load_packs(settings)
        analyzers = [Analyzer(one, provider=settings.provider, threads=settings.run_threads) for one in packs]
        for one in analyzers:
            one.warm()
        pack, analyzer = packs[0], analyzers[0]
        gallery = Gallery.open(gallery_settings(settings))
        tracing = open_tracing(settings)
        metrics = Metrics() if tracing is None else tracing.metrics()
        metrics.set_up(settings)
        for served in packs:
            metrics.model.labels(served.name, served.contract_id).set(1)
        take_over(settings.folder, gallery.keys)
        keys = KeyRing(gallery.keys)
        if settings.keys_required and not keys.all():
            _show_once(keys.create("first administrator", Scope.ADMIN))
        pipeline = open_pipeline(analyzer, settings, metrics)
        others = tuple(
            ServedPack(one, its, open_pipeline(its, settings, metrics, beside=pipeline))
            for one, its in zip(packs[1:], analyzers[1:], strict=True)
        )
        for each in (pipeline, *(other.pipeline for other in others)):
            each.warm()
        return cls(
            settings=settings,
            pack=pack,
            analyzer=analyzer,
            gallery=gallery,
            keys=keys,
            cursors=Cursors.open(settings.folder / cursors.FILE),
            pipeline=pipeline,
            searches=search_stage(
                gallery,
                places=settings.queue,
                threads=settings.concurrency,
                shared=settings.largest_batch > 1,
                observer=metrics,
            ),
            metrics=metrics,
            recorder=Recorder(gallery, searches=settings.audit == "all"),
            others=others,
            tracing=tracing,
        )

    @property
    def packs(self) -> tuple[ServedPack, ...]:
        """Every served pack, the main one first."""
        return (ServedPack(self.pack, self.analyzer, self.pipeline), *self.others)

    def served(self, contract_id: str) -> ServedPack | None:
        """The served pack of a contract, None where there is none here."""
        return next((one for one in self.packs if one.pack.contract_id == contract_id), None)

    def named(self, name_or_contract: str) -> ServedPack | None:
        """The served pack of a contract, or of a name that no other served pack has."""
        called = [one for one in self.packs if one.pack.name == name_or_contract]
        return self.served(name_or_contract) or (called[0] if len(called) == 1 else None)

    def of(self, collection: Collection) -> ServedPack:
        """The served pack of a collection's contract. Raises ContractMismatch, naming it and what is served."""
        found = self.served(collection.contract_id)
        if found is None:
            contracts = ", ".join(one.pack.contract_id for one in self.packs)
            raise ContractMismatch(
                f"collection {collection.id!r} holds templates of the model contract {collection.contract_id}; this "
                f"service serves {contracts}, whose templates are never compared with those"
            )
        return found

    def close(self) -> None:
        """Answers what was admitted, then writes what the gallery keeps for a fast start and closes it."""
        for one in self.packs:
            one.pipeline.close()
        self.searches.close()
        self.recorder.close()
        self.gallery.close()
        if self.tracing is not None:
            self.tracing.close()

    def traced(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """A span around what is no request, where traces are on."""
        return nullcontext() if self.tracing is None else self.tracing.span(name, **attributes)

    def analyze(self, data: bytes, embed: EmbedWhat, *, background: bool = False) -> Analysis:
        """Analyses one encoded image and waits for it; for threads, never for the event loop.

        background: others go first, and it waits as long as that takes. Raises ImageError, DeadlineExceeded,
        Closed.
        """
        deadline = None if background else self.deadline()
        return self.pipeline.submit(
            data, embed, deadline=deadline, background=background, wait=True, then=self._count_faces
        ).result()

    def submit(
        self, encoded: Sequence[bytes], embed: EmbedWhat, served: ServedPack | None = None
    ) -> list[Future[Analysis]]:
        """The analyses of one request's encoded images, by the main pack or another. Raises QueueFull, Closed; a future
        also ImageError and DeadlineExceeded.
        """
        pipeline = self.pipeline if served is None else served.pipeline
        return pipeline.submit_all(
            encoded, embed, deadline=self.deadline(len(encoded)), then=self._count_faces
        )

    def submit_search(
        self, data: bytes, embed: EmbedWhat, ask: Callable[[Analysis], Search], served: ServedPack
    ) -> tuple[Future[Analysis], Future[Found]]:
        """The analysis of an image by a pack, and the search for what `ask` reads from it; as submit. To cancel both,
        cancel the second.
        """
        deadline = self.deadline()
        search = PhotoSearch(self.searches, ask, deadline)

        def analyzed(photo: Future[Analysis]) -> None:
            self._count_faces(photo)
            search.analyzed(photo)

        photo = served.pipeline.submit(data, embed, deadline=deadline, then=analyzed)
        search.began(photo)
        return photo, search.found

    def deadline(self, photos: int = 1) -> float:
        """Of time.monotonic(): until when a request with so many photos may wait."""
        return monotonic() + self.settings.deadline * photos

    def _count_faces(self, photo: Future[Analysis]) -> None:
        if not photo.cancelled() and photo.exception() is None:
            self.metrics.faces_per_image.observe(len(photo.result().faces))


def open_tracing(settings: Settings) -> Tracing | None:
    """What makes spans and sends them; None where nobody asked for it. Raises SettingsError."""
    if settings.traces == "off":
        return None
    try:
        from serving.tracing import Tracing
    except ImportError as error:
        raise SettingsError(
            "COCIRCLE_TRACES needs the OpenTelemetry SDK; install it with: pip install 'cocircle[tracing]'"
        ) from error
    return Tracing(settings.traces)


def load_packs(settings: Settings) -> list[ModelPack]:
    """The main pack and those beside it. Raises PackError, also where two of them are of one contract."""
    found: dict[str, ModelPack] = {}
    for name in (settings.pack, *settings.packs):
        pack = load_pack(name)
        other = found.setdefault(pack.contract_id, pack)
        if other is not pack:
            raise PackError(
                f"the packs {other.name!r} and {pack.name!r} are both of contract {pack.contract_id}: either could "
                "answer for a collection of it; serve one of them"
            )
    return list(found.values())


def open_pipeline(
    analyzer: Analysing, settings: Settings, metrics: Metrics, beside: Pipeline | None = None
) -> Pipeline:
    """The pipeline as the settings want it, its threads waiting for photos.

    beside: that of another pack, with which it shares the places and the memory that the settings allow.
    """
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
            even=settings.provider == "cpu",
        ),
        metrics,
        beside,
    )


def _show_once(key: str) -> None:
    print(
        f"\nAdministrator's key, shown this once (make others with `cocircle keys create`):\n\n    {key}\n",
        file=sys.stderr,
        flush=True,
    )
