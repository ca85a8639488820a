"""Heat maps: every field in its place with its shade."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from training.reproduce.heat import LEFT, LEVELS, SIDE, TOP, Panel, heat_maps

NAMESPACE = "{http://www.w3.org/2000/svg}"
STRETCH = re.compile(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z")


def drawn_shares(svg: str, count: int) -> np.ndarray:
    """Of the darkest shade, field by field, row 0 at the bottom; what is not drawn is white."""
    shares = np.zeros((count, count))
    size = SIDE / count
    for path in ET.fromstring(svg).iter(f"{NAMESPACE}path"):
        red = int(path.attrib["fill"][1:3], 16)
        for x, y, wide, high in STRETCH.findall(path.attrib["d"]):
            assert float(high) == pytest.approx(size, abs=0.01)
            row = count - 1 - round((float(y) - TOP) / size)
            start = round((float(x) - LEFT) / size)
            shares[row, start : start + round(float(wide) / size)] += (255 - red) / (255 - 11)
    return shares


@pytest.mark.parametrize("count", [1, 7, 40])
def test_every_field_has_the_shade_of_its_value(count: int) -> None:
    values = np.random.default_rng(count).random((count, count)) * 3.0
    svg = heat_maps("t", "x", "y", [[Panel("p", values, 2.0)]])
    np.testing.assert_allclose(
        drawn_shares(svg, count), np.minimum(values / 2.0, 1.0), atol=0.6 / (LEVELS - 1)
    )


def test_rows_count_from_the_bottom() -> None:
    values = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert drawn_shares(heat_maps("t", "x", "y", [[Panel("p", values, 1.0)]]), 2).tolist() == values.tolist()


def test_text_is_escaped() -> None:
    svg = heat_maps("<a> & b", "s_n", "<up>", [[Panel("<p>", np.ones((2, 2)), 1.0)]])
    texts = [element.text for element in ET.fromstring(svg).iter(f"{NAMESPACE}text")]
    assert {"<a> & b", "<up>", "<p>", "s_n"} <= set(texts)


@pytest.mark.parametrize(
    ("values", "most", "words"),
    [
        (np.ones((2, 3)), 1.0, r"a square of values is needed; these are \(2, 3\)"),
        (np.array([[-1.0]]), 1.0, "finite and at least 0"),
        (np.array([[np.nan]]), 1.0, "finite and at least 0"),
        (np.ones((2, 2)), 0.0, "their scale above 0"),
    ],
)
def test_values_without_a_shade_are_refused(values: np.ndarray, most: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        heat_maps("t", "x", "y", [[Panel("p", values, most)]])
