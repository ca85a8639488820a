"""`cocircle evaluate lfw-1n`, `megaface` and `identify` from end to end: rows made here, and real faces of AT&T."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.lfw_label_errors import WRONG_LABELS
from evaluation.report.page import page
from evaluation.report.results_folder import kept
from serving.cli.evaluate.identification import identify, lfw_1n, megaface

app = typer.Typer()
app.command("lfw-1n")(lfw_1n)
app.command()(megaface)
app.command()(identify)

DIMENSION = 32


def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def measured(*arguments: str | Path) -> dict[str, Any]:
    (record,) = json.loads(run(*arguments, "--json")[0])
    assert isinstance(record, dict)
    return record


def photos(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def rows_of(path: Path, people: dict[str, int], noise: float = 0.25) -> Path:
    """An .npz with a row for each name, near the direction of its person."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(1 + max(people.values()), DIMENSION))
    rows = directions[list(people.values())]
    rows = (
        rows
        + noise * np.linalg.norm(rows, axis=1, keepdims=True) * rng.normal(size=rows.shape) / DIMENSION**0.5
    )
    np.savez(path, names=np.array(list(people)), embeddings=rows.astype(np.float32))
    return path


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Path]:
    """Twelve people: eight enrolled by two photos each, all with two probes; twenty distractors."""
    names = {
        "gallery": [f"P{person}/g{photo}.jpg" for person in range(8) for photo in range(2)],
        "probes": [f"P{person}/p{photo}.jpg" for person in range(12) for photo in range(2)],
        "distractors": [f"deep/er/{person}.jpg" for person in range(12, 32)],
    }
    people = {
        name: int(
            "".join(filter(str.isdigit, name.rsplit("/", 1)[0] if name[0] == "P" else name.rsplit("/", 1)[1]))
        )
        for kind in names.values()
        for name in kind
    }
    folders = {kind: photos(tmp_path / kind, listed) for kind, listed in names.items()}
    return folders | {"rows": rows_of(tmp_path / "made.npz", people)}


def test_a_users_own_gallery_is_searched_and_its_strangers_told_apart(own: dict[str, Path]) -> None:
    record = measured(
        *(
            "identify",
            "--gallery",
            own["gallery"],
            "--probes",
            own["probes"],
            "--distractors",
            own["distractors"],
        ),
        *("--embeddings", own["rows"], "--threshold", "0.6"),
    )
    figures = record["figures"]
    assert (figures["persons"], figures["templates"]) == (28, 28)
    exact = figures["exact"]
    assert (exact["mated"], exact["mated_people"], exact["strangers"], exact["other_people"]) == (16, 8, 8, 4)
    assert [rank["rate"] for rank in exact["ranks"]] == [1.0, 1.0, 1.0]
    assert exact["open_set"][0]["point"]["fnir"] == 0.0
    assert not exact["open_set"][1]["point"]["supported"]
    assert figures["at_threshold"] == {"threshold": 0.6, "fnir": 0.0, "fpir": 0.0}
    assert figures["missed"] == []
    assert [engine["same_best"] for engine in figures["engines"]] == [1.0, 1.0]
    assert record["pack"] == "made"
    assert set(record["data"]) == {"gallery", "probes", "distractors"}


def test_probes_that_miss_are_named_with_who_was_found(own: dict[str, Path]) -> None:
    with np.load(own["rows"]) as stored:
        names, rows = stored["names"], stored["embeddings"]
    rows[names == "P3/p0.jpg"] = rows[names == "P5/g0.jpg"]
    np.savez(own["rows"], names=names, embeddings=rows)
    arguments = (
        "identify",
        "--gallery",
        own["gallery"],
        "--probes",
        own["probes"],
        "--embeddings",
        own["rows"],
    )
    for fusion in ("mean", "samples"):
        figures = measured(*arguments, "--fusion", fusion)["figures"]
        assert figures["templates"] == (8 if fusion == "mean" else 16)
        (missed,) = figures["missed"]
        assert (missed["probe"], missed["found"]) == ("P3/p0.jpg", "P5")
        assert missed["cosine"] > missed["cosine_of_mate"]
        assert figures["exact"]["ranks"][0]["rate"] == 15 / 16


