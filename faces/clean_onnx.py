"""Rewrite an ONNX graph so that it serves: weights dequantised once, constants folded, sizes free.

The numbers it computes stay the same up to float rounding. Knows ONNX, not faces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

REVISION = 1
"""Rises whenever clean() writes something else, so that older cached copies are not taken for new ones."""


def clean(data: bytes, free_sides: bool) -> bytes:
    """The cleaned model file.

    - Weights leave the graph's inputs (there they count as changeable, and nothing is optimised), as do
      inputs that no node reads.
    - DequantizeLinear and Reshape of constants are evaluated here in NumPy; Constant nodes become weights.
    - Dropout, which does nothing at inference, goes.
    - The batch size is free; with `free_sides` also the input's height and width.
    Raises ValueError where the result is not a valid ONNX model.
    """
    model = onnx.load_model_from_string(data)
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    renamed: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type == "Dropout":
            renamed[node.output[0]] = node.input[0]
            continue
        value = _fold(node, constants)
        if value is None:
            nodes.append(node)
        else:
            constants[node.output[0]] = value
    for node in nodes:
        if node.op_type == "Reshape" and node.input[1] in constants:
            name = f"{node.output[0]}_shape"
            constants[name] = _free_shape(constants[node.input[1]])
            node.input[1] = name
    if lost := [out.name for out in graph.output if out.name in renamed or out.name in constants]:
        raise ValueError(f"cleaning would lose the graph's outputs {lost}")
    used = {name for node in nodes for name in node.input}
    inputs = [item for item in graph.input if item.name in used and item.name not in constants]
    for item in inputs:
        _free(item, ("batch", None, "height", "width") if free_sides else ("batch",))
    for item in graph.output:
        # Candidates a level depend on height and width: one free length for each output.
        _free(item, ("batch", f"{item.name}_rows") if free_sides else ("batch",))
    cleaned = helper.make_model(
        helper.make_graph(
            nodes,
            graph.name or "graph",
            inputs,
            list(graph.output),
            [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
        ),
        opset_imports=model.opset_import,
        producer_name="cocircle",
        ir_version=max(model.ir_version, helper.find_min_ir_version_for(model.opset_import)),
    )
    try:
        onnx.checker.check_model(cleaned, full_check=True)
    except Exception as error:
        raise ValueError(f"the cleaned model is not valid ONNX: {error}") from error
    return bytes(cleaned.SerializeToString(deterministic=True))


def dequantise(
    values: NDArray[Any],
    scale: NDArray[Any],
    zero: NDArray[Any] | None,
    axis: int,
    block: int,
) -> NDArray[np.float32]:
    """(values - zero) * scale: one scale for all, one an index of `axis`, or one a block of `block` along it.

    ONNX operators, DequantizeLinear-21. A scalar scale stands for all whatever the block size says: such
    files exist, and ONNX Runtime refuses to run them.
    """
    zero = np.zeros(scale.shape, np.int32) if zero is None else zero.astype(np.int32)

    def spread(per: NDArray[Any]) -> NDArray[Any]:
        if per.size == 1:
            return per.reshape(())
        if block:
            return np.repeat(per, block, axis=axis).take(range(values.shape[axis]), axis=axis)
        return per.reshape([-1 if at == axis % values.ndim else 1 for at in range(values.ndim)])

    centred = values.astype(np.int32) - spread(zero)
    floats: NDArray[np.float32] = centred.astype(np.float32) * spread(scale.astype(np.float32))
    return floats


def _fold(node: onnx.NodeProto, constants: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """The value of a node that depends on constants alone, of the kinds that packs need; else None."""
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type == "Constant" and "value" in attributes:
        constant: NDArray[Any] = numpy_helper.to_array(attributes["value"])
        return constant
    if not all(name in constants for name in node.input):
        return None
    values = [constants[name] for name in node.input]
    if node.op_type == "DequantizeLinear":
        zero = values[2] if len(values) > 2 else None
        return dequantise(
            values[0],
            values[1],
            zero,
            attributes.get("axis", 1),
            attributes.get("block_size", 0),
        )
    if node.op_type == "Reshape" and not attributes.get("allowzero", 0):
        shape = [
            values[0].shape[at] if side == 0 else int(side) for at, side in enumerate(values[1].tolist())
        ]
        return values[0].reshape(shape)
    return None


def _free_shape(shape: NDArray[Any]) -> NDArray[np.int64]:
    """A target shape made for one image of one size, (1, rows, k), becomes (same as the input, any, k)."""
    free = [int(side) for side in shape.tolist()]
    if len(free) > 1 and free[0] == 1:
        free[0] = 0
        if -1 not in free:
            free[1] = -1
    return np.array(free, np.int64)


def _free(item: onnx.ValueInfoProto, names: tuple[str | None, ...]) -> None:
    sides = item.type.tensor_type.shape.dim
    for side, name in zip(sides, names, strict=False):
        if name is not None:
            side.Clear()
            side.dim_param = name
