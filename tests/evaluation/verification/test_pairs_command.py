"""The commands of 1:1 sets from end to end, on small sets in their layouts, made of the AT&T photos."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError
from evaluation.datasets.pairs_csv import open_pairs_csv
from evaluation.embedding.sources import FileEmbeddings
from evaluation.verification.run import run_pairs
from faces.face import Image
from faces.pack import load_pack
from serving.cli.evaluate.pairs import COMMANDS

app = typer.Typer()
for name, command in COMMANDS.items():
    app.command(name)(command)

PEOPLE = 20


def evaluate(*arguments: str | Path, cache: Path | None = None, code: int = 0) -> tuple[str, str]:
    environment = {"COLUMNS": "250"} | ({} if cache is None else {"COCIRCLE_CACHE": str(cache)})
    done = CliRunner(env=environment).invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def photos() -> dict[tuple[int, int], Image]:
    """The first two photos of each of PEOPLE people, by person and number."""
    found = {}
    for photo in att_faces():
        if photo.person <= PEOPLE and photo.number <= 2:
            pixels = cv2.imread(str(photo.path))
            assert pixels is not None
            found[photo.person, photo.number] = pixels.astype(np.uint8)
    return found


@pytest.fixture(scope="module")
def small_cfp(tmp_path_factory: pytest.TempPathFactory, photos: dict[tuple[int, int], Image]) -> Path:
    """CFP's layout: the first photo of a person passes for frontal, the second for profile; two people a fold."""
    folder = tmp_path_factory.mktemp("cfp")
    protocol = folder / "Protocol"
    protocol.mkdir()
    for number, (kind, letter) in enumerate((("frontal", "F"), ("profile", "P")), start=1):
        lines = []
        for person in range(1, PEOPLE + 1):
            path = folder / f"Data/Images/{person:03d}/{kind}/01.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(cv2.imencode(".jpg", photos[person, number])[1].tobytes())
            lines.append(f"{person} ../{path.relative_to(folder).as_posix()}\n")
        (protocol / f"Pair_list_{letter}.txt").write_text("".join(lines))
    for fold in range(10):
        one, other = 2 * fold + 1, 2 * fold + 2
        split = protocol / f"Split/FP/{fold + 1:02d}"
        split.mkdir(parents=True)
        (split / "same.txt").write_text(f"{one},{one}\n{other},{other}\n")
        (split / "diff.txt").write_text(f"{one},{other}\n{other},{one}\n")
    return folder