def test_tables_page_and_kept_results_tell_the_same(own: dict[str, Path], tmp_path: Path) -> None:
    arguments = (
        "identify",
        "--gallery",
        own["gallery"],
        "--probes",
        own["probes"],
        "--embeddings",
        own["rows"],
    )
    printed, _ = run(*arguments, "--report", tmp_path / "page.html", "--results", tmp_path / "kept")
    assert "FNIR at FPIR 0.01, %" in printed
    assert "(unsupported)" in printed
    html = (tmp_path / "page.html").read_text()
    assert html.count("<svg") == 2
    assert "rank-1, one vote a person, %" in html
    assert page(kept(tmp_path / "kept")) == html
    for picture in html.split("<svg")[1:]:
        ET.fromstring("<svg" + picture.split("</svg>")[0] + "</svg>")


def test_without_strangers_or_without_mates_the_other_half_is_measured(
    own: dict[str, Path], tmp_path: Path
) -> None:
    printed, _ = run(
        "identify", "--gallery", own["probes"], "--probes", own["gallery"], "--embeddings", own["rows"]
    )
    assert "rank-1, %" in printed
    assert "FPIR" not in printed.split("No probe shows a stranger")[0].split("Rank-k counts")[0]
    photos(tmp_path / "few", ["P0/p0.jpg", "P1/p0.jpg"])
    photos(tmp_path / "strangers", ["P9/p0.jpg", "P9/p1.jpg", "P10/p1.jpg"])
    arguments = ("identify", "--gallery", tmp_path / "few", "--probes", tmp_path / "strangers")
    printed, _ = run(*arguments, "--embeddings", own["rows"], "--report", tmp_path / "page.html")
    assert "probes of strangers (people)" in printed
    assert "rank-1" not in printed.split("Rank-k counts")[0]
    record = measured(*arguments, "--embeddings", own["rows"])
    assert record["figures"]["exact"]["ranks"][0]["rate"] is None
    assert record["figures"]["exact"]["open_set"][0]["point"]["fnir"] is None


def test_megaface_counts_every_ordered_pair_among_nested_distractors(tmp_path: Path) -> None:
    probes = [f"A{person}/{photo}.png" for person in range(5) for photo in range(3)]
    others = [f"1/2@N/{person}.jpg" for person in range(5, 155)]
    photos(tmp_path / "facescrub_images", probes)
    photos(tmp_path / "megaface_images", others)
    people = {name: int(name[1]) for name in probes} | {name: 5 + at for at, name in enumerate(others)}
    rows = rows_of(tmp_path / "made.npz", people)
    record = measured("megaface", "--data", tmp_path, "--embeddings", rows, "--seed", "0", "--seed", "1")
    figures = record["figures"]
    assert (figures["probes"], figures["people"], figures["pairs"]) == (15, 5, 30)
    assert [size["distractors"] for size in figures["sizes"]] == [10, 100, 150]
    last = figures["sizes"][-1]
    assert last["figures"]["ranks"][0]["rate"] == 1.0
    assert last["rank1_by_seed"] == [1.0, 1.0]
    assert record["data"]["distractors"].startswith(
        "150 images, all images of megaface_images, known by name alone"
    )
    noise = tmp_path / "noise.txt"
    noise.write_text("0.png\n")
    printed, _ = run(
        *(
            "megaface",
            "--data",
            tmp_path,
            "--embeddings",
            rows,
            "--size",
            "20",
            "--probe-noise",
            noise,
            "--aligned",
        ),
        *("--report", tmp_path / "page.html"),
    )
    assert "rank-1 among 20, %" in printed
    assert "Noise lists took 5 probes and 0 distractors" in printed
    assert (tmp_path / "page.html").read_text().count("<svg") == 1
    _, told = run("megaface", "--data", tmp_path, "--embeddings", rows, "--size", "151", code=2)
    assert "151 distractors were asked for; there are 150" in told.replace("\n", " ")


def test_a_pack_embeds_aligned_crops_and_says_what_they_were(tmp_path: Path) -> None:
    for photo in att_faces():
        if photo.number > 2 or photo.person > 8:
            continue
        folder = "probes" if photo.person <= 3 else "distractors"
        path = tmp_path / folder / f"S{photo.person}" / f"{photo.number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = cv2.imread(str(photo.path))
        assert pixels is not None
        path.write_bytes(cv2.imencode(".png", cv2.resize(pixels, (112, 112)))[1].tobytes())
    arguments = ("megaface", "--data", tmp_path, "--aligned", "--no-cache")
    record = measured(*arguments)
    assert (record["figures"]["pairs"], record["figures"]["sizes"][0]["distractors"]) == (6, 10)
    assert record["figures"]["sizes"][0]["figures"]["ranks"][0]["rate"] > 0.5
    assert "SHA-256 over its parts" in record["data"]["probes"]
    listed = tmp_path / "list"
    listed.write_text("S4/1.png\nS4/9.png\n")
    _, told = run(*arguments, "--distractor-list", listed, code=2)
    assert "lacks 1 of 2 images that are named, the first is S4/9.png" in told.replace("\n", " ")


