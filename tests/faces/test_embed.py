"""Embedders whose graph takes the crops as they are, beside those that take prepared numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faces.embed import Embedder
from faces.manifest import AS_CROPS, EmbedderSpec, Layout, ModelFile, Normalisation, PackError
from faces.session import Session

SIDE = 16
LAYOUTS: tuple[Layout, ...] = ("nhwc-uint8", "nchw-uint8", "nchw")
FLOATS = Normalisation("bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def graph(path: Path, layout: Layout) -> Session:
    """Sums each row of each plane: (N, 3 x 16), asymmetric in x by a weight that grows to the right."""
    weights = np.linspace(0, 1, SIDE, dtype=np.float32).reshape(SIDE, 1)
    whole = layout == "nhwc-uint8"
    sides = [SIDE, SIDE, 3] if whole else [3, SIDE, SIDE]
    nodes = [helper.make_node("Cast", ["x"], ["floats"], to=TensorProto.FLOAT)]
    planes = "floats"
    if whole:
        nodes.append(helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]))
        planes = "planes"
    nodes += [
        helper.make_node("MatMul", [planes, "w"], ["sums"]),
        helper.make_node("Flatten", ["sums"], ["y"]),
    ]
    taken = TensorProto.FLOAT if layout == "nchw" else TensorProto.UINT8
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", taken, ["n", *sides])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3 * SIDE])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return Session(path, threads=1)


def spec(layout: Layout, *, flip: bool = False, side: int = SIDE) -> EmbedderSpec:
    return EmbedderSpec(
        name="sums",
        model=ModelFile("g.onnx", "0" * 64, "none", "test"),
        input=side,
        normalisation=FLOATS if layout == "nchw" else AS_CROPS,
        layout=layout,
        template="arcface-112",
        dimension=3 * SIDE,
        flip=flip,
    )


@pytest.fixture
def crops() -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (5, SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize("flip", [False, True])
def test_crops_as_they_are_and_prepared_ones_give_the_same_templates(
    tmp_path: Path, crops: NDArray[np.uint8], flip: bool
) -> None:
    rows = [
        Embedder(graph(tmp_path / "g.onnx", layout), spec(layout, flip=flip)).embed(crops)
        for layout in LAYOUTS
    ]
    for other in rows[1:]:
        assert np.allclose(rows[0], other, atol=1e-6)
    assert np.allclose(np.linalg.norm(rows[0], axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_flip_a_face_and_its_mirror_image_have_one_template(
    tmp_path: Path, crops: NDArray[np.uint8], layout: Layout
) -> None:
    session = graph(tmp_path / "g.onnx", layout)
    both, one = Embedder(session, spec(layout, flip=True)), Embedder(session, spec(layout))
    mirrored = np.ascontiguousarray(crops[:, :, ::-1])
    assert np.allclose(both.embed(crops), both.embed(mirrored), atol=1e-6)
    assert not np.allclose(one.embed(crops), one.embed(mirrored), atol=1e-3)


def test_a_crop_that_is_no_contiguous_array_is_read_as_it_looks(
    tmp_path: Path, crops: NDArray[np.uint8]
) -> None:
    embedder = Embedder(graph(tmp_path / "g.onnx", "nhwc-uint8"), spec("nhwc-uint8"))
    turned = crops[:, ::-1, :, ::-1]
    assert np.array_equal(embedder.embed(turned), embedder.embed(turned.copy()))


@pytest.mark.parametrize("kind", [np.float32, np.int8, np.uint16])
def test_pixels_of_another_type_are_an_error_and_are_not_converted(
    tmp_path: Path, crops: NDArray[np.uint8], kind: type[np.generic]
) -> None:
    embedder = Embedder(graph(tmp_path / "g.onnx", "nhwc-uint8"), spec("nhwc-uint8"))
    with pytest.raises(ValueError, match=f"uint8, 0..255, got {np.dtype(kind)}"):
        embedder.embed(crops.astype(kind))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of_graph", "of_manifest", "words"),
    [
        ("nchw", "nhwc-uint8", r"takes tensor\(float\)"),
        ("nhwc-uint8", "nchw", r"takes tensor\(uint8\)"),
        ("nhwc-uint8", "nchw-uint8", r"layout 'nchw-uint8'"),
        ("nchw-uint8", "nhwc-uint8", r"16, 16, 3\)"),
    ],
)
def test_a_graph_that_does_not_take_what_the_manifest_says_is_refused_when_it_is_loaded(
    tmp_path: Path, of_graph: Layout, of_manifest: Layout, words: str
) -> None:
    with pytest.raises(PackError, match=words):
        Embedder(graph(tmp_path / "g.onnx", of_graph), spec(of_manifest))


def test_a_graph_for_another_side_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="input 112"):
        Embedder(graph(tmp_path / "g.onnx", "nhwc-uint8"), spec("nhwc-uint8", side=112))


def test_a_black_crop_that_has_no_direction_is_an_error(tmp_path: Path, crops: NDArray[np.uint8]) -> None:
    embedder = Embedder(graph(tmp_path / "g.onnx", "nhwc-uint8"), spec("nhwc-uint8"))
    with pytest.raises(ValueError, match="zero or not finite"):
        embedder.embed(np.zeros_like(crops))
