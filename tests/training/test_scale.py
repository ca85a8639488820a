"""Scales against the figures of design/losses.md, expectations against closed forms and against random draws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses.logit_maps import ArcFace, Circle, CosFace, ScaledCosine, logits
from training.outlook import LARGEST_SCALE, background, expected_loss, feasible_scale, lowest_loss, outlook
from training.scale import HEADROOM, cosine_scale, headroom, propose

MAPS = st.sampled_from(
    [ScaledCosine(20.0), CosFace(), CosFace(64.0, 0.35), ArcFace(), Circle(), Circle(80.0, 0.4)]
)
CLASSES = st.integers(2, 20_000_000)
DIMENSIONS = st.integers(2, 2048)


@dataclass(frozen=True)
class Square:
    """Circle's non-target logit before its clipping, the case with a closed form."""

    scale: float

    def rest(self, cosine):
        return self.scale * cosine.square(), 2 * self.scale * cosine

    target = rest


def log_hypergeometric(upper: float | None, lower: float, x: float) -> float:
    """ln 1F1(upper; lower; x), or ln 0F1(; lower; x), x > 0, by its series of positive terms."""
    k = np.arange(6000.0)
    log_gamma = np.vectorize(math.lgamma)
    terms = k * math.log(x) - log_gamma(k + 1) - log_gamma(k + lower) + math.lgamma(lower)
    if upper is not None:
        terms += log_gamma(k + upper) - math.lgamma(upper)
    return float(np.logaddexp.reduce(terms))


def drawn_loss(of, classes: int, dimension: int, *, rows: int = 1024, target: float | None = None) -> float:
    """The mean loss of random unit embeddings against random unit centroids, counted out; fixed seed."""
    generator = torch.Generator().manual_seed(classes + dimension)
    centroids, embeddings = (
        torch.nn.functional.normalize(torch.randn(count, dimension, generator=generator, dtype=torch.float64))
        for count in (classes, rows // 2)
    )
    embeddings = torch.cat(
        [embeddings, -embeddings]
    )  # opposites: most of the noise of the own cosine cancels
    labels = torch.randint(classes, (rows // 2,), generator=generator).repeat(2)
    cosine = embeddings @ centroids.T
    if target is not None:
        cosine[torch.arange(rows), labels] = target
    return torch.nn.functional.cross_entropy(logits(cosine, labels, of), labels).item()


@pytest.mark.parametrize(
    ("classes", "dimension", "scale"), [(87_000, 256, 18.0), (2_060_000, 512, 21.0), (10_000_000, 512, 22.6)]
)
def test_the_dimension_rule_gives_the_figures_of_the_design(classes, dimension, scale) -> None:
    assert cosine_scale(classes, dimension) == pytest.approx(scale, abs=0.05)


@given(CLASSES, DIMENSIONS)
def test_the_papers_rule_is_half_the_logarithm_plus_three(classes, dimension) -> None:
    assert cosine_scale(classes, dimension, rule="paper") == pytest.approx(0.5 * math.log(classes - 1) + 3)


@given(CLASSES, DIMENSIONS, st.floats(1e-6, 0.5))
def test_the_proposed_scale_meets_its_inequality_with_equality(classes, dimension, floor) -> None:
    found = propose(classes, dimension, floor=floor)
    gain = {
        "random": found.scale - found.scale**2 / (2 * dimension),
        "simplex": found.scale * (1 + 1 / (classes - 1)),
        "opposite": 2 * found.scale,
    }[found.basis]
    assert gain == pytest.approx(math.log((classes - 1) / math.expm1(floor)))
    if found.basis == "random":
        assert found.scale <= dimension


@given(CLASSES, DIMENSIONS)
def test_no_rule_proposes_less_than_the_papers(classes, dimension) -> None:
    paper = cosine_scale(classes, dimension, rule="paper")
    assert cosine_scale(classes, dimension) >= paper * (1 - 1e-12)


@settings(deadline=None)
@given(st.integers(2, 1000), DIMENSIONS)
def test_a_scale_of_the_dimension_rule_can_converge(classes, dimension) -> None:
    found = propose(classes, dimension)
    assert outlook(ScaledCosine(found.scale), classes, dimension).feasible == (found.basis != "opposite")


def test_too_few_dimensions_take_the_simplex_and_then_the_papers_rule() -> None:
    assert [propose(10, dimension).basis for dimension in (17, 16, 9, 8)] == [
        "random",
        "simplex",
        "simplex",
        "opposite",
    ]
    plane = propose(10, 2)
    assert plane.scale == cosine_scale(10, 2, rule="paper")
    assert "Random directions would need 17 dimensions" in plane.explain()
    assert "takes all other centroids to lie opposite" in plane.explain()
    assert "stand at equal angles" in propose(10, 9).explain()
    assert propose(87_000, 256).explain().startswith("Scale 18.0")


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: cosine_scale(1, 128), "tells at least two classes apart; there is 1"),
        (lambda: cosine_scale(10, 1), "at least two dimensions.* there is 1"),
        (lambda: cosine_scale(10, 64, rule="papers"), "no rule 'papers'.* 'dimension' and 'paper'"),
        (lambda: cosine_scale(10, 64, floor=0.0), "must be above 0; it is 0.0"),
        (lambda: cosine_scale(10, 64, floor=math.nan), "must be above 0; it is nan"),
        (lambda: cosine_scale(10, 64, floor=2.4), "10 classes already gives a loss of 2.303.* it is 2.4"),
        (lambda: cosine_scale(10, 64, floor=math.inf), "it is inf"),
        (lambda: background(Circle(), 1, 64), "tells at least two classes apart"),
        (lambda: outlook(Circle(), 10, 1), "at least two dimensions"),
        (lambda: expected_loss(Circle(), 1, 64), "tells at least two classes apart"),
        (lambda: expected_loss(Circle(), 10, 64, target=1.5), "lies in -1..1; it is 1.5"),
    ],
)
def test_what_cannot_be_is_refused_with_its_value(ask, says) -> None:
    with pytest.raises(ValueError, match=says):
        ask()


