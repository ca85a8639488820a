"""The packs on the real LFW: the figures that the project promises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.datasets.lfw import Lfw, open_lfw, person_of
from evaluation.datasets.lfw_label_errors import SAME_PERSON, WRONG_LABELS
from evaluation.embedding.pipeline import embed_photos
from evaluation.lfw.run import LfwRun, run_lfw
from evaluation.verification.measures import pair_cosines
from faces.analyzer import Analyzer
from faces.pack import load_pack

SHARED = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[4] / "shared")
FOLDER = SHARED / "data" / "lfw"

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"LFW is not at {FOLDER}; set COCIRCLE_DATA"),
]


@pytest.fixture(scope="module")
def lfw() -> Lfw:
    return open_lfw(FOLDER)


@contextmanager
def silent(what: str, total: int) -> Iterator[object]:
    yield lambda done: None


def test_every_listed_label_error_is_a_photo_or_a_name_of_lfw(lfw: Lfw) -> None:
    assert lfw.rest is not None
    names = {*lfw.images.names, *lfw.rest.names}
    assert len(names) == 13_233
    assert names >= WRONG_LABELS
    assert {person_of(name) for name in names} >= {*SAME_PERSON, *SAME_PERSON.values()}
    assert not SAME_PERSON.keys() & set(SAME_PERSON.values())


def test_the_calibrated_threshold_separates_real_pairs(lfw: Lfw) -> None:
    """Pairs of the first fold, at the threshold that the manifest gives for one false match in a thousand."""
    pack = load_pack("default")
    assert pack.calibration is not None
    of_first_fold = [pair for pair in lfw.pairs if pair.fold == 0]
    pairs = of_first_fold[:40] + of_first_fold[300:340]
    wanted = tuple(sorted({name for pair in pairs for name in (pair.left, pair.right)}))
    embedded = embed_photos(Analyzer(pack, threads=2), replace(lfw.images, names=wanted))
    assert (embedded.faces > 0).all()
    rows = embedded.rows
    cosines = pair_cosines(
        embedded.central, [rows[pair.left] for pair in pairs], [rows[pair.right] for pair in pairs]
    )
    accepted = cosines >= pack.calibration.threshold(1e-3)
    same = np.array([pair.same for pair in pairs])
    assert accepted[same].mean() >= 0.95
    assert accepted[~same].sum() <= 1


@pytest.fixture(scope="module")
def measured(lfw: Lfw) -> LfwRun:
    """The default pack on every photo of LFW, embedded anew."""
    analyzer = Analyzer(load_pack("default"), threads=2)
    return run_lfw(analyzer.pack, lambda _: analyzer, lfw, silent, calibrate=True, use_cache=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_default_pack_reaches_99_4_percent_on_all_pairs_of_lfw(measured: LfwRun) -> None:
    assert measured.figures.accuracy.pairs == 6000
    assert measured.figures.accuracy.mean >= 0.994
    assert measured.figures.choice.no_face == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_committed_calibration_is_what_lfw_gives_again(measured: LfwRun) -> None:
    """Measured again from the images: every threshold within .005 of the manifest's."""
    committed = load_pack("default").calibration
    assert committed is not None
    assert measured.calibration is not None
    again = measured.calibration.calibration
    for fmr in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
        assert again.threshold(fmr) == pytest.approx(committed.threshold(fmr), abs=0.005)
