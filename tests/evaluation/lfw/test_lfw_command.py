"""`cocircle evaluate lfw` from end to end on a small set of real faces in LFW's layout, made of the AT&T
photos.
"""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError
from evaluation.datasets.lfw import open_lfw
from faces.pack import load_pack
from serving.cli.evaluate import evaluate_app

PEOPLE, FOLDS, HALF = 40, 2, 20


@pytest.fixture(scope="module")
def small_lfw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of each of the 40 people: a genuine pair each, and an impostor pair with the next person."""
    folder = tmp_path_factory.mktemp("small-lfw")
    for photo in att_faces():
        if photo.number <= 2:
            name = f"Person{photo.person}/Person{photo.person}_{photo.number:04d}.jpg"
            (folder / name).parent.mkdir(exist_ok=True)
            pixels = cv2.imread(str(photo.path))
            assert pixels is not None
            (folder / name).write_bytes(
                cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
            )
    lines = [f"{FOLDS}\t{HALF}"]
    for fold in range(FOLDS):
        people = range(fold * HALF + 1, fold * HALF + HALF + 1)
        lines += [f"Person{person}\t1\t2" for person in people]
        lines += [f"Person{person}\t1\tPerson{person % PEOPLE + 1}\t2" for person in people]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the default pack's manifest, so that a calibration has somewhere to go."""
    folder = tmp_path_factory.mktemp("packs") / "tried"
    folder.mkdir()
    shutil.copyfile(load_pack("default").manifest_path, folder / "model.toml")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def evaluate(*arguments: str | Path, cache: Path | None = None, code: int = 0) -> tuple[str, str]:
    environment = {} if cache is None else {"COCIRCLE_CACHE": str(cache)}
    done = CliRunner(env=environment).invoke(evaluate_app, ["lfw", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def test_real_faces_are_told_apart_and_the_answer_says_what_it_was_made_with(
    small_lfw: Path, pack_folder: Path, cache: Path
) -> None:
    printed, _ = evaluate("--data", small_lfw, "--pack", pack_folder, "--json", cache=cache)
    (record,) = json.loads(printed)
    assert record["figures"]["accuracy"]["mean"] >= 0.95
    assert record["figures"]["accuracy"]["pairs"] == 80
    assert record["figures"]["choice"]["no_face"] == 0
    assert record["contract_id"] == load_pack(pack_folder).contract_id
    assert record["images_digest"] == open_lfw(small_lfw).images.digest
    assert record["images"] == 80
    assert record["versions"]["onnxruntime"] != "absent"
    assert record["calibration"] is None


def test_a_second_evaluation_embeds_nothing_and_gives_the_same_bytes(
    small_lfw: Path, pack_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--data", small_lfw, "--pack", pack_folder, "--json", "--report")
    first, _ = evaluate(*arguments, tmp_path / "first.html", cache=cache)

    def no_analyzer(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded although the cache holds all embeddings")

    monkeypatch.setattr("serving.cli.evaluate.lfw.Analyzer", no_analyzer)
    second, _ = evaluate(*arguments, tmp_path / "second.html", cache=cache)
    assert first == second
    assert (tmp_path / "first.html").read_bytes() == (tmp_path / "second.html").read_bytes()


def test_a_calibration_lands_in_the_manifest_and_leaves_the_contract_as_it_was(
    small_lfw: Path, pack_folder: Path, cache: Path
) -> None:
    before = load_pack(pack_folder)
    printed, told = evaluate("--data", small_lfw, "--pack", pack_folder, "--calibrate", "--json", cache=cache)
    after = load_pack(pack_folder)
    (record,) = json.loads(printed)
    assert after.contract_id == before.contract_id
    assert after.calibration is not None
    assert after.calibration.pairs == 80 * 79 // 2 - 40
    assert "3120 pairs of different people, all among 80 photos of 40 people" in after.calibration.data
    assert str(after.manifest_path) in told.replace("\n", "")
    levels = {level["fmr"]: level for level in record["calibration"]["levels"]}
    assert levels[0.1]["cosine"] == pytest.approx(after.calibration.threshold(0.1))
    assert not levels[0.1]["extrapolated"]
    assert levels[1e-6]["extrapolated"]
    assert levels[1e-6]["interval"] is None


def test_a_calibration_of_another_contract_than_the_packs_is_refused(
    small_lfw: Path, pack_folder: Path, cache: Path
) -> None:
    flip = "--no-flip" if load_pack(pack_folder).embedder.flip else "--flip"
    before = (pack_folder / "model.toml").read_bytes()
    _, told = evaluate("--data", small_lfw, "--pack", pack_folder, "--calibrate", flip, cache=cache, code=2)
    assert "mirror averaging" in told
    assert (pack_folder / "model.toml").read_bytes() == before


def test_page_and_picture_are_self_contained_and_well_formed(
    small_lfw: Path, pack_folder: Path, cache: Path, tmp_path: Path
) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "roc.svg"
    printed, _ = evaluate(
        *("--data", small_lfw, "--pack", pack_folder, "--calibrate", "--report", page, "--picture", picture),
        cache=cache,
    )
    assert "accuracy, %" in printed
    assert "Calibration of" in printed
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")
    html = page.read_text()
    assert html.count("<svg") == 2
    assert load_pack(pack_folder).contract_id in html
    assert "<script" not in html
    for outside in ("src=", "href=", "url(", "@import"):
        assert outside not in html


def test_what_is_wrong_with_the_data_is_told_in_one_line(tmp_path: Path) -> None:
    _, told = evaluate("--data", tmp_path / "nowhere", code=2)
    assert "error: no LFW at" in told
    assert "Traceback" not in told


def test_a_photo_that_cannot_be_decoded_is_named(small_lfw: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lfw"
    shutil.copytree(small_lfw, broken)
    (broken / "Person7/Person7_0001.jpg").write_bytes(b"no picture")
    _, told = evaluate("--data", broken, "--no-cache", code=2)
    assert "Person7/Person7_0001.jpg cannot be decoded" in told.replace("\n", " ")
    with pytest.raises(DatasetError):
        open_lfw(broken / "nowhere")
