"""A core in float16, weights and computation; its input and output stay float32. Measures nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.export.errors import ExportError

LARGEST = float(np.finfo(np.float16).max)


def halved(inner: Any) -> Any:
    """An onnx.ModelProto (images float32 -> embeddings float32) that computes in float16 between.

    ExportError where a weight is too large for float16, or a node holds a graph of its own.
    """
    made = onnx.ModelProto()
    made.CopyFrom(inner)
    graph = made.graph
    del graph.value_info[:]
    for tensor in graph.initializer:
        _halve(tensor, tensor.name)
    for node in graph.node:
        _halve_attributes(node)
    (images,), (embeddings,) = graph.input, graph.output
    _rename(graph.node, images.name, "half_images", embeddings.name, "half_embeddings")
    graph.node.insert(0, helper.make_node("Cast", [images.name], ["half_images"], to=TensorProto.FLOAT16))
    graph.node.append(helper.make_node("Cast", ["half_embeddings"], [embeddings.name], to=TensorProto.FLOAT))
    return made


def _halve_attributes(node: Any) -> None:
    for attribute in node.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise ExportError(f"{node.op_type} {node.name} holds a graph, which has no way to float16 here")
        if attribute.HasField("t"):
            _halve(attribute.t, f"{node.op_type} {node.name}")
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16


def _halve(tensor: Any, name: str) -> None:
    if tensor.data_type != TensorProto.FLOAT:
        return
    values = numpy_helper.to_array(tensor)
    if np.abs(values).max(initial=0.0) > LARGEST:
        raise ExportError(f"{name} holds a value above {LARGEST:.0f}, the largest of float16; export fp32")
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))


def _rename(nodes: Any, read: str, now_read: str, written: str, now_written: str) -> None:
    for node in nodes:
        for at, name in enumerate(node.input):
            if name == read:
                node.input[at] = now_read
        for at, name in enumerate(node.output):
            if name == written:
                node.output[at] = now_written
