"""Ranking by blocks against ranking one pair at a time, and the figures against other people's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from evaluation.retrieval.figures import (
    FEW,
    LabelledRows,
    ProbeFigures,
    identity_intervals,
    mate_ranks,
    probe_figures,
    retrieval_figures,
)


def unit_rows(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def coarse_rows(count: int, seed: int) -> NDArray[np.float32]:
    """Rows of which many are the same: all signs of four equal parts."""
    return np.random.default_rng(seed).choice(np.float32([-0.5, 0.5]), size=(count, 4))


def by_hand(probes: LabelledRows, gallery: LabelledRows, tie: float) -> list[dict[str, float]]:
    """Each probe's ranking written out as a list: True where right, ties with wrong images first."""
    answers = []
    for p in range(len(probes.identity)):
        entries = []
        for g in range(len(gallery.identity)):
            cosine = float(probes.embeddings[p].astype(float) @ gallery.embeddings[g].astype(float))
            same = gallery.identity[g] == probes.identity[p]
            if same and gallery.image[g] == probes.image[p]:
                continue
            if (
                same
                and probes.camera is not None
                and gallery.camera is not None
                and gallery.camera[g] == probes.camera[p]
            ):
                continue
            entries.append((cosine - tie if same else cosine, same))
        entries.sort(key=lambda entry: (-round(entry[0], 7), entry[1]))
        right = [bool(same) for _, same in entries]
        answers.append(figures_of(right))
    return answers


def figures_of(right: list[bool]) -> dict[str, float]:
    mates = sum(right)
    if not mates:
        return {
            "mates": 0,
            "first": 0,
            **dict.fromkeys(("ap", "trapezoid", "r_precision", "ap_at_r"), np.nan),
        }
    precision = [sum(right[: at + 1]) / (at + 1) for at in range(len(right))]
    area, recall, last = 0.0, 0.0, 1.0
    for at in range(len(right)):
        now = sum(right[: at + 1]) / mates
        area += (now - recall) * (last + precision[at]) / 2
        recall, last = now, precision[at]
    return {
        "mates": mates,
        "first": right.index(True) + 1,
        "ap": sum(value for value, hit in zip(precision, right, strict=True) if hit) / mates,
        "trapezoid": area,
        "r_precision": sum(right[:mates]) / mates,
        "ap_at_r": sum(precision[at] for at in range(mates) if right[at]) / mates,
    }


def assert_same(found: ProbeFigures, expected: list[dict[str, float]]) -> None:
    assert found.mates.tolist() == [one["mates"] for one in expected]
    assert found.first.tolist() == [one["first"] for one in expected]
    for values, key in (
        (found.average_precision, "ap"),
        (found.trapezoid, "trapezoid"),
        (found.r_precision, "r_precision"),
        (found.average_precision_at_r, "ap_at_r"),
    ):
        assert values == pytest.approx(np.array([one[key] for one in expected]), nan_ok=True)


def labelled(
    rows: NDArray[np.float32], people: int, seed: int, *, cameras: int = 0, first_image: int = 0
) -> LabelledRows:
    random = np.random.default_rng(seed)
    return LabelledRows(
        rows,
        random.integers(0, people, len(rows)),
        np.arange(first_image, first_image + len(rows)),
        random.integers(0, cameras, len(rows)) if cameras else None,
    )


@given(
    st.integers(1, 9),
    st.integers(1, 30),
    st.integers(1, 6),
    st.integers(0, 3),
    st.booleans(),
    st.integers(1, 11),
    st.integers(0, 10_000),
)
@settings(max_examples=80, deadline=None)
def test_blocks_rank_as_a_list_for_each_query_does(
    queries: int, count: int, people: int, cameras: int, coarse: bool, block: int, seed: int
) -> None:
    def rows(number: int, start: int) -> NDArray[np.float32]:
        return coarse_rows(number, start) if coarse else unit_rows(number, 5, start)

    probes = labelled(rows(queries, seed), people, seed + 2, cameras=cameras)
    gallery = labelled(rows(count, seed + 1), people, seed + 3, cameras=cameras, first_image=queries)
    assert_same(probe_figures(probes, gallery, block=block), by_hand(probes, gallery, 1e-6))


