"""Everything a request needs, opened once at start and closed once at the end; holds state, answers nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from faces.analyzer import Analysis, Analyzer, EmbedWhat
from faces.image import ImageLimits, decode_image
from faces.pack import ModelPack, load_pack
from index.gallery import Gallery, GallerySettings
from serving.cursors import Cursors
from serving.gate import AnalysisGate
from serving.keys import KeyRing, Scope
from serving.metrics import Metrics
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
    gate: AnalysisGate
    metrics: Metrics

    @classmethod
    def open(cls, settings: Settings) -> Service:
        """Loads and warms the models, opens the gallery, makes the first administrator's key where keys are on.

        Raises what the rooms below raise: a missing provider, engine or model file stops the start.
        """
        pack = load_pack(settings.pack)
        analyzer = Analyzer(pack, provider=settings.provider, threads=settings.threads)
        analyzer.warm()
        gallery = Gallery.open(GallerySettings(path=settings.folder / "gallery", engine=settings.engine))
        metrics = Metrics()
        metrics.model.labels(pack.name, pack.contract_id).set(1)
        keys = KeyRing(settings.folder / "keys.json")
        if settings.keys_required and not keys.all():
            _show_once(keys.create("first administrator", Scope.ADMIN))
        return cls(
            settings=settings,
            pack=pack,
            analyzer=analyzer,
            gallery=gallery,
            keys=keys,
            cursors=Cursors.open(settings.folder / "cursor.secret"),
            gate=AnalysisGate(settings.concurrency, settings.queue),
            metrics=metrics,
        )

    def close(self) -> None:
        """Writes what the gallery keeps for a fast start and closes it."""
        self.gallery.close()

    @property
    def image_limits(self) -> ImageLimits:
        """What an uploaded image may be."""
        return ImageLimits(max_bytes=self.settings.max_image_bytes, max_pixels=self.settings.max_pixels)

    def analyze(self, data: bytes, embed: EmbedWhat) -> Analysis:
        """Decodes and analyses one encoded image. Raises ImageError."""
        return self.analyze_all([data], embed)[0]

    def analyze_all(self, encoded: Sequence[bytes], embed: EmbedWhat) -> list[Analysis]:
        """Decodes all images, then analyses them in one batch. Raises the ImageError of the first bad one."""
        with self.metrics.stage("decode"):
            images = [decode_image(data, self.image_limits) for data in encoded]
        with self.metrics.stage("analyze"):
            analyses = self.analyzer.analyze(images, embed=embed)
        for analysis in analyses:
            self.metrics.faces_per_image.observe(len(analysis.faces))
        return analyses


def _show_once(key: str) -> None:
    print(
        f"\nAdministrator's key, shown this once (make others with `cocircle keys create`):\n\n    {key}\n",
        file=sys.stderr,
        flush=True,
    )
