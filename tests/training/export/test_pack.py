"""What is exported is what was trained, as one folder that a service loads, or nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evaluation.datasets.att import att_faces
from faces.analyzer import Analyzer
from faces.image import decode_image
from faces.manifest import DetectorSpec, PackError, read_manifest
from faces.pack import load_pack
from tests.training.backbones.small import settled, small
from tests.training.runs import att_folder
from training.backbones.registry import Backbone
from training.data.folder import ImageFolder
from training.export.check import network_rows
from training.export.errors import ExportError
from training.export.pack import Description, Exported, export_pack

ABOUT = Description(
    "small-net", "CC0-1.0", "AT&T faces (400 images of 40 identities), research use", {"seed": 0}
)

Crops = NDArray[np.uint8]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    records = ImageFolder(att_folder(tmp_path_factory.mktemp("att"), 4))
    return np.stack([records.image(index) for index in range(len(records))])


def network(name: str = "mobilefacenet") -> Backbone:
    made = settled(small(name))
    assert isinstance(made, Backbone)
    return made


def export(folder: Path, crops: Crops, **options: object) -> Exported:
    return export_pack(network(), folder, ABOUT, crops, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["nhwc-uint8", "nchw-uint8"])
@pytest.mark.parametrize("name", ["mobilefacenet", "iresnet-18", "vit-t"])
def test_a_pack_gives_the_networks_embeddings_in_batches_of_any_size(
    tmp_path: Path, crops: Crops, name: str, layout: str
) -> None:
    of = network(name)
    export_pack(of, tmp_path / "pack", ABOUT, crops, layout=layout)  # type: ignore[arg-type]
    analyzer = Analyzer(load_pack(tmp_path / "pack"))
    expected = network_rows(of, crops)
    for count in (1, 3, 33):
        found = analyzer.embed_crops(crops[:count])
        assert np.abs(found - expected[:count]).max() < 1e-5
        assert np.allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


def test_a_pack_finds_and_embeds_the_face_on_a_photo(tmp_path: Path, crops: Crops) -> None:
    export(tmp_path / "pack", crops)
    photo = decode_image(att_faces()[0].path.read_bytes())
    (analysis,) = Analyzer(load_pack(tmp_path / "pack")).analyze([photo])
    assert analysis.faces[0].embedding is not None
    assert analysis.faces[0].embedding.shape == (16,)


def test_a_pack_says_what_it_was_trained_on_and_under_which_licence(tmp_path: Path, crops: Crops) -> None:
    made = export(tmp_path / "pack", crops)
    manifest = read_manifest(tmp_path / "pack" / "model.toml")
    assert manifest.training is not None
    assert manifest.training.data == ABOUT.data
    assert (manifest.licence, manifest.embedder.model.licence) == ("CC0-1.0", "CC0-1.0")
    assert manifest.calibration is None
    assert made.contract_id.startswith("small-net-")
    assert made.agreement.least > 1 - 1e-5


def test_half_precision_states_what_it_costs(tmp_path: Path, crops: Crops) -> None:
    whole = export(tmp_path / "whole", crops)
    half = export(tmp_path / "half", crops, precision="fp16")
    training = read_manifest(tmp_path / "half" / "model.toml").training
    assert training is not None
    assert training.cost == str(half.cost)
    assert whole.agreement.least > half.agreement.least > 0.999
    sizes = [(tmp_path / name / "embedder.onnx").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    assert half.contract_id != whole.contract_id


def test_a_pack_that_says_nothing_of_its_data_or_licence_is_not_made() -> None:
    for licence, data, words in (
        ("", "staff", "licence is empty"),
        ("CC0-1.0", " \n", "data statement is empty"),
    ):
        with pytest.raises(ExportError, match=words):
            Description("net", licence, data, {})


def test_a_pack_takes_the_detector_it_is_told_to(tmp_path: Path, crops: Crops) -> None:
    export(tmp_path / "named", crops)
    assert read_manifest(tmp_path / "named" / "model.toml").detector == "default"
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(load_pack("default").manifest_path, other / "model.toml")
    export(tmp_path / "own", crops, detector=other)
    theirs, ours = (read_manifest(folder / "model.toml").detector for folder in (other, tmp_path / "own"))
    assert isinstance(theirs, DetectorSpec)
    assert ours == replace(theirs, model=replace(theirs.model, file="detector.onnx", distribution=None))
    photo = decode_image(att_faces()[0].path.read_bytes())
    found = [Analyzer(load_pack(tmp_path / name)).analyze([photo])[0].faces for name in ("named", "own")]
    assert np.allclose(found[0][0].detection.box, found[1][0].detection.box)
    # A pack that borrows its detector lends the one it borrows.
    export(tmp_path / "third", crops, detector=tmp_path / "named")
    assert read_manifest(tmp_path / "third" / "model.toml").detector == "default"


def test_a_detector_that_is_not_there_is_told_before_anything_is_left(tmp_path: Path, crops: Crops) -> None:
    with pytest.raises(PackError):
        export(tmp_path / "pack", crops, detector=tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_went_wrong_is_refused_and_nothing_is_left(tmp_path: Path, crops: Crops) -> None:
    broken = network()
    with torch.no_grad():
        broken.embedding.linear.weight[0, 0] = torch.nan
    with pytest.raises(ExportError, match=r"embedding\.linear\.weight holds a value that is not finite"):
        export_pack(broken, tmp_path / "pack", ABOUT, crops)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path, crops: Crops) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for allowed in (False, True):
        with pytest.raises(ExportError, match="is not empty"):
            export(tmp_path / "mine", crops, replace=allowed)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_pack_is_replaced_only_when_asked_and_only_by_a_whole_one(tmp_path: Path, crops: Crops) -> None:
    first = export(tmp_path / "pack", crops)
    with pytest.raises(ExportError, match="--replace"):
        export(tmp_path / "pack", crops)
    with pytest.raises(ExportError, match="real crops"):
        export(tmp_path / "pack", crops[:0], replace=True)
    assert load_pack(tmp_path / "pack").contract_id == first.contract_id
    second = export(tmp_path / "pack", crops, replace=True, layout="nchw-uint8")
    assert load_pack(tmp_path / "pack").contract_id == second.contract_id != first.contract_id
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_changed_graph_is_noticed(tmp_path: Path, crops: Crops) -> None:
    export(tmp_path / "pack", crops)
    graph = tmp_path / "pack" / "embedder.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    with pytest.raises(PackError):
        load_pack(tmp_path / "pack")


def test_pixels_that_the_graph_would_ignore_may_not_be_described(tmp_path: Path, crops: Crops) -> None:
    export(tmp_path / "pack", crops)
    path = tmp_path / "pack" / "model.toml"
    path.write_text(path.read_text().replace("input = 112", "input = 112\nmean = [0, 0, 0]"))
    with pytest.raises(PackError, match="mean would be ignored"):
        read_manifest(path)


def test_a_layout_that_is_not_the_graphs_is_refused_at_loading(tmp_path: Path, crops: Crops) -> None:
    export(tmp_path / "pack", crops)
    path = tmp_path / "pack" / "model.toml"
    path.write_text(path.read_text().replace("nhwc-uint8", "nchw-uint8"))
    with pytest.raises(PackError, match="layout 'nchw-uint8'"):
        Analyzer(load_pack(tmp_path / "pack"))


def test_words_of_any_kind_survive_the_manifest(tmp_path: Path, crops: Crops) -> None:
    odd = Description(
        "small-net", 'a "quoted" \\ licence', "Größe\n[embedder]\nläuft\t\u2028", {"path": "C:\\x"}
    )
    export_pack(network(), tmp_path / "pack", odd, crops)
    manifest = read_manifest(tmp_path / "pack" / "model.toml")
    assert manifest.training is not None
    assert (manifest.training.data, manifest.licence) == (odd.data, odd.licence)
    assert (
        tomllib.loads((tmp_path / "pack" / "model.toml").read_text())["training"]["config"]
        == '{"path": "C:\\\\x"}'
    )


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.training.export.test_pack import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
faces = np.random.default_rng(0).integers(0, 256, (4, 112, 112, 3), np.uint8)
of = network()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
export_pack(of, Path(sys.argv[1]) / "pack", ABOUT, faces)
"""


def test_a_full_disk_leaves_no_part_of_a_pack(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode != 0
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
