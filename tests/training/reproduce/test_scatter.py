"""Figure 3 of the Circle paper on a small real run: where faces stand between centroids, before and after."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.report.svg import WIDTH
from tests.training.runs import att_folder, att_shards, go, settings
from training.checkpoint import CheckpointError
from training.reproduce import scatter
from training.reproduce.errors import ReproductionError
from training.reproduce.scatter import clouds, scatter_picture, standing

NAMESPACE = "{http://www.w3.org/2000/svg}"
STEPS = 8


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    shards = att_shards(root)
    saving = {"every": 4, "keep": 10}
    for name, lr in (("circle", 0.05), ("am-softmax", 1e-12)):
        chosen = settings(
            shards, loss={"name": name}, optimisation={"lr": lr, "weight_decay": 0.0}, saving=saving
        )
        go(chosen, root / name)
    go(settings(shards, loss={"name": "softmax"}), root / "softmax")
    return root


@pytest.mark.parametrize("at_once", [1, 3, 4096])
def test_cosines_are_those_of_the_formula_whatever_the_stretch_of_classes(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scatter, "CLASSES_AT_ONCE", at_once)
    draw = np.random.default_rng(0)
    x, w, labels = draw.normal(size=(20, 6)), draw.normal(size=(7, 6)), draw.integers(0, 7, 20)
    within, between = standing(torch.tensor(x), torch.tensor(w), torch.tensor(labels))
    for i, label in enumerate(labels):
        cosines = w @ x[i] / np.linalg.norm(w, axis=1) / np.linalg.norm(x[i])
        assert float(within[i]) == pytest.approx(cosines[label], rel=1e-12)
        assert float(between[i]) == pytest.approx(np.delete(cosines, label).max(), rel=1e-12)


def test_training_brings_faces_to_their_own_centroid(runs: Path) -> None:
    drawn = clouds(runs / "circle", None, 1000)
    assert drawn.loss == "circle, scale 256, margin 0.25"
    assert (drawn.before.step, drawn.after.step) == (0, STEPS)
    assert len(drawn.before.within) == len(drawn.after.between) == 120
    gap = [cloud.within.mean() - cloud.between.mean() for cloud in (drawn.before, drawn.after)]
    assert gap[1] > gap[0]


def test_step_0_is_where_a_run_really_began(runs: Path) -> None:
    # At this rate it never left, but for the means and variances of its batches.
    began = clouds(runs / "am-softmax", None, 50).before
    stayed = clouds(runs / "am-softmax", None, 50).after
    np.testing.assert_allclose(began.within, stayed.within, atol=0.2)
    assert np.corrcoef(began.within, stayed.within)[0, 1] > 0.9


def test_kept_steps_can_be_chosen_and_samples_are_spread_over_the_set(runs: Path) -> None:
    drawn = clouds(runs / "circle", None, 7, before=4, after=8)
    assert (drawn.before.step, len(drawn.before.within)) == (4, 7)


def test_other_crops_are_matched_by_the_names_of_their_identities(runs: Path, tmp_path: Path) -> None:
    some = att_folder(tmp_path / "some", people=14)
    for photo in (some / "person-02").iterdir():
        photo.unlink()
    (some / "person-02").rmdir()
    whole = clouds(runs / "circle", None, 1000).after
    found = clouds(runs / "circle", some, 1000).after
    kept = [at for at in range(120) if at // 10 != 1]
    np.testing.assert_allclose(found.within, whole.within[kept], atol=1e-5)
    np.testing.assert_allclose(found.between, whole.between[kept], atol=1e-5)


def test_runs_stand_side_by_side_in_one_picture(runs: Path) -> None:
    drawn = [clouds(runs / name, None, 20) for name in ("am-softmax", "circle")]
    svg = scatter_picture(drawn)
    assert svg == scatter_picture(drawn)
    tree = ET.fromstring(svg)
    assert [plot.attrib.get("x") for plot in tree.findall(f"{NAMESPACE}svg")] == ["0", str(WIDTH)]
    in_legend = 2 * 2
    assert len(list(tree.iter(f"{NAMESPACE}circle"))) == 2 * 2 * 20 + in_legend


def test_what_cannot_be_drawn_is_told(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ReproductionError, match="trained by 'softmax' on 12 identities, and the figure needs"
    ):
        clouds(runs / "softmax", None, 10)
    with pytest.raises(ReproductionError, match="an earlier and a later step; chosen were 8 and 4"):
        clouds(runs / "circle", None, 10, before=8, after=4)
    with pytest.raises(CheckpointError, match="no checkpoint of step 5"):
        clouds(runs / "circle", None, 10, before=5)
    with pytest.raises(CheckpointError, match="holds no complete checkpoint"):
        clouds(tmp_path, None, 10)
    stranger = tmp_path / "crops" / "nobody"
    stranger.mkdir(parents=True)
    photo = next((att_folder(tmp_path / "photos", people=1) / "person-01").iterdir())
    (stranger / photo.name).write_bytes(photo.read_bytes())
    with pytest.raises(ReproductionError, match=r"none of the 1 identities of .*crops is one of the 12"):
        clouds(runs / "circle", tmp_path / "crops", 10)


def test_a_run_that_began_with_another_runs_values_wants_a_kept_step(runs: Path) -> None:
    chosen = settings(
        runs / "shards",
        model={"start": str(runs / "circle")},
        optimisation={"steps": 2},
        saving={"every": 1, "keep": 9},
    )
    go(chosen, runs / "second")
    with pytest.raises(ReproductionError, match=r"name one of its kept steps with --before: \[1, 2\]"):
        clouds(runs / "second", None, 10)
    assert clouds(runs / "second", None, 10, before=1).before.step == 1
