"""A graph rewritten for a CPU computes what it computed before, and is rewritten only where that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from faces.cpu_graph import faster, split_prelus
from faces.pack import ModelPack
from faces.session import Session


def prelu_graph(slope: NDArray[np.generic], *, after_conv: bool = True) -> onnx.ModelProto:
    """(N, 3, 5, 5) -> a convolution of four channels -> PRelu; or PRelu of the input alone."""
    kind = helper.np_dtype_to_tensor_dtype(slope.dtype)
    weights = np.random.default_rng(3).standard_normal((4, 3, 3, 3)).astype(slope.dtype)
    conv = helper.make_node("Conv", ["x", "w"], ["planes"], pads=[1, 1, 1, 1])
    nodes = [conv] if after_conv else []
    nodes.append(helper.make_node("PRelu", ["planes" if after_conv else "x", "s"], ["y"]))
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ["n", 3 if after_conv else 4, 5, 5])],
        [helper.make_tensor_value_info("y", kind, ["n", 4, 5, 5])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(slope, "s")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": batch})
    return np.asarray(found)


SLOPES = np.array([0.25, -0.5, 1.5, 0.0], np.float32)


@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1)])
def test_a_prelu_of_any_slope_computes_the_same_when_it_is_split(shape: tuple[int, ...]) -> None:
    model = prelu_graph(SLOPES.reshape(shape))
    batch = np.random.default_rng(1).normal(0, 3, (7, 3, 5, 5)).astype(np.float32)
    before = run(model, batch)
    assert split_prelus(model) == 1
    assert [node.op_type for node in model.graph.node].count("PRelu") == 0
    assert np.abs(run(model, batch) - before).max() <= 1e-5
    assert (before < 0).any()


@pytest.mark.parametrize(
    "model",
    [
        prelu_graph(np.full((1, 1, 1), 0.25, np.float32)),
        prelu_graph(np.full((4, 1, 5), 0.25, np.float32)),
        prelu_graph(SLOPES.reshape(4, 1, 1).astype(np.float16)),
        prelu_graph(SLOPES.reshape(4, 1, 1), after_conv=False),
    ],
    ids=["one slope for all", "a slope a column", "half precision", "no convolution before it"],
)
def test_another_prelu_stays_as_it_is(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()
    assert split_prelus(model) == 0
    assert model.SerializeToString() == before


def test_a_file_with_nothing_to_rewrite_is_left_to_its_path(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(prelu_graph(SLOPES.reshape(4, 1, 1), after_conv=False), path)
    assert faster(path) is None


def test_a_file_whose_weights_lie_beside_is_left_to_its_path(tmp_path: Path) -> None:
    path = tmp_path / "beside.onnx"
    onnx.save(
        prelu_graph(SLOPES.reshape(4, 1, 1)), path, save_as_external_data=True, location="w", size_threshold=0
    )
    assert faster(path) is None
    assert Session(path, threads=1).run(np.zeros((1, 3, 5, 5), np.float32))[0].shape == (1, 4, 5, 5)


def test_the_default_embedder_gives_the_rows_it_gave(pack: ModelPack) -> None:
    plain = onnxruntime.InferenceSession(str(pack.embedder_file), providers=["CPUExecutionProvider"])
    batch = np.random.default_rng(2).integers(0, 256, (3, 3, 112, 112)).astype(np.float32)
    (before,) = plain.run(None, {plain.get_inputs()[0].name: batch})
    (now,) = Session(pack.embedder_file, threads=1).run(batch)
    assert faster(pack.embedder_file) is not None
    assert np.abs(now - before).max() <= 1e-5 * np.abs(before).max()
