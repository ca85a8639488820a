"""A network -> one ONNX graph from the pixels of crops to unit rows; compares and writes nothing."""

from __future__ import annotations

import io
import warnings
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from training.backbones.images import HALF
from training.backbones.registry import SIDE, Backbone
from training.export.errors import ExportError

InputLayout = Literal["nhwc-uint8", "nchw-uint8"]
OPSET = 17
"""The newest whose reductions take their axes as attributes, which every ONNX Runtime of ours reads."""

CROPS, ROWS = "crops", "templates"
"""The graph's input and output."""


def core(network: Backbone) -> Any:
    """The network alone as an onnx.ModelProto: images (N, 3, 112, 112) float32 -> embeddings (N, D) float32.

    N is free. Batch normalisation stands in the weights of the convolution before it. The same weights give the
    same bytes. ExportError where the network is in training mode, not float32 on the CPU, or has a weight that
    is not finite.
    """
    _check(network)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that the warnings recommend needs a further distribution, onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIDE, SIDE),),
            file,  # type: ignore[arg-type]  # the annotation of torch 2.13 forgets files in memory
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
        )
    return onnx.load_model_from_string(file.getvalue())


def whole(inner: Any, layout: InputLayout, **notes: str) -> Any:
    """The graph of a pack around a core: crops (N, 112, 112, 3) or (N, 3, 112, 112) uint8, blue green red, to
    unit rows (N, D) float32; an onnx.ModelProto that ONNX's checker accepted.

    inner: as `core` makes it, or of lower precision with the same input and output; it stays as it is. What comes
    before and after is float32 always. notes: metadata beside the producer. ExportError if the checker objects.
    """
    (images,), (embeddings,) = inner.graph.input, inner.graph.output
    before, constants = _pixels_to_images(layout, images.name)
    after = [
        helper.make_node("ReduceL2", [embeddings.name], ["pack_length"], axes=[1], keepdims=1),
        helper.make_node("Div", [embeddings.name, "pack_length"], [ROWS]),
    ]
    sides = (SIDE, SIDE, 3) if layout == "nhwc-uint8" else (3, SIDE, SIDE)
    dimension = embeddings.type.tensor_type.shape.dim[1].dim_value
    graph = helper.make_graph(
        [*before, *inner.graph.node, *after],
        "embedder",
        [helper.make_tensor_value_info(CROPS, TensorProto.UINT8, ["batch", *sides])],
        [helper.make_tensor_value_info(ROWS, TensorProto.FLOAT, ["batch", dimension])],
        [*constants, *inner.graph.initializer],
    )
    made = helper.make_model(graph, opset_imports=inner.opset_import, ir_version=inner.ir_version)
    made.producer_name, made.producer_version = "cocircle", version("cocircle")
    helper.set_model_props(made, {"input": f"{layout}, blue green red", "output": "unit rows", **notes})
    try:
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    return made


def _pixels_to_images(layout: InputLayout, images: str) -> tuple[list[Any], list[Any]]:
    """Nodes and constants that do what `training.backbones.images.normalised` does, in the same order."""
    constants = [
        numpy_helper.from_array(np.array([2, 1, 0]), "pack_rgb"),
        numpy_helper.from_array(np.float32(HALF), "pack_half"),
    ]
    planes = "pack_planes" if layout == "nhwc-uint8" else CROPS
    nodes = [
        helper.make_node("Gather", [planes, "pack_rgb"], ["pack_swapped"], axis=1),
        helper.make_node("Cast", ["pack_swapped"], ["pack_floats"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["pack_floats", "pack_half"], ["pack_centred"]),
        helper.make_node("Div", ["pack_centred", "pack_half"], [images]),
    ]
    if layout == "nhwc-uint8":
        nodes.insert(0, helper.make_node("Transpose", [CROPS], [planes], perm=[0, 3, 1, 2]))
    return nodes, constants


def _check(network: Backbone) -> None:
    if network.training:
        raise ExportError("a network in training mode was to be exported; call eval() on it")
    for name, tensor in network.state_dict().items():
        if tensor.device.type != "cpu" or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            raise ExportError(
                f"{name} is {tensor.dtype} on {tensor.device}; a network leaves in float32 from the CPU"
            )
        if not torch.isfinite(tensor).all():
            raise ExportError(
                f"{name} holds a value that is not finite: the training went wrong, take an earlier step"
            )
