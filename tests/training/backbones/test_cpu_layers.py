"""The CPU's faster routes against the torch classes they replace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.training.backbones.small import apart
from training.backbones.cpu import Linear, PReLU, StridedDepthwise

FORMATS = [torch.contiguous_format, torch.channels_last]


def both(ours: nn.Module, torchs: nn.Module, x: torch.Tensor, dtype: torch.dtype) -> list[tuple]:
    """(ours, torch's in float64) for the output and each gradient."""
    torchs.load_state_dict(ours.state_dict())
    results = []
    for layer, to in ((ours, dtype), (torchs.double(), torch.float64)):
        given = x.detach().to(to).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=to == torch.bfloat16):
            y = layer(given)
        slopes = torch.arange(float(y.numel())).sin().view_as(y).to(dtype).to(y.dtype)
        y.backward(slopes)
        results.append([y, given.grad, *(p.grad for p in layer.parameters())])
    assert results[0][0].dtype == dtype
    return [(a.double(), b) for a, b in zip(*results, strict=True)]


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.bfloat16, 6e-3)])
def test_prelu(memory, dtype, within) -> None:
    torch.manual_seed(0)
    ours, torchs = PReLU(7), nn.PReLU(7)
    nn.init.uniform_(ours.weight, -0.5, 1.5)
    x = torch.randn(3, 7, 5, 9).to(dtype).float().contiguous(memory_format=memory)
    x[0] = 0.0
    for found, expected in both(ours, torchs, x, dtype):
        assert apart(expected, found) < within


@pytest.mark.parametrize("memory", FORMATS)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.bfloat16, 6e-3)])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (3, 2, 0), (5, 3, 2), (1, 2, 0)])
@pytest.mark.parametrize("size", [(8, 8), (7, 12)])
def test_a_strided_depthwise_convolution(memory, dtype, within, kernel, stride, padding, size) -> None:
    torch.manual_seed(0)
    ours, torchs = (
        kind(6, 6, kernel, stride, padding, groups=6, bias=False) for kind in (StridedDepthwise, nn.Conv2d)
    )
    x = torch.randn(3, 6, *size).to(dtype).float().contiguous(memory_format=memory)
    ours.weight.data = ours.weight.data.to(dtype).float()
    for found, expected in both(ours, torchs, x, dtype):
        assert apart(expected, found) < within


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.bfloat16, 6e-3)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_over_tokens(dtype, within, bias) -> None:
    torch.manual_seed(0)
    ours, torchs = Linear(10, 6, bias=bias), nn.Linear(10, 6, bias=bias)
    for parameter in ours.parameters():
        parameter.data = parameter.data.to(dtype).float()
    for found, expected in both(ours, torchs, torch.randn(3, 7, 10).to(dtype).float(), dtype):
        assert apart(expected, found) < within


def test_a_linear_layer_takes_tokens_in_any_layout() -> None:
    layer = Linear(10, 6)
    x = torch.randn(3, 10, 7).transpose(1, 2)
    assert torch.allclose(layer(x), nn.functional.linear(x, layer.weight, layer.bias), atol=1e-6)
