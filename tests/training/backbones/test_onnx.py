"""Every network runs in ONNX Runtime, at any batch, with torch's numbers."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from tests.training.backbones.small import SMALL, images, settled, small
from training.backbones import backbone, names

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def furthest(network: torch.nn.Module, path: str) -> float:
    """Largest difference of unit embeddings over batches of 1, 3 and 4, exported at 2."""
    torch.onnx.export(
        network,
        (images(2),),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["embeddings"],
        dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    off = []
    for count in (1, 3, 4):
        x = images(count, seed=count)
        with torch.no_grad():
            expected = network(x)
        (found,) = session.run(None, {"images": x.numpy()})
        assert found.shape == expected.shape
        off.append(np.abs(found - expected.numpy()).max())
    return max(off)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_gives_the_same_embeddings(name, tmp_path) -> None:
    assert furthest(settled(small(name)), str(tmp_path / "net.onnx")) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_whole_network_gives_the_same_embeddings(name, tmp_path) -> None:
    torch.manual_seed(0)
    assert furthest(settled(backbone(name)), str(tmp_path / "net.onnx")) < 1e-4
