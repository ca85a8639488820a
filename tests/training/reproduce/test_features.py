"""Pictures of features: a few dots a class, at one scale, in ten colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from evaluation.report.svg import COLOURS, Axis, Curve, picture
from training.reproduce.features import A_CLASS, feature_picture

NAMESPACE = "{http://www.w3.org/2000/svg}"
DRAW = np.random.default_rng(0)
LABELS = np.repeat(np.arange(10), 200)
EMBEDDINGS = DRAW.normal(size=(2000, 2)).astype(np.float32)


def dots(svg: str) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter(f"{NAMESPACE}circle"))


def test_at_most_so_many_of_each_class_are_drawn_each_in_its_colour() -> None:
    found = [dot.attrib["fill"] for dot in dots(feature_picture("t", EMBEDDINGS, LABELS))]
    in_legend = 1
    assert len(set(COLOURS)) == 10
    assert sorted(found) == sorted(COLOURS * (A_CLASS + in_legend))


def test_the_same_input_gives_the_same_bytes_and_a_small_file() -> None:
    svg = feature_picture("t", EMBEDDINGS, LABELS)
    assert svg == feature_picture("t", EMBEDDINGS, LABELS)
    assert len(svg) < 120_000


def test_a_circle_stays_round() -> None:
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    ring = (3.0 * np.stack([np.cos(angles), np.sin(angles)], 1)).astype(np.float32)
    drawn = dots(feature_picture("t", ring, np.zeros(50, np.int64)))[:50]
    x, y = (np.array([float(dot.attrib[name]) for dot in drawn]) for name in ("cx", "cy"))
    assert np.ptp(x) == pytest.approx(np.ptp(y), rel=0.02)
    radii = np.hypot(x - x.mean(), y - y.mean())
    assert radii.max() - radii.min() < 0.3


def test_features_that_fell_into_one_point_are_still_a_picture() -> None:
    assert len(dots(feature_picture("t", np.zeros((3, 2), np.float32), np.zeros(3, np.int64)))) == 4


@pytest.mark.parametrize("shape", [(5, 3), (5,)])
def test_other_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a picture has two dimensions"):
        feature_picture("t", np.zeros(shape, np.float32), np.zeros(5, np.int64))


def test_dots_have_their_radius_and_by_default_the_one_they_had() -> None:
    axis = Axis("a", 0, 1)
    curves = [Curve("", [(0.5, 0.5)], dots=True), Curve("", [(0.5, 0.5)], dots=True, radius=1.5)]
    assert [dot.attrib["r"] for dot in dots(picture("t", axis, axis, curves))] == ["4.5", "1.5"]
