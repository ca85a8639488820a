"""Graphs of other precision, and PReLU in another form: what changes is stated, and what must not change does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faces.manifest import read_manifest
from faces.pack import load_pack
from tests.training.export.test_pack import ABOUT, Crops, crops, export, network
from training.export.check import network_rows
from training.export.errors import ExportError
from training.export.graph import core
from training.export.int8 import quantised
from training.export.pack import export_pack
from training.export.prelu import split

__all__ = ["crops"]


def prelu(slopes: NDArray[np.float32], *, through_identity: bool = False) -> onnx.ModelProto:
    nodes = [helper.make_node("PRelu", ["images", "slopes"], ["embeddings"])]
    name = "slopes"
    if through_identity:
        name = "kept_once"
        nodes.insert(0, helper.make_node("Identity", [name], ["slopes"]))
    sides = ["batch", 4, 3, 3]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, sides)],
        [numpy_helper.from_array(slopes, name)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": x})
    return np.asarray(found)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=4), st.booleans(), st.integers(0, 99))
def test_prelu_as_two_convolutions_gives_the_numbers_of_the_node(
    slopes: list[float], through_identity: bool, seed: int
) -> None:
    x = np.random.default_rng(seed).normal(size=(2, 4, 3, 3)).astype(np.float32)
    x[0, 0] = 0.0
    made = prelu(np.array(slopes, np.float32).reshape(4, 1, 1), through_identity=through_identity)
    parts = split(made)
    assert {node.op_type for node in parts.graph.node} == {"Relu", "Conv", "Add"}
    assert np.allclose(run(parts, x), run(made, x), atol=1e-6)
    assert {node.op_type for node in made.graph.node} >= {"PRelu"}


def test_a_prelu_whose_slopes_are_not_one_a_channel_stays_as_it_is() -> None:
    for shape in ((1, 1, 1), (4, 3, 3), (1, 3, 1)):
        made = prelu(np.full(shape, 0.5, np.float32))
        assert [node.op_type for node in split(made).graph.node] == ["PRelu"]


def test_a_network_in_that_form_is_the_same_network(crops: Crops) -> None:
    inner = core(network())
    assert any(node.op_type == "PRelu" for node in inner.graph.node)
    assert not any(node.op_type == "PRelu" for node in split(inner).graph.node)


@pytest.mark.parametrize("name", ["mobilefacenet", "iresnet-18", "vit-t"])
def test_eight_bits_state_what_they_cost_and_what_they_give(tmp_path: Path, crops: Crops, name: str) -> None:
    of = network(name)
    whole = export_pack(of, tmp_path / "whole", ABOUT, crops)
    made = export_pack(of, tmp_path / "int8", ABOUT, crops, precision="int8")
    manifest = read_manifest(tmp_path / "int8" / "model.toml")
    assert manifest.training is not None
    assert made.cost is not None
    assert (manifest.training.precision, manifest.training.cost) == ("int8", str(made.cost))
    assert "LFW not measured" in str(made.cost)
    assert made.agreement.crops == len(crops) // 2
    assert 0.9 < made.agreement.least < whole.agreement.least
    files = [tmp_path / name / "embedder.onnx" for name in ("int8", "whole")]
    assert made.cost.megabytes == tuple(file.stat().st_size / 1e6 for file in files)
    assert min(made.cost.milliseconds) > 0
    assert made.contract_id != whole.contract_id


def test_weights_are_held_in_eight_bits_and_the_batch_stays_free(crops: Crops) -> None:
    of = network()
    graph = quantised(split(core(of)), crops)
    kinds = {tensor.data_type for tensor in graph.graph.initializer}
    assert TensorProto.INT8 in kinds
    large = [one for one in graph.graph.initializer if one.data_type == TensorProto.FLOAT]
    # Scales, slopes and biases are vectors; no matrix of weights stayed in float32.
    assert max(np.prod(one.dims) for one in large) <= 512
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    for count in (1, 3):
        images = np.zeros((count, 3, 112, 112), np.float32)
        assert session.run(None, {graph.graph.input[0].name: images})[0].shape == (count, 16)


def test_what_an_activation_may_reach_is_not_learned_from_the_crops_that_judge(
    tmp_path: Path, crops: Crops
) -> None:
    # The second half would stretch every range; it must only be compared.
    odd = crops[:12].copy()
    odd[1::2] = 255 - odd[1::2]
    plain = crops[:12].copy()
    for name, faces in (("odd", odd), ("plain", plain)):
        export(tmp_path / name, faces, precision="int8")
    graphs = [load_pack(tmp_path / name).embedder_file.read_bytes() for name in ("odd", "plain")]
    assert graphs[0] == graphs[1]


def test_one_crop_is_too_few_for_eight_bits(tmp_path: Path, crops: Crops) -> None:
    with pytest.raises(ExportError, match="two crops or more"):
        export(tmp_path / "pack", crops[:1], precision="int8")
    assert list(tmp_path.iterdir()) == []


def test_float32_in_the_faster_form_is_still_the_network(tmp_path: Path, crops: Crops) -> None:
    of = network()
    made = export_pack(of, tmp_path / "pack", ABOUT, crops)
    assert made.cost is None
    assert 1 - made.agreement.least < 1e-6
    assert network_rows(of, crops).shape == (len(crops), 16)