@pytest.fixture(scope="module")
def small_bin(tmp_path_factory: pytest.TempPathFactory, photos: dict[tuple[int, int], Image]) -> Path:
    """A .bin of the middles of the photos, as if they were aligned: each person with itself, then with the next."""
    crops = {
        key: cv2.imencode(".png", cv2.resize(photo[10:102], (112, 112)))[1].tobytes()
        for key, photo in photos.items()
    }
    images, same = [], []
    for person in range(1, PEOPLE + 1):
        images += [crops[person, 1], crops[person, 2], crops[person, 1], crops[person % PEOPLE + 1, 2]]
        same += [True, False]
    path = tmp_path_factory.mktemp("bin") / "small.bin"
    path.write_bytes(pickle.dumps((images, same)))
    return path


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, Path]:
    """A CSV of pairs in folders of people, and an .npz of made-up embeddings that tell most people apart."""
    random = np.random.default_rng(2)
    people = random.normal(size=(30, 16))
    names, vectors = [], []
    for person in range(30):
        for number in (1, 2):
            name = f"p{person}/{number}.jpg"
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
            names.append(name)
            vectors.append(people[person] + random.normal(0, 0.6, 16))
    lines = ["left,right,same"]
    for person in range(30):
        lines.append(f"p{person}/1.jpg,p{person}/2.jpg,1")
        lines.append(f"p{person}/1.jpg,p{(person + 1) % 30}/2.jpg,0")
    (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    np.savez(tmp_path / "mine.npz", names=np.array(names), embeddings=np.array(vectors))
    return tmp_path / "mine.csv", tmp_path / "mine.npz"


def test_real_faces_in_the_layout_of_cfp_are_told_apart(small_cfp: Path, cache: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    printed, _ = evaluate("cfp-fp", "--data", small_cfp, "--json", "--report", page, cache=cache)
    (record,) = json.loads(printed)
    figures = record["figures"]
    assert (record["protocol"], record["title"]) == ("cfp-fp", "CFP, frontal-profile")
    assert (figures["pairs"], figures["genuine"], figures["impostor"]) == (40, 20, 20)
    assert figures["accuracy"]["mean"] >= 0.9
    assert len(figures["accuracy"]["accuracies"]) == 10
    assert figures["bootstrap"] == {
        "drawn": "people",
        "units": PEOPLE,
        "resamples": 1000,
        "left_out": 0,
        "seed": 0,
        "level": 0.95,
    }
    assert record["contract_id"] == load_pack("default").contract_id
    html = page.read_text()
    assert html.count("<svg") == 2
    assert "The published list has 7,000 pairs, this one 40" in html
    assert str(small_cfp) not in html


def test_a_second_evaluation_embeds_nothing_and_gives_the_same_bytes(
    small_cfp: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = evaluate("cfp-fp", "--data", small_cfp, "--json", cache=cache)

    def no_analyzer(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded although the cache holds all embeddings")

    monkeypatch.setattr("serving.cli.evaluate.options.Analyzer", no_analyzer)
    second, _ = evaluate("cfp-fp", "--data", small_cfp, "--json", cache=cache)
    assert first == second


def test_the_worst_pairs_are_written_as_a_picture_of_the_crops(
    small_cfp: Path, cache: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "worst.jpg"
    _, told = evaluate("cfp-fp", "--data", small_cfp, "--worst", sheet, "--worst-count", 3, cache=cache)
    assert "faces and names" in told
    pixels = cv2.imread(str(sheet))
    assert pixels is not None
    assert pixels.shape[1] > 1000
    _, told = evaluate(
        *("cfp-fp", "--data", small_cfp, "--worst", sheet, "--worst-at", "1e-3"), cache=cache, code=2
    )
    assert "has 20 impostor pairs, too few for a FAR of 1e-3" in told


def test_a_bin_file_is_judged_as_aligned_crops_beside_another(small_bin: Path, cache: Path) -> None:
    other = small_bin.with_name("other.bin")
    other.write_bytes(small_bin.read_bytes())
    printed, _ = evaluate("bin", small_bin, other, "--json", "--resamples", 50, cache=cache)
    one, two = json.loads(printed)
    assert (one["protocol"], two["protocol"]) == ("bin-small", "bin-other")
    assert one["figures"] == two["figures"]
    assert one["figures"]["aligned"]
    assert one["figures"]["accuracy"]["mean"] >= 0.7
    assert one["figures"]["bootstrap"]["drawn"] == "pairs"
    table, _ = evaluate("bin", small_bin, "--resamples", 50, cache=cache)
    assert "small.bin, 40 pairs" in table
    assert "not measurable" in table
    assert "photos without a face" not in table


def test_a_bin_file_that_would_run_something_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "evil.bin"
    path.write_bytes(b"\x80\x02cos\nsystem\nU\x02ls\x85R.")
    _, told = evaluate("bin", path, code=2)
    assert "holds the name os.system" in told
    assert "Traceback" not in told


def test_pairs_of_a_users_own_have_no_accuracy_unless_folds_are_drawn(rows: tuple[Path, Path]) -> None:
    pairs, npz = rows
    printed, _ = evaluate("pairs", pairs, "--embeddings", npz, "--json")
    (record,) = json.loads(printed)
    assert record["figures"]["accuracy"] is None
    assert record["figures"]["folds"] is None
    assert record["figures"]["bootstrap"]["drawn"] == "people"
    table, _ = evaluate("pairs", pairs, "--embeddings", npz)
    assert "accuracy, %" not in table
    assert "The pairs have no folds, so there is no accuracy" in table
    printed, _ = evaluate("pairs", pairs, "--embeddings", npz, "--folds", 5, "--seed", 3, "--json")
    (record,) = json.loads(printed)
    assert record["figures"]["folds"] == "5, drawn at random with seed 3"
    assert len(record["figures"]["accuracy"]["accuracies"]) == 5
    assert record["figures"]["bootstrap"]["seed"] == 3


def test_folds_of_the_file_are_kept_and_impossible_ones_refused(rows: tuple[Path, Path]) -> None:
    pairs, npz = rows
    _, told = evaluate("pairs", pairs, "--embeddings", npz, "--folds", 31, code=2)
    assert "at most as many as there are pairs of the rarer kind, 30" in told
    head, *lines = pairs.read_text().splitlines()
    with_folds = [f"{line},{at // 20}" for at, line in enumerate(lines)]
    pairs.write_text("\n".join([f"{head},fold", *with_folds]))
    printed, _ = evaluate("pairs", pairs, "--embeddings", npz, "--json")
    (record,) = json.loads(printed)
    assert len(record["figures"]["accuracy"]["accuracies"]) == 3
    _, told = evaluate("pairs", pairs, "--embeddings", npz, "--folds", 2, code=2)
    assert "mine.csv has folds of its own" in told


def test_several_sources_stand_side_by_side_and_have_no_common_sheet(
    rows: tuple[Path, Path], tmp_path: Path
) -> None:
    pairs, npz = rows
    other = tmp_path / "other.npz"
    other.write_bytes(npz.read_bytes())
    table, _ = evaluate("pairs", pairs, "--embeddings", npz, "--embeddings", other)
    (line,) = [line for line in table.splitlines() if "equal error rate" in line]
    assert line.count("to") == 2
    arguments = ("pairs", pairs, "--embeddings", npz, "--embeddings", other, "--worst", tmp_path / "w.jpg")
    _, told = evaluate(*arguments, code=2)
    assert "shows one pack on one set; 2 on 1 were named" in told
    assert not (tmp_path / "w.jpg").exists()


def test_results_are_kept_for_a_page_of_all(rows: tuple[Path, Path], tmp_path: Path) -> None:
    pairs, npz = rows
    evaluate("pairs", pairs, "--embeddings", npz, "--results", tmp_path / "kept")
    (kept,) = (tmp_path / "kept").glob("*.json")
    assert kept.name.startswith("pairs-mine-file-")


def test_what_is_wrong_is_told_in_one_line(rows: tuple[Path, Path], tmp_path: Path) -> None:
    pairs, npz = rows
    for name in ("cfp-fp", "cfp-ff", "agedb-30", "calfw", "cplfw"):
        _, told = evaluate(name, "--data", tmp_path / "nowhere", "--embeddings", npz, code=2)
        assert "error: no " in told
        assert "Traceback" not in told
    pairs.write_text(pairs.read_text() + "p0/1.jpg,p0/1.jpg,1\n")
    _, told = evaluate("pairs", pairs, "--embeddings", npz, code=2)
    assert "line 62: p0/1.jpg is compared with itself" in told
    _, told = evaluate("bin", tmp_path / "a/x.bin", tmp_path / "b/x.bin", "--embeddings", npz, code=2)
    assert "files of one name" in told


def test_the_help_of_the_sheet_warns_that_it_shows_faces() -> None:
    for name in COMMANDS:
        printed, _ = evaluate(name, "--help")
        assert "It shows faces and names" in printed


def test_embeddings_that_lack_an_image_are_refused(rows: tuple[Path, Path], tmp_path: Path) -> None:
    pairs, npz = rows
    with np.load(npz) as stored:
        np.savez(npz, names=stored["names"][1:], embeddings=stored["embeddings"][1:])
    with pytest.raises(DatasetError, match=r"lacks 1 of 60 images, the first is p0/1\.jpg"):
        run_pairs(FileEmbeddings(npz), open_pairs_csv(pairs, aligned=True))