@settings(deadline=None)
@given(st.sampled_from([2, 3, 4, 5, 64, 511, 512, 100_000]), st.floats(0.5, 512.0), CLASSES)
def test_the_background_is_its_closed_form(dimension, scale, classes) -> None:
    others = math.log(classes - 1)
    square = others + log_hypergeometric(0.5, dimension / 2, scale)
    linear = others + log_hypergeometric(None, dimension / 2, scale**2 / 4)
    assert background(Square(scale), classes, dimension) == pytest.approx(square, abs=1e-4)
    assert background(ScaledCosine(scale), classes, dimension) == pytest.approx(linear, abs=1e-4)


@pytest.mark.parametrize("of", [ScaledCosine(8.0), CosFace(24.0, 0.3), ArcFace(), Circle(32.0)])
def test_the_loss_of_two_classes_is_the_plain_integral(of) -> None:
    cosine = (np.arange(2000) + 0.5) / 1000 - 1  # in 3 dimensions a cosine is uniform in -1..1
    own, other = (rule(torch.from_numpy(cosine))[0].numpy() for rule in (of.target, of.rest))
    plain = np.logaddexp(0, other[None, :] - own[:, None]).mean()
    assert expected_loss(of, 2, 3) == pytest.approx(plain, rel=1e-4)
    aimed = of.target(torch.tensor([0.3], dtype=torch.float64))[0].item()
    plain = np.logaddexp(0, other - aimed).mean()
    assert expected_loss(of, 2, 3, target=0.3) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("dimension", [64, 512])
@pytest.mark.parametrize(
    "of",
    [ScaledCosine(18.0), CosFace(64.0, 0.35), CosFace(), ArcFace(), Circle(), Circle(80.0, 0.4)],
    ids=str,
)
def test_the_first_loss_is_that_of_random_draws(of, dimension) -> None:
    assert outlook(of, 10_000, dimension).first == pytest.approx(drawn_loss(of, 10_000, dimension), rel=0.005)


@pytest.mark.parametrize(
    ("of", "dimension"),
    [(ScaledCosine(8.7), 256), (CosFace(64.0, 0.8), 64), (ArcFace(64.0, 1.3), 64), (Circle(), 64)],
)
def test_the_lowest_loss_is_that_of_random_negatives(of, dimension) -> None:
    drawn = drawn_loss(of, 10_000, dimension, target=1.0)
    assert lowest_loss(of, 10_000, dimension) == pytest.approx(drawn, rel=0.02)


def test_few_classes_are_judged_at_equal_angles() -> None:
    assert lowest_loss(ScaledCosine(9.0), 3, 2) == pytest.approx(math.log1p(2 * math.exp(-9 * 1.5)))
    assert outlook(Circle(), 64, 64).slack == pytest.approx(32 - math.log(63))
    assert outlook(Circle(), 65, 64).slack == pytest.approx(32 - math.log(64) - 256 / 64**2)


@settings(deadline=None, max_examples=25)
@given(MAPS, CLASSES, CLASSES, DIMENSIONS)
def test_more_classes_are_harder_from_start_to_end(of, one, other, dimension) -> None:
    fewer, more = (outlook(of, classes, dimension) for classes in sorted([one, other]))
    assert fewer.first <= more.first * (1 + 1e-9)
    assert fewer.lowest <= more.lowest * (1 + 1e-9)
    assert fewer.background <= more.background


@settings(deadline=None, max_examples=50)
@given(MAPS, CLASSES, DIMENSIONS)
def test_the_mean_sum_bounds_the_mean_loss(of, classes, dimension) -> None:
    reach = of.target(torch.ones(1, dtype=torch.float64))[0].item()
    bound = np.logaddexp(0, background(of, classes, dimension) - reach)
    lowest = expected_loss(of, classes, dimension, target=1.0)
    assert lowest <= bound * (1 + 1e-4)


