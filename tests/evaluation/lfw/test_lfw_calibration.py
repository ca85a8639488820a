"""The calibration run: which pairs count as strangers, and what the table of thresholds says."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.datasets.lfw_label_errors import SAME_PERSON, WRONG_LABELS
from evaluation.embedding.pipeline import EmbeddedSet
from evaluation.lfw.calibration import lfw_calibration

GENUINE = np.linspace(0.3, 0.95, 100)


def embedded(names: list[str], rows: np.ndarray) -> EmbeddedSet:
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddedSet(tuple(names), unit, unit, np.ones(len(names), np.int32))


def strangers(count: int) -> tuple[list[str], np.ndarray]:
    rows = np.random.default_rng(8).normal(size=(count, 32))
    return [f"Person{at}/Person{at}_0001.jpg" for at in range(count)], rows


def test_second_names_and_wrong_labels_are_no_strangers() -> None:
    names, rows = strangers(60)
    alias, name = next(iter(SAME_PERSON.items()))
    names += [f"{alias}/{alias}_0001.jpg", f"{name}/{name}_0001.jpg", sorted(WRONG_LABELS)[0]]
    rows = np.concatenate([rows, rows[:1] + 5, rows[:1] + 5, rows[1:2]])
    sets = [embedded(names[:30], rows[:30]), embedded(names[30:], rows[30:])]
    cleaned = lfw_calibration(sets, GENUINE)
    assert (cleaned.images, cleaned.people, cleaned.excluded) == (62, 61, 1)
    assert cleaned.calibration.pairs == 62 * 61 // 2 - 1
    assert cleaned.strongest[0][2] < 0.9
    assert "1 photos with wrong labels left out, 1 second names" in cleaned.calibration.data
    as_labelled = lfw_calibration(sets, GENUINE, exclude_errors=False)
    assert as_labelled.calibration.pairs == 63 * 62 // 2
    assert [pair[2] for pair in as_labelled.strongest[:2]] == pytest.approx([1.0, 1.0])


def test_each_level_states_its_threshold_and_what_it_costs() -> None:
    names, rows = strangers(150)
    result = lfw_calibration([embedded(names, rows)], GENUINE)
    for level in result.levels:
        assert level.cosine == result.calibration.threshold(level.fmr)
        assert level.fnmr == np.mean(level.cosine > GENUINE)
        assert level.extrapolated == (level.fmr < result.calibration.floor)
        if level.interval is not None:
            assert level.interval.low <= level.interval.fmr <= level.interval.high
            assert level.interval.fmr <= level.fmr
    cosines = [level.cosine for level in result.levels]
    assert cosines == sorted(cosines)
