"""One evaluation of one pack on LFW, from files to a record that can be printed, stored and compared; prints
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from evaluation.datasets.lfw import Lfw
from evaluation.embedding.pipeline import Embeds
from evaluation.embedding.sources import PackEmbeddings, Report
from evaluation.lfw.calibration import LfwCalibration, lfw_calibration
from evaluation.lfw.protocol import LfwFigures, lfw_figures
from evaluation.provenance import versions
from evaluation.report.protocol_result import finite
from faces.pack import ModelPack


@dataclass(frozen=True)
class LfwRun:
    """One pack's figures with everything that a reader needs to believe or repeat them."""

    pack: str
    contract_id: str
    flip: bool
    images: int
    images_digest: str
    pairs: int
    pairs_digest: str
    rest: int
    rest_digest: str | None
    versions: dict[str, str]
    figures: LfwFigures
    calibration: LfwCalibration | None

    def record(self) -> dict[str, Any]:
        """As JSON values; infinite thresholds become null, the ROC and the genuine cosines are left out."""
        figures = asdict(self.figures)
        del figures["curve"], figures["genuine"]
        whole = {
            "protocol": "LFW, unrestricted, labelled outside data",
            **{name: value for name, value in vars(self).items() if name not in ("figures", "calibration")},
            "figures": figures,
            "calibration": None if self.calibration is None else asdict(self.calibration),
        }
        record: dict[str, Any] = finite(whole)
        return record


def with_flip(pack: ModelPack, flip: bool) -> ModelPack:
    """The pack with mirror averaging on or off; another contract where that changes it."""
    if pack.embedder.flip == flip:
        return pack
    manifest = replace(pack.manifest, embedder=replace(pack.embedder, flip=flip), calibration=None)
    return replace(pack, manifest=manifest)


def run_lfw(
    pack: ModelPack,
    open_analyzer: Callable[[ModelPack], Embeds],
    lfw: Lfw,
    report: Report,
    *,
    calibrate: bool = False,
    use_cache: bool = True,
) -> LfwRun:
    """Embeds what the cache does not hold, then measures. `open_analyzer` is called only where something is
    embedded.

    With `calibrate` all photos of LFW that are there count, also those that no pair names.
    """
    source = PackEmbeddings(pack, open_analyzer, report, use_cache=use_cache)
    photos = source.photos(lfw.images)
    figures = lfw_figures(lfw.pairs, photos)
    calibration = None
    if calibrate:
        sets = [photos]
        if lfw.rest is not None:
            sets.append(source.aligned(lfw.rest))
        with report("pairs", sum(len(one.names) for one in sets)) as progress:
            calibration = lfw_calibration(sets, figures.genuine, progress=progress)
    return LfwRun(
        pack=pack.name,
        contract_id=pack.contract_id,
        flip=pack.embedder.flip,
        images=len(lfw.images.names),
        images_digest=lfw.images.digest,
        pairs=len(lfw.pairs),
        pairs_digest=lfw.pairs_digest,
        rest=0 if lfw.rest is None else len(lfw.rest.names),
        rest_digest=None if lfw.rest is None else lfw.rest.digest,
        versions=versions(),
        figures=figures,
        calibration=calibration,
    )
