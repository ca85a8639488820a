"""`calibration`, `compare` and `drift` from end to end: real faces where a pack looks at them, else rows of a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.people_folder import open_people
from faces.pack import load_pack
from serving.cli.evaluate.calibration import COMMANDS

app = typer.Typer()
for name, command in COMMANDS.items():
    app.command(name)(command)

FEW = ("--resamples", "60")


def evaluate(*arguments: str | Path, cache: Path | None = None, code: int = 0) -> tuple[str, str]:
    environment = {"COLUMNS": "250"} | ({} if cache is None else {"COCIRCLE_CACHE": str(cache)})
    done = CliRunner(env=environment).invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of each of the 40 people of the AT&T faces, and one photo without a face."""
    folder = tmp_path_factory.mktemp("faces")
    for photo in att_faces():
        if photo.number <= 2:
            target = folder / f"person {photo.person:02d}" / f"{photo.number}.pgm"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(photo.path, target)
    cv2.imwrite(str(folder / "person 01" / "wall.png"), np.full((112, 92, 3), 120, np.uint8))
    return folder


@pytest.fixture
def pack_folder(tmp_path: Path) -> Path:
    """A copy of the default pack's manifest, so that a calibration has somewhere to go."""
    folder = tmp_path / "tried"
    folder.mkdir()
    shutil.copyfile(load_pack("default").manifest_path, folder / "model.toml")
    return folder


def named_rows(people: int, photos: int, noise: float, seed: int) -> tuple[list[str], NDArray[np.float64]]:
    """Noisy views of directions that belong to the people's numbers."""
    middles = np.random.default_rng(0).normal(size=(people, 16))
    rows = np.repeat(middles, photos, axis=0)
    rows += noise * np.random.default_rng(seed).normal(size=rows.shape)
    return [f"p{n // photos:03d}/{n % photos}.jpg" for n in range(people * photos)], rows


def folder_and_rows(
    root: Path, people: int = 90, photos: int = 2, noises: tuple[float, ...] = (0.5,), seed: int = 1
) -> tuple[Path, list[Path]]:
    """A folder of files that nobody decodes, and a file of rows for each amount of noise."""
    names, _ = named_rows(people, photos, 0, 0)
    for name in names:
        (root / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "photos" / name).write_bytes(f"{seed} {name}".encode())
    files = []
    for at, noise in enumerate(noises):
        files.append(root / f"rows{at}.npz")
        np.savez(files[-1], names=np.array(names), embeddings=named_rows(people, photos, noise, seed)[1])
    return root / "photos", files


def test_real_faces_give_a_calibration_that_can_be_written_and_says_what_it_is_of(
    faces: Path, pack_folder: Path, cache: Path, tmp_path: Path
) -> None:
    before = load_pack(pack_folder)
    groups = tmp_path / "groups.csv"
    lines = [f"person {n:02d},{'first' if n <= 20 else 'second'}" for n in range(1, 41)]
    groups.write_text("\n".join(["person,half", *lines]) + "\n")
    page = tmp_path / "page.html"
    printed, told = evaluate(
        *("calibration", "--data", faces, "--pack", pack_folder, "--groups", groups, "--write"),
        *("--report", page, "--json", *FEW),
        cache=cache,
    )
    (record,) = json.loads(printed)
    after = load_pack(pack_folder)
    assert after.contract_id == before.contract_id
    assert after.calibration is not None
    assert after.calibration.pairs == 80 * 79 // 2 - 40
    assert "3120 pairs of different people, all among 80 photos of 40 people" in after.calibration.data
    assert str(after.manifest_path) in told.replace("\n", "")
    figures = record["figures"]
    assert figures["without_face"] == ["person 01/wall.png"]
    assert (figures["photos"], figures["people"], figures["people_pairs"]) == (80, 40, 780)
    loosest, *_, strictest = figures["levels"]
    assert loosest["offered"]["basis"] == "counted"
    assert loosest["offered"]["cosine"] == pytest.approx(after.calibration.threshold(0.1))
    assert loosest["offered"]["interval"]["low"] < loosest["offered"]["cosine"]
    assert strictest["offered"]["basis"] == "linear"
    assert strictest["beside"] is None
    today = figures["today"][0]
    assert before.calibration is not None
    assert today["cosine"] == pytest.approx(before.calibration.threshold(1e-2))
    assert 1e-2 / 4 < today["false_match"]["value"] < 4e-2
    assert today["false_non_match"]["value"] < 0.05
    cells = figures["groups"]["half"][0]["false_matches"]
    assert [cell["groups"] for cell in cells] == [
        ["first", "first"],
        ["first", "second"],
        ["second", "second"],
    ]
    assert all(cell["rate"] is None for cell in cells)
    assert record["data"]["photos"] == open_people(faces).described
    html = page.read_text()
    assert "too small: 190 pairs of people, 3,000 needed" in html
    assert html.count("<svg") == 2