def test_circle_starts_near_240_and_that_is_no_fault() -> None:
    faces = outlook(Circle(), 10_000_000, 512)
    assert faces.first == pytest.approx(240, abs=3)
    assert faces.background == pytest.approx(1.7, abs=0.05)
    assert faces.reach == 16.0
    assert faces.slack == pytest.approx(faces.reach - faces.background, abs=0.01)
    assert faces.feasible
    assert faces.better_scale is None
    said = faces.explain()
    assert said.startswith("Circle at scale 256, 10,000,000 classes in 512 dimensions")
    for words in ("starts near 242.1.", "is no fault", "is about 5.9e-07", "stands 14.4: this can converge"):
        assert words in said


def test_half_circles_scale_cannot_carry_ten_million_classes() -> None:
    small = outlook(Circle(128.0), 10_000_000, 512)
    assert small.background == pytest.approx(8.46, abs=0.005)
    assert small.reach == 8.0
    assert small.slack == pytest.approx(8.0 - small.background, abs=1e-3)
    assert not small.feasible
    assert small.better_scale is not None
    assert 128 < small.better_scale < 256
    assert "cannot converge" in small.explain()
    assert f"Scale {math.ceil(small.better_scale * 10) / 10:g} is enough" in small.explain()


@pytest.mark.parametrize(("classes", "dimension", "floor"), [(87_000, 256, 2.9), (10_000_000, 512, 5.2)])
def test_the_papers_rule_leaves_a_loss_that_the_dimension_rule_does_not(classes, dimension, floor) -> None:
    paper = outlook(ScaledCosine(cosine_scale(classes, dimension, rule="paper")), classes, dimension)
    assert paper.lowest == pytest.approx(floor, abs=0.05)
    assert not paper.feasible
    assert paper.better_scale == pytest.approx(cosine_scale(classes, dimension), rel=2e-3)
    assert outlook(ScaledCosine(21.475), 87_020, 256).feasible, "the scale of the authors' own face net"


@pytest.mark.parametrize("of", [Circle(), CosFace(64.0, 0.35), Circle(80.0, 0.4)])
def test_a_low_loss_is_the_sum_of_what_single_rare_negatives_cost(of) -> None:
    # ln(1 + sum) <= sum of ln(1 + each), with equality where no two of them matter at once.
    angle = (np.arange(200_000) + 0.5) * (math.pi / 200_000)
    dimension = 256 if of == Circle() else 64
    weight = np.sin(angle) ** (dimension - 2)
    apart = of.rest(torch.from_numpy(np.cos(angle)))[0].numpy() - of.target(torch.ones(1))[0].item()
    singly = 9_999 * (weight @ np.logaddexp(0, apart)) / weight.sum()
    lowest = lowest_loss(of, 10_000, dimension)
    assert lowest == pytest.approx(singly, rel=0.01)
    assert lowest < singly


def test_centroids_close_by_chance_and_centroids_without_room_are_told_apart() -> None:
    chance, crowded = outlook(Circle(), 10_000, 128), outlook(CosFace(64.0, 0.9), 1_000_000, 64)
    assert not chance.feasible
    assert chance.best_slack == pytest.approx(16 - math.log(9_999) + 16 - 256 / 128, abs=0.1)
    assert "only if training parts the centroids that lie close by chance" in chance.explain()
    assert crowded.best_slack < HEADROOM
    assert "cannot converge to a loss near 0" in crowded.explain()


@settings(deadline=None, max_examples=25)
@given(MAPS, CLASSES, DIMENSIONS)
def test_an_even_spread_leaves_no_less_than_a_random_one(of, classes, dimension) -> None:
    found = outlook(of, classes, dimension)
    assert found.best_slack >= found.slack - 1e-6


def test_cosines_too_rare_to_occur_do_not_condemn_a_setting() -> None:
    faces = outlook(Circle(), 10_000, 256)
    assert faces.background > faces.reach + 10
    assert faces.feasible


@pytest.mark.parametrize(
    ("of", "classes", "dimension"),
    [
        (ScaledCosine(8.0), 10_000, 128),
        (CosFace(8.0, 0.35), 1_000_000, 512),
        (ArcFace(10.0), 100_000, 256),
        (CosFace(900.0, 0.4), 10_000, 64),
        (CosFace(900.0, 0.3), 300, 32),  # 74 is enough, 90 is too much
        (Circle(16.0, 0.4), 500, 512),
    ],
)
def test_the_proposed_scale_is_the_smallest_that_converges(of, classes, dimension) -> None:
    better = outlook(of, classes, dimension).better_scale
    assert outlook(replace(of, scale=better), classes, dimension).feasible
    assert headroom(lowest_loss(replace(of, scale=better * 0.99), classes, dimension)) < HEADROOM


@pytest.mark.parametrize(
    ("of", "classes", "dimension"),
    [(ScaledCosine(4.1), 10, 2), (Circle(256.0, 0.0), 500, 512), (CosFace(64.0, 0.9), 1_000_000, 64)],
)
def test_where_no_scale_helps_the_outlook_says_so(of, classes, dimension) -> None:
    assert feasible_scale(of, classes, dimension) is None
    assert f"No scale up to {LARGEST_SCALE:g} is enough" in outlook(of, classes, dimension).explain()