def small_lfw(folder: Path, people: dict[str, int]) -> Path:
    photos(folder / "lfw", list(people))
    lines = ["1\t1", "Person0\t1\t2", "Person0\t1\tPerson1\t1"]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_lfw_is_searched_without_its_wrong_labels(tmp_path: Path) -> None:
    wrong = sorted(WRONG_LABELS)[0]
    people = {
        f"Person{person}/Person{person}_{photo:04d}.jpg": person
        for person in range(40)
        for photo in range(1, 4 if person < 20 else 2)
    } | {
        wrong: 0,
        "Chyung_Dai-chul/Chyung_Dai-chul_0001.jpg": 41,
        "Dai_Chul_Chyung/Dai_Chul_Chyung_0001.jpg": 41,
    }
    folder, rows = small_lfw(tmp_path, people), rows_of(tmp_path / "made.npz", people)
    record = measured("lfw-1n", "--data", folder, "--embeddings", rows)
    figures = record["figures"]
    assert (figures["photos"], figures["left_out"], figures["merged"]) == (82, 1, 1)
    closed, opened = figures["closed_set"], figures["open_set"]
    assert (closed["persons"], closed["exact"]["mated"], closed["exact"]["strangers"]) == (41, 41, 0)
    assert closed["exact"]["ranks"][0]["rate"] == 1.0
    assert opened["persons"] == 41 - 10 - 10
    assert opened["exact"]["mated_people"] + opened["exact"]["other_people"] >= 20
    assert opened["exact"]["strangers"] > 0
    labelled = measured("lfw-1n", "--data", folder, "--embeddings", rows, "--as-labelled", "--seed", "3")[
        "figures"
    ]
    assert (labelled["photos"], labelled["merged"], labelled["seed"]) == (83, 0, 3)
    assert labelled["closed_set"]["persons"] == 43
    printed, _ = run("lfw-1n", "--data", folder, "--embeddings", rows, "--report", tmp_path / "page.html")
    assert "LFW 1:N, open set" in printed
    assert "1 photos with wrong labels are left out and 1 second names" in printed.replace("\n", " ")
    assert (tmp_path / "page.html").read_text().count("<svg") == 2


def test_what_is_wrong_is_told_in_one_line(own: dict[str, Path], tmp_path: Path) -> None:
    _, told = run("lfw-1n", "--data", tmp_path / "nowhere", code=2)
    assert "error: no LFW at" in told
    _, told = run("megaface", "--data", tmp_path / "nowhere", code=2)
    assert "error: no probes in" in told
    _, told = run("identify", "--gallery", tmp_path / "nowhere", "--probes", own["probes"], code=2)
    assert "error: no images at" in told
    photos(tmp_path / "more", ["P1/new.jpg"])
    _, told = run(
        *(
            "identify",
            "--gallery",
            own["gallery"],
            "--probes",
            tmp_path / "more",
            "--embeddings",
            own["rows"],
        ),
        code=2,
    )
    assert "lacks 1 of 1 images, the first is P1/new.jpg" in told.replace("\n", " ")


def test_real_faces_find_their_people(tmp_path: Path) -> None:
    """Eight people of AT&T enrolled by one photo, one probe of each and of two strangers, by the default pack."""
    for photo in att_faces():
        kind = {1: "gallery", 6: "probes"}.get(photo.number)
        if kind is None or photo.person > (8 if kind == "gallery" else 10):
            continue
        path = tmp_path / kind / f"S{photo.person}" / "1.png"
        path.parent.mkdir(parents=True)
        pixels = cv2.imread(str(photo.path))
        assert pixels is not None
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    printed, _ = run(
        *(
            "identify",
            "--gallery",
            tmp_path / "gallery",
            "--probes",
            tmp_path / "probes",
            "--json",
            "--no-cache",
        )
    )
    exact = json.loads(printed)[0]["figures"]["exact"]
    assert (exact["mated"], exact["strangers"]) == (8, 2)
    assert exact["ranks"][0]["rate"] == 1.0
    assert exact["open_set"][0]["point"]["fnir"] == 0.0