def test_a_second_calibration_embeds_nothing_and_gives_the_same_bytes(
    faces: Path, pack_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("calibration", "--data", faces, "--pack", pack_folder, "--json", *FEW)
    first, _ = evaluate(*arguments, cache=cache)

    def no_analyzer(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded although the cache holds all embeddings")

    monkeypatch.setattr("serving.cli.evaluate.options.Analyzer", no_analyzer)
    assert evaluate(*arguments, cache=cache)[0] == first


def test_without_a_pack_thresholds_come_from_the_photos_and_it_is_said(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path)
    printed, _ = evaluate("calibration", "--data", folder, "--embeddings", rows, *FEW)
    assert "these photos themselves, since rows0 has no calibration" in printed
    assert "cosine for FMR 0.01" in printed
    assert "counted" in printed
    assert "p0" in printed.split("Most alike pairs of different people")[1]
    _, told = evaluate("calibration", "--data", folder, "--embeddings", rows, "--write", code=2)
    assert "no manifest to write into" in told.replace("\n", " ")


def test_a_tail_is_stated_beside_the_line_where_there_are_people_enough_for_one(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=160, photos=1)
    printed, _ = evaluate("calibration", "--data", folder, "--embeddings", rows, "--json", *FEW)
    (record,) = json.loads(printed)
    assert record["figures"]["tail"]["fit"]["votes"] == pytest.approx(127, abs=1)
    strictest = record["figures"]["levels"][-1]
    assert (strictest["offered"]["basis"], strictest["beside"]["basis"]) == ("linear", "extreme-value tail")
    assert record["figures"]["false_non_match_rates"] == []


def test_too_few_people_are_refused_with_the_number_it_takes(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=7, photos=4)
    _, told = evaluate("calibration", "--data", folder, "--embeddings", rows, code=2)
    told = told.replace("\n", " ")
    assert "no calibration from 7 people" in told
    assert "only 21 different pairs of people" in told
    assert "from 9 people on; to count a false match rate of 0.01 takes 78" in told


def test_people_who_are_all_alike_are_refused(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=12)
    names, _ = named_rows(12, 2, 0, 0)
    np.savez(rows, names=np.array(names), embeddings=np.ones((24, 4)))
    _, told = evaluate("calibration", "--data", folder, "--embeddings", rows, code=2)
    assert "no calibration from 12 people" in told.replace("\n", " ")


def test_people_without_a_line_among_the_groups_are_named(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=10)
    groups = tmp_path / "groups.csv"
    groups.write_text("person,site\np000,north\n")
    _, told = evaluate("calibration", "--data", folder, "--embeddings", rows, "--groups", groups, code=2)
    assert "no line for 9 of the 10 people" in told.replace("\n", " ")


def test_the_better_of_two_packs_is_named_with_a_margin_and_a_chance(tmp_path: Path) -> None:
    folder, (good, bad) = folder_and_rows(tmp_path, photos=3, noises=(0.4, 0.9))
    arguments = ("compare", "--data", folder, "--embeddings", good, "--embeddings", bad, *FEW)
    printed, _ = evaluate(*arguments)
    assert "TAR at FAR 0.01: rows0 is better than rows1 by" in printed.replace("\n", " ")
    assert "90 people are too few for a false accept rate of 0.001, 0.0001, 1e-05" in printed.replace(
        "\n", " "
    )
    (record,) = json.loads(evaluate(*arguments, "--json")[0])
    difference = record["figures"]["differences"]["TAR at FAR 0.01"]
    assert difference["value"] < 0
    assert difference["interval"]["high"] < 0
    assert record["pack"] == "rows1 against rows0"
    assert record["figures"]["pairs"] == 180
    assert record["figures"]["mcnemar"]["only_a"] > record["figures"]["mcnemar"]["only_b"]


def test_pairs_of_lfw_are_compared_as_they_stand(tmp_path: Path) -> None:
    folder, files = folder_and_rows(tmp_path, people=40, noises=(0.4, 0.9))
    names, rows = [], []
    for file in files:
        with np.load(file) as stored:
            rows.append(stored["embeddings"])
    lines = ["2\t20"]
    for fold in range(2):
        people = range(20 * fold, 20 * fold + 20)
        lines += [f"P{person:03d}\t1\t2" for person in people]
        lines += [f"P{person:03d}\t1\tP{(person + 1) % 40:03d}\t2" for person in people]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    shutil.rmtree(folder / "p000")
    for person in range(40):
        for photo in (1, 2):
            name = f"P{person:03d}/P{person:03d}_{photo:04d}.jpg"
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(name.encode())
            names.append(name)
    for person in range(1, 40):
        shutil.rmtree(folder / f"p{person:03d}")
    for file, of_file in zip(files, rows, strict=True):
        np.savez(file, names=np.array(names), embeddings=of_file)
    printed, _ = evaluate(
        *("compare", "--data", folder, "--embeddings", files[0], "--embeddings", files[1], "--json", *FEW)
    )
    (record,) = json.loads(printed)
    assert record["figures"]["pairs"] == 80
    assert list(record["figures"]["differences"]) == ["accuracy", "TAR at FAR 0.1", "TAR at FAR 0.01"]
    assert record["figures"]["differences"]["accuracy"]["p"] == record["figures"]["mcnemar"]["p"]


def test_a_comparison_takes_two_packs(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=4)
    _, told = evaluate("compare", "--data", folder, "--embeddings", rows, code=2)
    assert "two packs or files of embeddings; 1 were given" in told.replace("\n", " ")


def test_worse_photos_are_told_from_those_before(tmp_path: Path) -> None:
    before, (first,) = folder_and_rows(tmp_path / "before", photos=3, noises=(0.4,))
    after, (second,) = folder_and_rows(tmp_path / "after", photos=3, noises=(0.8,), seed=2)
    names, rows = [], []
    for at, file in enumerate((first, second)):
        with np.load(file) as stored:
            names += [f"{name[:4]}/{at}{name[5:]}" for name in stored["names"].tolist()]
            rows.append(stored["embeddings"])
    for at, folder in enumerate((before, after)):
        for path in sorted(folder.glob("*/*")):
            path.rename(path.with_name(f"{at}{path.name}"))
    both = tmp_path / "both.npz"
    np.savez(both, names=np.array(names), embeddings=np.concatenate(rows))
    arguments = ("drift", "--before", before, "--after", after, "--embeddings", both, *FEW)
    printed, _ = evaluate(*arguments, "--report", tmp_path / "page.html")
    assert "Cosines of one person's photos fell by" in printed
    assert "people in both" in printed
    (record,) = json.loads(evaluate(*arguments, "--json")[0])
    found = record["figures"]["drift"]
    assert found["genuine"]["interval"]["high"] < 0
    assert found["shared"] == 90
    assert found["false_match"][0]["before"]["value"] == pytest.approx(0.01, abs=0.002)
    assert found["false_non_match"][0]["after"]["value"] > found["false_non_match"][0]["before"]["value"]
    assert (tmp_path / "page.html").read_text().count("<svg") == 2


def test_a_set_too_small_for_thresholds_of_its_own_is_refused(tmp_path: Path) -> None:
    folder, (rows,) = folder_and_rows(tmp_path, people=5)
    _, told = evaluate("drift", "--before", folder, "--after", folder, "--embeddings", rows, code=2)
    assert "rows0 has no calibration, and" in told.replace("\n", " ")


@pytest.mark.parametrize("command", ["calibration", "compare"])
def test_a_folder_that_is_not_there_is_told_in_one_line(command: str, tmp_path: Path) -> None:
    folder, (rows, other) = folder_and_rows(tmp_path, people=4, noises=(0.1, 0.2))
    shutil.rmtree(folder)
    _, told = evaluate(command, "--data", folder, "--embeddings", rows, "--embeddings", other, code=2)
    assert "error: no images at" in told
    assert "Traceback" not in told
