"""Crops to images: channels, range, order in memory, refusals."""

from __future__ import annotations

import pytest
import torch

from training.backbones.images import normalised


def test_blue_green_red_bytes_become_red_green_blue_from_minus_1_to_1() -> None:
    crops = torch.zeros(2, 112, 112, 3, dtype=torch.uint8)
    crops[..., 0], crops[..., 1] = 255, 51  # blue, green
    found = normalised(crops)
    assert found.shape == (2, 3, 112, 112)
    assert found.dtype == torch.float32
    for channel, value in enumerate((-1.0, -0.6, 1.0)):
        assert torch.allclose(found[:, channel], torch.tensor(value))


def test_the_result_lies_in_channels_last_order_and_the_crops_are_kept() -> None:
    crops = torch.randint(0, 256, (3, 112, 112, 3), dtype=torch.uint8)
    before = crops.clone()
    assert normalised(crops).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(crops, before)


@pytest.mark.parametrize(
    "crops",
    [torch.zeros(2, 112, 112, 3), torch.zeros(2, 3, 112, 112).byte(), torch.zeros(112, 112, 3).byte()],
)
def test_other_types_and_shapes_are_refused(crops) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \(B, H, W, 3\); these are torch"):
        normalised(crops)
