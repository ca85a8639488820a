"""`cocircle evaluate ijb` from end to end on a small set of real faces in IJB-C's layout, made of the AT&T photos."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from evaluation.datasets.att import att_faces
from evaluation.datasets.ijb import open_ijb
from evaluation.embedding.parts import embed_listed
from evaluation.embedding.sources import PackEmbeddings
from evaluation.report.results_folder import kept
from evaluation.templates.means import template_means
from faces.align import align
from faces.analyzer import Analyzer, EmbedWhat
from faces.pack import load_pack
from serving.cli.evaluate.options import photo_bar
from serving.cli.evaluate.templates import ijb

# Subjects 1..3 are in G1, 4 and 5 in G2, 6 in neither: its probes have no mate anywhere.
GALLERIES = {"G1": (1, 2, 3), "G2": (4, 5)}
SUBJECTS = range(1, 7)
# Photos of each subject by template: a gallery template of two stills, a probe of a video of two frames and a still,
# and a probe of one still.
GALLERY, PROBE, SINGLE = ((1, 2), (3, 4, 5), (6,))

app = typer.Typer()
app.command()(ijb)


@pytest.fixture(scope="module")
def ijbc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder IJBC; landmarks are those that the default pack finds."""
    folder = tmp_path_factory.mktemp("IJBC")
    (folder / "meta").mkdir()
    (folder / "loose_crop").mkdir()
    analyzer = Analyzer(load_pack("default"))
    photos = {(photo.person, photo.number): photo.path for photo in att_faces()}
    media, landmarks = [], []
    lists: dict[str, list[str]] = {name: [] for name in ("gallery_G1", "gallery_G2", "probe_mixed")}
    pairs = []
    for subject in SUBJECTS:
        home = next((name for name, of in GALLERIES.items() if subject in of), None)
        for kind, numbers in ((0, GALLERY), (1, PROBE), (2, SINGLE)):
            template = 100 * kind + subject
            if kind == 0 and home is None:
                continue
            for number in numbers:
                at = len(media) + 1
                pixels = cv2.imread(str(photos[subject, number]))
                assert pixels is not None
                cv2.imwrite(str(folder / f"loose_crop/{at}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])
                found = analyzer.analyze([pixels], embed=EmbedWhat.NONE)[0].faces[0].detection
                points = " ".join(f"{value:.3f}" for value in found.landmarks.ravel())
                medium = template * 10 + min(
                    number, 4
                )  # photos 3 and 4 would be two media without min and max
                medium = template * 10 + (3 if number in (3, 4) else number)
                media.append(f"{at}.jpg {template} {medium}")
                landmarks.append(f"{at}.jpg {points} {0.5 + number / 20:.3f}")
                name = f"gallery_{home}" if kind == 0 else "probe_mixed"
                lists[name].append(f"{template},{subject},img/{at}.jpg,{medium},0,0,92,112")
            if kind:
                pairs += [
                    f"{other} {template} {int(other == subject)}" for of in GALLERIES.values() for other in of
                ]
    head = "TEMPLATE_ID,SUBJECT_ID,FILENAME,SIGHTING_ID,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT"
    write = {
        "face_tid_mid.txt": media,
        "name_5pts_score.txt": landmarks,
        "template_pair_label.txt": pairs,
        **{f"1N_{name}.csv": [head, *lines] for name, lines in lists.items()},
    }
    for name, lines in write.items():
        (folder / f"meta/ijbc_{name}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def evaluate(*arguments: str | Path, cache: Path, code: int = 0) -> tuple[str, str]:
    done = CliRunner(env={"COCIRCLE_CACHE": str(cache)}).invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def record(*arguments: str | Path, cache: Path) -> dict[str, Any]:
    (one,) = json.loads(evaluate(*arguments, "--json", cache=cache)[0])
    assert isinstance(one, dict)
    return one


def test_real_faces_are_verified_and_found_and_strangers_are_counted(ijbc: Path, cache: Path) -> None:
    made = record("--data", ijbc, cache=cache)
    figures = made["figures"]
    assert made["protocol"] == "ijb-c"
    assert (figures["images"], figures["templates"], figures["weights"]) == (34, 17, "none")
    verification = figures["verification"]
    assert (verification["genuine"], verification["impostor"]) == (10, 50)
    assert verification["operating_points"][0]["tar"] == 1.0
    assert [point["supported"] for point in verification["operating_points"]] == [True] + [False] * 5
    search = figures["identification"]
    assert (search["G1"]["mated"], search["G1"]["non_mated"]) == (6, 6)
    assert (search["G2"]["mated"], search["G2"]["non_mated"]) == (4, 8)
    assert search["mean"]["ranks"] == {"1": 1.0, "5": 1.0, "10": 1.0}
    assert [point["supported"] for point in search["mean"]["open_set"]] == [False] * 3
    assert search["mean"]["open_set"][0]["tpir"] >= 0.9
    assert made["data"]["IJB-C images"].startswith("34 in 17 templates, SHA-256 ")


def test_a_template_is_what_its_crops_give_by_hand(
    ijbc: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COCIRCLE_CACHE", str(cache))
    analyzer, data = Analyzer(load_pack("default")), open_ijb(ijbc)
    wanted = np.flatnonzero(data.templates[data.template] == 101)
    assert sorted(data.medium[wanted].tolist()) == [1013, 1013, 1015]
    crops = []
    for at in wanted:
        pixels = cv2.imread(str(data.images.source / data.images.names[at]))
        assert pixels is not None
        assert data.images.landmarks is not None
        crops.append(align(pixels, data.images.landmarks[at]))
    rows = analyzer.embed_crops(np.stack(crops))
    of_video = rows[data.medium[wanted] == 1013].mean(axis=0)
    (still,) = rows[data.medium[wanted] == 1015]
    expected = (of_video + still) / np.linalg.norm(of_video + still)
    embedded = embed_listed(PackEmbeddings(analyzer.pack, lambda _: analyzer, photo_bar), data.images)
    templates = template_means(embedded.rows, data.template, data.medium)
    assert np.allclose(templates[data.templates == 101], expected, atol=1e-5)


def test_a_second_evaluation_loads_no_model_and_prints_the_same(
    ijbc: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate("--data", ijbc, cache=cache)[0]

    def no_analyzer(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded although the cache holds all embeddings")

    monkeypatch.setattr("serving.cli.evaluate.options.Analyzer", no_analyzer)
    assert evaluate("--data", ijbc, cache=cache)[0] == first
    assert "TAR at FAR 0.1, %" in first
    assert "1:N mixed search, gallery G1" in first
    assert "1:N mixed search, mean of the galleries" in first
    assert "(unsupported)" in first


def test_a_task_shows_its_own_figures_alone(ijbc: Path, cache: Path) -> None:
    assert "identification" not in record("--data", ijbc, "--task", "1:1", cache=cache)["figures"]
    assert "verification" not in record("--data", ijbc, "--task", "1:n", cache=cache)["figures"]


def test_weights_of_the_detector_change_the_scores_and_stand_as_a_protocol_of_their_own(
    ijbc: Path, cache: Path, tmp_path: Path
) -> None:
    plain = record("--data", ijbc, "--results", tmp_path, cache=cache)
    weighted = record("--data", ijbc, "--weights", "detector", "--results", tmp_path, cache=cache)
    assert weighted["protocol"] == "ijb-c-detector"
    points = [one["figures"]["verification"]["operating_points"][0]["threshold"] for one in (plain, weighted)]
    assert points[0] != points[1]
    assert {result.protocol for result in kept(tmp_path)} == {"ijb-c", "ijb-c-detector"}


def test_a_page_shows_three_curves(ijbc: Path, cache: Path, tmp_path: Path) -> None:
    evaluate("--data", ijbc, "--report", tmp_path / "page.html", cache=cache)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "TPIR over FPIR" in page


def test_rows_made_elsewhere_need_the_lists_and_no_images(ijbc: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(ijbc / "meta", tmp_path / "IJBC/meta")
    data = open_ijb(ijbc)
    of_subject = np.eye(8, dtype=np.float32)[data.templates[data.template] % 100]
    np.savez(tmp_path / "ideal.npz", names=np.array(data.images.names), embeddings=of_subject)
    made = record("--data", tmp_path / "IJBC", "--embeddings", tmp_path / "ideal.npz", cache=cache)
    assert made["figures"]["verification"]["operating_points"][-1]["tar"] == 1.0
    assert made["figures"]["identification"]["mean"]["open_set"][-1]["tpir"] == 1.0
    assert made["data"]["IJB-C images"] == "34 in 17 templates, not opened"


def test_what_is_wrong_with_the_data_is_told_in_one_line(ijbc: Path, cache: Path, tmp_path: Path) -> None:
    assert "error: no IJB-B or IJB-C at" in evaluate("--data", tmp_path, cache=cache, code=2)[1]
    broken = tmp_path / "IJBC"
    shutil.copytree(ijbc, broken)
    (broken / "loose_crop/7.jpg").write_bytes(b"no picture")
    told = evaluate("--data", broken, cache=cache, code=2)[1].replace("\n", " ")
    assert "7.jpg cannot be decoded" in told
    lines = (broken / "meta/ijbc_name_5pts_score.txt").read_text().splitlines()
    zero = [f"{line.rsplit(' ', 1)[0]} 0.000" if line.startswith(("1.", "2.")) else line for line in lines]
    (broken / "meta/ijbc_name_5pts_score.txt").write_text("\n".join(zero))
    told = evaluate("--data", broken, "--weights", "detector", cache=cache, code=2)[1].replace("\n", " ")
    assert "all images of template 1 have the detector's score 0" in told