@given(st.integers(2, 40), st.integers(1, 5), st.booleans(), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_set_against_itself_leaves_each_query_out(count: int, people: int, coarse: bool, seed: int) -> None:
    rows = coarse_rows(count, seed) if coarse else unit_rows(count, 5, seed)
    side = labelled(rows, people, seed)
    found = probe_figures(side, side, block=7)
    assert_same(found, by_hand(side, side, 1e-6))
    _, group, sizes = np.unique(side.identity, return_inverse=True, return_counts=True)
    assert found.mates.tolist() == (sizes[group] - 1).tolist()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_average_precision_is_scikit_learns_without_ties_and_never_above_it_with_them(
    right: int, wrong: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(right + wrong) < right)
    own = np.flatnonzero(labels)
    distinct, few = random.permutation(labels.size), random.integers(0, 6, labels.size)
    for scores, tied in ((distinct.astype(np.float32), False), (few.astype(np.float32), True)):
        ranks = mate_ranks(scores, own, np.ones(own.size, bool), tie=0.0)
        mine = float(np.mean(np.arange(1, right + 1) / ranks))
        theirs = float(average_precision_score(labels, scores))
        if tied:
            assert mine <= theirs + 1e-12
        else:
            assert mine == pytest.approx(theirs)


@pytest.mark.parametrize("mates", [FEW - 1, FEW, FEW + 1, 3 * FEW])
def test_few_mates_are_counted_and_many_sorted_to_the_same_ranks(mates: int) -> None:
    scores = np.random.default_rng(mates).integers(0, 30, 200).astype(np.float32)
    own = np.arange(0, 2 * mates, 2)
    together = mate_ranks(scores, own, np.ones(mates, bool), tie=0.0)
    expected = sorted(
        sum(other >= scores[at] for n, other in enumerate(scores) if n not in own) for at in own
    )
    assert together.tolist() == [number + at for at, number in enumerate(expected, 1)]


def test_a_network_that_says_the_same_of_everything_gets_the_worst_ranks() -> None:
    rows = np.repeat(unit_rows(1, 512, 3), 50, axis=0)
    identity = np.arange(50) // 2
    side = LabelledRows(rows, identity, np.arange(50))
    for block in (1, 7, 50):
        found = probe_figures(side, side, block=block)
        assert found.first.tolist() == [49] * 50
        assert found.average_precision == pytest.approx(1 / 49)


def test_a_copy_of_the_query_under_another_name_stands_before_its_mate() -> None:
    rows = unit_rows(3, 64, 1)
    rows[1] = rows[0]
    side = LabelledRows(np.vstack([rows, rows[:1]]), np.array([0, 0, 1, 2]), np.arange(4))
    found = probe_figures(side, side)
    assert found.first[:2].tolist() == [2, 2]


def test_ranks_do_not_change_with_the_size_of_blocks_or_the_order_of_the_gallery() -> None:
    rows = unit_rows(90, 128, 8)
    rows[30:60] = rows[:30]
    identity = np.random.default_rng(1).integers(0, 12, 90)
    side = LabelledRows(rows, identity, np.arange(90))
    turned = LabelledRows(rows[::-1].copy(), identity[::-1].copy(), np.arange(90)[::-1].copy())
    one = probe_figures(side, side, block=90)
    for gallery, block in ((side, 1), (side, 13), (turned, 32)):
        other = probe_figures(side, gallery, block=block)
        assert other.first.tolist() == one.first.tolist()
        assert other.average_precision.tolist() == one.average_precision.tolist()


def test_images_of_the_querys_camera_are_neither_right_nor_wrong() -> None:
    near, far, other = np.float32([1, 0]), np.float32([0.6, 0.8]), np.float32([0.8, 0.6])
    probe = LabelledRows(near[None], np.array([1]), np.array([0]), np.array([5]))
    gallery = LabelledRows(
        np.stack([near, other, far]), np.array([1, 2, 1]), np.array([1, 2, 3]), np.array([5, 5, 6])
    )
    found = probe_figures(probe, gallery)
    assert (found.mates[0], found.first[0]) == (1, 2)
    without = probe_figures(
        LabelledRows(probe.embeddings, probe.identity, probe.image),
        LabelledRows(gallery.embeddings, gallery.identity, gallery.image),
    )
    assert (without.mates[0], without.first[0]) == (2, 1)


def test_queries_without_a_mate_count_in_no_figure() -> None:
    side = LabelledRows(unit_rows(5, 8, 0), np.array([0, 0, 1, 1, 2]), np.arange(5))
    per_probe = probe_figures(side, side)
    assert per_probe.mates.tolist() == [1, 1, 1, 1, 0]
    assert per_probe.first[4] == 0
    assert np.isnan(per_probe.average_precision[4])
    figures = retrieval_figures(per_probe, side.identity, 5, (1, 4))
    assert (figures.probes, figures.without_mate, figures.identities) == (4, 1, 2)
    assert figures.mean_average_precision == pytest.approx(per_probe.average_precision[:4].mean())
    assert figures.at_rank[4] == 1.0


def test_figures_of_a_set_where_nobody_has_a_mate_are_refused() -> None:
    side = LabelledRows(unit_rows(3, 8, 0), np.arange(3), np.arange(3))
    one_camera = LabelledRows(side.embeddings, np.zeros(3, int), side.image, np.zeros(3, int))
    for nobody in (side, one_camera):
        per_probe = probe_figures(nobody, nobody)
        with pytest.raises(ValueError, match="none of 3 probes has a mate in the gallery of 3"):
            retrieval_figures(per_probe, nobody.identity, 3, (1,))


@given(st.lists(st.integers(1, 80), min_size=1, max_size=40), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_cumulative_curve_counts_first_ranks_and_never_falls(first: list[int], seed: int) -> None:
    ranks = np.array(first)
    per_probe = ProbeFigures(np.ones_like(ranks), ranks, *(1 / ranks for _ in range(4)))
    identity = np.random.default_rng(seed).integers(0, 3, ranks.size)
    figures = retrieval_figures(per_probe, identity, 90, (1, 10), curve=20, resamples=50)
    assert figures.cumulative == pytest.approx([np.mean(ranks <= k) for k in range(1, 21)])
    assert figures.at_rank == {1: figures.cumulative[0], 10: figures.cumulative[9]}
    if figures.rank1_interval is None:
        assert figures.identities == 1
    else:
        assert 0 <= figures.rank1_interval.low <= figures.rank1_interval.high <= 1


def test_trapezoids_are_never_above_average_precision() -> None:
    side = labelled(unit_rows(80, 6, 4), 9, 4)
    found = probe_figures(side, side)
    assert (found.trapezoid <= found.average_precision + 1e-12).all()
    assert (found.average_precision_at_r <= found.r_precision + 1e-12).all()


def test_intervals_draw_whole_identities() -> None:
    # Ten people with a hundred probes each that succeed or fail together: as wide as ten draws, not as a thousand.
    identity = np.repeat(np.arange(10), 100)
    success = (identity < 5).astype(float)[:, None]
    (interval,) = identity_intervals(success, identity, resamples=2000, seed=3) or ()
    assert 0.1 <= interval.low <= 0.25
    assert 0.75 <= interval.high <= 0.9
    assert identity_intervals(success, identity, resamples=2000, seed=3) == (interval,)
    alone = identity_intervals(success, np.arange(1000), resamples=2000, seed=3) or ()
    assert alone[0].high - alone[0].low < 0.08
    assert identity_intervals(success, np.zeros(1000, int)) is None


def test_progress_adds_up_to_all_queries() -> None:
    side = labelled(unit_rows(10, 4, 0), 3, 0)
    done: list[int] = []
    probe_figures(side, side, block=4, progress=done.append)
    assert done == [4, 4, 2]


def test_nonsense_is_refused_with_what_is_wrong() -> None:
    good = labelled(unit_rows(4, 3, 1), 2, 1)

    def changed(**fields: object) -> LabelledRows:
        return LabelledRows(**{**vars(good), **fields})  # type: ignore[arg-type]

    bad = good.embeddings.copy()
    bad[2] *= 2
    with pytest.raises(ValueError, match="probe 2 has length 2"):
        probe_figures(changed(embeddings=bad), good)
    bad[1, 0] = np.nan
    with pytest.raises(ValueError, match="gallery row 1 has length nan"):
        probe_figures(good, changed(embeddings=bad))
    with pytest.raises(ValueError, match=r"float32 with a gallery row at least; they are float32 \(0, 3\)"):
        probe_figures(good, labelled(bad[:0], 2, 1))
    with pytest.raises(ValueError, match="they are float64"):
        probe_figures(changed(embeddings=good.embeddings.astype(float)), good)
    with pytest.raises(ValueError, match=r"must be \(4,\) integers, one for each probe"):
        probe_figures(changed(identity=good.identity[:3]), good)
    with pytest.raises(ValueError, match="integers"):
        probe_figures(changed(camera=np.zeros(4)), good)
    with pytest.raises(ValueError, match="probes have 3 dimensions, the gallery 5"):
        probe_figures(good, labelled(unit_rows(4, 5, 1), 2, 1))
    with pytest.raises(ValueError, match="cameras are known on one side only"):
        probe_figures(changed(camera=np.zeros(4, int)), good)
