"""Whether a calibration measured on LFW still tells the truth on other faces, here those of AT&T."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.all_pairs.impostors import BINS_PER_UNIT, count_all_pairs
from evaluation.datasets.att import att_faces
from faces.analyzer import Analyzer
from faces.image import decode_image
from faces.pack import load_pack


@pytest.mark.slow
def test_the_default_packs_false_match_rates_hold_within_a_factor_of_three_on_other_faces() -> None:
    pack = load_pack("default")
    assert pack.calibration is not None
    analyzer = Analyzer(pack, threads=2)
    photos = att_faces()
    rows = []
    for start in range(0, len(photos), 16):
        images = [decode_image(photo.path.read_bytes()) for photo in photos[start : start + 16]]
        rows += [analysis.faces[0].embedding for analysis in analyzer.analyze(images)]
    pairs = count_all_pairs(np.stack(rows), [str(photo.person) for photo in photos])
    for fmr in (1e-1, 1e-2, 1e-3):
        threshold = pack.calibration.threshold(fmr)
        first = int(np.ceil((threshold + 1) * BINS_PER_UNIT))
        measured = pairs.impostor[first:].sum() / pairs.impostor.sum()
        assert fmr / 3 < measured < fmr * 3
        assert pairs.genuine[:first].sum() / pairs.genuine.sum() < 0.01
