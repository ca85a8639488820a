"""Each map against the formula of its paper, its slope against numerical differentiation."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.literal import literal_logit
from training.losses.logit_maps import MAPS, ArcFace, Circle, CosFace, ScaledCosine, logit_map, logits

COSINES = torch.cat(
    [torch.linspace(-1, 1, 201, dtype=torch.float64), torch.tensor([0.87758256, -0.87758256])]
)
SETTINGS = {name: {} if "margin" in named.defaults else {"scale": 18.0} for name, named in MAPS.items()}


def margin_of(of) -> float:
    return getattr(of, "margin", 0.0)


def slopes(slope, cosine):
    return slope if isinstance(slope, torch.Tensor) else torch.full_like(cosine, slope)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("own", [True, False])
def test_a_map_is_the_formula_of_its_paper(name: str, own: bool) -> None:
    of = logit_map(name, **SETTINGS[name])
    z, slope = of.target(COSINES) if own else of.rest(COSINES)
    slope = slopes(slope, COSINES)
    for at, value in enumerate(COSINES):
        cosine = value.clone().requires_grad_()
        literal = literal_logit(name, cosine, own, of.scale, margin_of(of))
        assert z[at].item() == pytest.approx(literal.item(), abs=1e-9)
        if abs(value) < 1:
            literal.backward()
            assert slope[at].item() == pytest.approx(cosine.grad.item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("of", [ScaledCosine(18.0), CosFace(), ArcFace(), ArcFace(32.0, 1.2)])
def test_the_slope_is_the_derivative_of_the_logit(of) -> None:
    labels = torch.tensor([0, 2, 4, 1])
    cosine = torch.rand(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 1.6 - 0.8
    assert torch.autograd.gradcheck(lambda c: logits(c, labels, of), cosine.requires_grad_())


@pytest.mark.parametrize("margin", [0.25, 0.4])
def test_circles_slope_is_the_derivative_with_its_pace_held(margin: float) -> None:
    of, step = Circle(80.0, margin), 1e-6
    for own in (True, False):
        rule = of.target if own else of.rest
        pace = (1 + margin - COSINES if own else COSINES + margin).clamp_min(0)
        centre = 1 - margin if own else margin
        held = [80.0 * pace * (COSINES + sign * step - centre) for sign in (1, -1)]
        torch.testing.assert_close(slopes(rule(COSINES)[1], COSINES), (held[0] - held[1]) / (2 * step))


@given(
    name=st.sampled_from(list(MAPS)),
    scale=st.floats(1.0, 512.0),
    margin=st.floats(0.0, 0.9),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_every_cosine_has_a_finite_logit_and_slope(name, scale, margin, dtype) -> None:
    settings = {"scale": scale, "margin": margin} if "margin" in MAPS[name].defaults else {"scale": scale}
    of = logit_map(name, **settings)
    cosine = torch.tensor([-1.0, -0.999999, -margin, 0.0, margin, 0.999999, 1.0], dtype=dtype)
    before = cosine.clone()
    for z, slope in (of.rest(cosine), of.target(cosine)):
        assert z.dtype == dtype
        assert torch.isfinite(z).all()
        assert torch.isfinite(slopes(slope, cosine)).all()
    assert torch.equal(cosine, before)


@pytest.mark.parametrize("name", MAPS)
def test_a_margin_only_makes_the_target_harder(name: str) -> None:
    of = logit_map(name, **SETTINGS[name])
    others, _ = of.rest(COSINES)
    own, _ = of.target(COSINES)
    usable = (1 - margin_of(of) if name == "circle" else -1) < COSINES
    assert (own <= others + 1e-9)[usable].all()


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("sphereface", {}, "there is no loss named 'sphereface'; there are coco, normface"),
        ("coco", {}, "coco needs a scale"),
        ("coco", {"scale": 8.0, "margin": 0.1}, "coco has no setting 'margin'"),
        ("arcface", {"margin": 2.0}, r"a margin must lie in 0..1.571; it is 2.0"),
        ("circle", {"margin": -0.1}, r"a margin must lie in 0..1; it is -0.1"),
        ("cosface", {"scale": 0.0}, "a scale must be finite and above 0; it is 0.0"),
        ("circle", {"scale": math.inf}, "a scale must be finite and above 0; it is inf"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_by_name_and_value(name, settings, says) -> None:
    with pytest.raises(ValueError, match=says):
        logit_map(name, **settings)


def test_the_papers_settings_are_the_defaults() -> None:
    assert logit_map("am-softmax") == CosFace(64.0, 0.35)
    assert logit_map("cosface") == CosFace(64.0, 0.4)
    assert logit_map("arcface") == ArcFace(64.0, 0.5)
    assert logit_map("circle") == Circle(256.0, 0.25)
    assert logit_map("circle", scale=80.0, margin=0.4) == Circle(80.0, 0.4)
