"""One-to-many figures as rows and curves: what is shown, what is marked, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.identification.open_set import Searches, det, fnir_at, fpir_at
from evaluation.identification.open_set_figures import cmc_plot, det_plot, figure_rows, open_set_figures

NONE = -np.inf


def searches(strangers: int, depth: int | None = None) -> Searches:
    """Twenty mated probes, one of them second, and strangers from .2 up to .4."""
    mate = np.concatenate([np.linspace(0.45, 0.95, 20), np.full(strangers, NONE)])
    other = np.concatenate([np.full(20, 0.3), np.linspace(0.2, 0.4, strangers)])
    other[0] = 0.5
    return Searches(
        people=np.concatenate([np.arange(20) // 2, 100 + np.arange(strangers)]),
        mated=np.arange(20 + strangers) < 20,
        rank=np.concatenate([[2], np.ones(19, int), np.zeros(strangers, int)]),
        mate=mate,
        other=other,
        depth=depth,
    )


def test_rates_that_the_strangers_cannot_tell_from_zero_are_marked() -> None:
    rows = dict(figure_rows(open_set_figures(searches(150), resamples=20)))
    assert rows["mated probes (people)"] == "20 (10)"
    assert rows["rank-1, %"].startswith("95.00 [")
    assert rows["rank-5, %"] == "100.00 [100.00, 100.00]"
    assert "unsupported" not in rows["FNIR at FPIR 0.01, %"]
    assert rows["FNIR at FPIR 0.001, %"].endswith("(unsupported)")
    assert rows["threshold for FPIR 0.001"] == "0.4000 (unsupported)"


def test_what_cannot_be_said_is_left_out() -> None:
    shallow = open_set_figures(searches(0, depth=5), resamples=20)
    assert [one.rank for one in shallow.ranks] == [1, 5]
    assert not shallow.open_set
    assert not [name for name, _ in figure_rows(shallow) if "FPIR" in name or "strangers" in name]
    full = searches(30)
    alone = Searches(*(getattr(full, name)[20:] for name in ("people", "mated", "rank", "mate", "other")))
    names = [name for name, _ in figure_rows(open_set_figures(alone, resamples=20))]
    assert not [name for name in names if "rank" in name or "FNIR" in name]
    assert "threshold for FPIR 0.1" in names


def test_the_drawn_curve_is_measured_points_from_one_false_positive_on() -> None:
    found = searches(1500)
    curve = det(found)
    (drawn,) = det_plot("t", "s", found).curves
    assert len(drawn.points) <= 200
    measured = set(zip(curve.fpir.tolist(), curve.fnir.tolist(), strict=True))
    assert set(drawn.points) <= measured
    assert drawn.points[0][0] == pytest.approx(1 / 1500)
    assert drawn.points[-1] == pytest.approx((1.0, 0.05))
    for fpir, fnir in drawn.points[::20]:
        loosest = min(curve.thresholds[curve.fpir <= fpir])
        assert (fpir_at(found, loosest), fnir_at(found, loosest)) == pytest.approx((fpir, fnir))


def test_the_rank_curve_rises_to_its_deepest_rank() -> None:
    plot = cmc_plot("t", "s", searches(0), 3)
    assert plot.curves[0].points == [(1.0, 0.95), (2.0, 1.0), (3.0, 1.0)]
    assert plot.up.low == pytest.approx(0.95)
    assert "<svg" in plot.svg()
