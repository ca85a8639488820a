"""The retrieval commands from end to end: on rows of an .npz file, and on real faces through the default pack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.images import DatasetError, open_images
from evaluation.embedding.whole_images import embed_whole, resized
from evaluation.report.results_folder import kept
from faces.analyzer import Analyzer
from faces.pack import load_pack
from serving.cli.evaluate.retrieval import COMMANDS

app = typer.Typer()
for name, command in COMMANDS.items():
    app.command(name)(command)


def run(*arguments: str | Path, cache: Path | None = None, code: int = 0) -> tuple[str, str]:
    environment = {} if cache is None else {"COCIRCLE_CACHE": str(cache)}
    done = CliRunner(env=environment).invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr.replace("\n", " ")


def figures(*arguments: str | Path, cache: Path | None = None) -> dict[str, Any]:
    (record,) = json.loads(run(*arguments, "--json", cache=cache)[0])
    found: dict[str, Any] = record["figures"]
    return found


def write_rows(path: Path, rows: dict[str, NDArray[Any] | list[float]]) -> Path:
    np.savez(path, names=np.array(list(rows)), embeddings=np.array(list(rows.values()), np.float32))
    return path


def turned(degrees: float) -> list[float]:
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


@pytest.fixture
def market(tmp_path: Path) -> tuple[Path, Path]:
    """One query at 0 degrees. Nearest are junk and an image of its own camera, then a distractor, then its mate,
    another person, its other mate; a second query shows a person whom only its own camera saw.
    """
    rows = {
        "query/0001_c1s1_000001_00.jpg": 0.0,
        "query/0007_c1s1_000001_00.jpg": 90.0,
        "bounding_box_test/-1_c2s1_000001_01.jpg": 1.0,
        "bounding_box_test/0001_c1s1_000002_01.jpg": 2.0,
        "bounding_box_test/0000_c2s1_000002_01.jpg": 3.0,
        "bounding_box_test/0001_c2s1_000002_01.jpg": 4.0,
        "bounding_box_test/0009_c2s1_000002_01.jpg": 5.0,
        "bounding_box_test/0001_c3s1_000002_01.jpg": 6.0,
        "bounding_box_test/0007_c1s1_000002_01.jpg": 91.0,
    }
    for name in rows:
        (tmp_path / "market" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "market" / name).write_bytes(b"not looked at")
    return tmp_path / "market", write_rows(
        tmp_path / "mine.npz", {name: turned(angle) for name, angle in rows.items()}
    )


def test_market_is_judged_by_the_rules_of_its_protocol(market: tuple[Path, Path]) -> None:
    folder, rows = market
    found = figures("market-1501", "--data", folder, "--embeddings", rows)
    assert found["at_rank"] == {"1": 0.0, "5": 1.0, "10": 1.0}
    assert found["mean_average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found["mean_trapezoid"] == pytest.approx(((0 / 1 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2)
    assert (found["probes"], found["without_mate"], found["gallery"], found["junk"]) == (1, 1, 6, 1)
    assert found["rank1_interval"] is None
    assert found["bootstrap"]["seed"] == 1


def test_tables_notes_page_and_kept_result_say_what_a_reader_must_know(
    market: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, rows = market
    with np.load(rows) as stored:
        mirrored = dict(zip(stored["names"].tolist(), stored["embeddings"] * [1, -1], strict=True))
    other = write_rows(tmp_path / "other.npz", mirrored)
    page = tmp_path / "page.html"
    printed, _ = run(
        *("market-1501", "--data", folder, "--embeddings", rows, "--embeddings", other),
        *("--report", page, "--results", tmp_path / "kept"),
    )
    for words in ("rank-1, %", "mAP by trapezoids, %", "50.00", "mine", "other"):
        assert words in printed
    assert "declares junk, neither right nor wrong, were not ranked: 1." in printed
    assert "Queries without a right image in the gallery, left out of all figures: 1." in printed
    assert "This copy of Market-1501 has 2 queries and a gallery of 6" in printed
    assert "resized" not in printed
    html = page.read_text()
    assert html.count("<svg") == 1
    assert html.count("<polyline") == 2
    results = kept(tmp_path / "kept")
    assert {result.subject for result in results} == {"mine", "other"}
    assert all("list SHA-256" in result.data["Market-1501"] for result in results)


def test_rows_are_judged_where_the_images_are_not(tmp_path: Path) -> None:
    names = [f"000{n}/000{n}_000_0{camera}_0303morning_0015_0.jpg" for n in range(4) for camera in (1, 2)]
    (tmp_path / "list_query.txt").write_text(
        "".join(f"{name} {at // 2}\n" for at, name in enumerate(names) if at % 2)
    )
    (tmp_path / "list_gallery.txt").write_text(
        "".join(f"{name} {at // 2}\n" for at, name in enumerate(names) if not at % 2)
    )
    rows = write_rows(tmp_path / "r.npz", {name: turned(20 * (at // 2)) for at, name in enumerate(names)})
    found = figures("msmt17", "--data", tmp_path, "--embeddings", rows)
    assert found["at_rank"]["1"] == 1.0
    assert found["mean_average_precision"] == 1.0
    assert found["rank1_interval"] == {"low": 1.0, "high": 1.0}
    assert found["same_camera_left_out"]


def test_products_birds_and_cars_report_their_own_ranks(tmp_path: Path) -> None:
    (tmp_path / "Ebay_test.txt").write_text(
        "image_id class_id super_class_id path\n"
        + "".join(f"{at} {at // 2} 1 a/{at}.JPG\n" for at in range(6))
    )
    (tmp_path / "images.txt").write_text("".join(f"{at} b/{at}.jpg\n" for at in range(6)))
    (tmp_path / "image_class_labels.txt").write_text("".join(f"{at} {101 + at // 2}\n" for at in range(6)))
    lines = "".join(f"c/{at}.jpg,{at % 196 + 1}\n" for at in range(392))
    (tmp_path / "cars_annos.csv").write_text("relative_im_path,class\n" + lines)
    folders = {"sop": ("a", "JPG", 6), "cub-200": ("b", "jpg", 6), "cars196": ("c", "jpg", 392)}
    ranks = {
        "sop": ["1", "10", "100", "1000"],
        "cub-200": ["1", "2", "4", "8"],
        "cars196": ["1", "2", "4", "8"],
    }
    for command, (folder, suffix, count) in folders.items():
        rows = write_rows(
            tmp_path / f"{command}.npz", {f"{folder}/{at}.{suffix}": turned(at * 0.9) for at in range(count)}
        )
        found = figures(command, "--data", tmp_path, "--embeddings", rows)
        assert list(found["at_rank"]) == ranks[command]
        assert found["at_rank"][ranks[command][-1]] == 1.0 or command == "cars196"
        assert found["gallery"] == found["probes"] == (196 if command == "cars196" else 6)
    # Neighbours one step away: a tie of a right and a wrong one for all but the two at the ends counts against them.
    of_birds = figures("cub-200", "--data", tmp_path, "--embeddings", tmp_path / "cub-200.npz")
    assert of_birds["at_rank"]["1"] == pytest.approx(2 / 6)
    printed, _ = run("cub-200", "--data", tmp_path, "--embeddings", tmp_path / "cub-200.npz")
    for words in ("R@8, %", "mAP@R, %", "R-precision, %", "6 images against each other"):
        assert words in printed


def test_faces_of_ones_own_are_found_by_a_pack_that_sees_each_image_whole(tmp_path: Path) -> None:
    lines = ["image,identity"]
    for photo in att_faces():
        if photo.person <= 5 and photo.number <= 3:
            pixels = cv2.imread(str(photo.path))
            assert pixels is not None
            path = tmp_path / "faces" / f"s{photo.person}" / f"{photo.number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
            lines.append(f"faces/s{photo.person}/{photo.number}.png,{photo.person}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    cache = tmp_path / "cache"
    arguments = ("--data", tmp_path / "faces", "--pack", "default")
    found = figures("retrieval", *arguments, cache=cache)
    assert found["probes"] == 15
    assert found["at_rank"]["1"] >= 0.8
    printed, _ = run("retrieval", *arguments, cache=cache)
    assert "resized whole to 112x112" in printed
    listed = figures("retrieval", "--data", tmp_path / "list.csv", "--pack", "default", cache=cache)
    assert listed["mean_average_precision"] == pytest.approx(found["mean_average_precision"])


def test_whole_images_are_embedded_as_crops_and_crops_are_left_as_they_are(tmp_path: Path) -> None:
    analyzer = Analyzer(load_pack("default"), threads=1)
    random = np.random.default_rng(0)
    images = [
        random.integers(0, 255, shape, dtype=np.uint8)
        for shape in ((112, 112, 3), (40, 300, 3), (256, 128, 3))
    ]
    for at, image in enumerate(images):
        (tmp_path / f"{at}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    steps: list[int] = []
    found = embed_whole(analyzer, open_images(tmp_path, nested=True), batch=2, progress=steps.append)
    assert found.central == pytest.approx(
        analyzer.embed_crops(np.stack([resized(image) for image in images])), abs=1e-5
    )
    assert np.array_equal(resized(images[0]), images[0])
    assert steps == [2, 1]
    (tmp_path / "3.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"3\.png cannot be decoded"):
        embed_whole(analyzer, open_images(tmp_path, nested=True))


def test_a_source_must_be_named_since_the_default_pack_is_for_faces(market: tuple[Path, Path]) -> None:
    _, told = run("market-1501", "--data", market[0], code=2)
    assert "name a source" in told


def test_what_is_wrong_is_told_in_one_line(market: tuple[Path, Path], tmp_path: Path) -> None:
    folder, rows = market
    _, told = run("market-1501", "--data", tmp_path / "nowhere", "--embeddings", rows, code=2)
    assert "error: no query/ in" in told
    (folder / "query/0002_c1s1_000001_00.jpg").write_bytes(b"")
    _, told = run("market-1501", "--data", folder, "--embeddings", rows, code=2)
    assert "lacks 1 of 9 images, the first is query/0002_c1s1_000001_00.jpg" in told
    (tmp_path / "alone.csv").write_text("image,identity\na.jpg,1\nb.jpg,2\n")
    alone = write_rows(tmp_path / "alone.npz", {"a.jpg": turned(0), "b.jpg": turned(9)})
    _, told = run("retrieval", "--data", tmp_path / "alone.csv", "--embeddings", alone, code=2)
    assert "error: Retrieval, alone: no query has an image of its identity that counts in the gallery" in told
    assert "Traceback" not in told
