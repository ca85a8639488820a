"""Names and settings: what there is, what is refused and in which words."""

from __future__ import annotations

import pytest
import torch

from training.backbones import backbone, names, register
from training.backbones.embedding import Embedding
from training.backbones.registry import _NAMED, Backbone


def test_every_network_of_the_issue_has_a_name() -> None:
    assert set(names()) == {
        "mobilefacenet",
        *(f"iresnet-{depth}" for depth in (18, 34, 50, 100, 200)),
        *(f"vit-{size}" for size in "tsb"),
    }
    assert names()[:5] == [f"iresnet-{depth}" for depth in (18, 34, 50, 100, 200)]


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"no backbone named 'resnet-50'; there are .*iresnet-50.*mobilefacenet"
    ):
        backbone("resnet-50")


def test_an_unknown_setting_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"mobilefacenet has no setting 'depth'; it takes width, gradient_ch"
    ):
        backbone("mobilefacenet", depth=3)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("mobilefacenet", {"dimension": 0}, "at least 1 dimension; asked for were 0"),
        ("mobilefacenet", {"width": 0.0}, "above 0; it is 0.0"),
        ("mobilefacenet", {"width": float("nan")}, "it is nan"),
        ("iresnet-18", {"depths": (2, 2, 2)}, r"four numbers of at least 1; they are \(2, 2, 2\)"),
        ("iresnet-18", {"width": 8}, "at least 16 channels; it is 8"),
        ("iresnet-18", {"dropout": 1.0}, "without 1; it is 1.0"),
        ("vit-t", {"heads": 7}, "it is 256 for 7 heads"),
        ("vit-t", {"depth": 0}, "at least 1 block; it is 0"),
        ("vit-t", {"patch": 113}, "1..112 pixels wide; it is 113"),
        ("vit-t", {"pooling": "max"}, "no pooling 'max'; there are tokens and mean"),
        ("vit-t", {"stochastic_depth": -0.1}, "it is -0.1"),
    ],
)
def test_a_value_out_of_range_is_named(name, settings, words) -> None:
    with pytest.raises(ValueError, match=words):
        backbone(name, **settings)


def test_a_new_network_is_registered_by_its_decorator_and_a_taken_name_is_refused() -> None:
    try:

        @register("one-layer", shift=1.0)
        class OneLayer(Backbone):
            def __init__(self, dimension: int = 4, *, shift: float = 0.0) -> None:
                super().__init__(Embedding(3, dimension), gradient_checkpointing=False)
                self.shift = shift

            def features(self, images):
                return images.mean((2, 3)) + self.shift

        made = backbone("one-layer", 6)
        assert isinstance(made, OneLayer)
        assert made.shift == 1.0
        assert made(torch.zeros(2, 3, 112, 112)).shape == (2, 6)
        with pytest.raises(ValueError, match="'one-layer' is there already"):
            register("one-layer")(OneLayer)
    finally:
        _NAMED.pop("one-layer", None)
