"""The table's command as a person types it, on a few hundred images: what is done stays done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from tests.training.reproduce.small import RECIPE, cifar_folder, cifar_members, mnist_folder, small_images
from training.cli.reproduce import reproduce_app
from training.reproduce import contestants
from training.reproduce.contestants import Criterion, contestant
from training.reproduce.errors import ReproductionError
from training.reproduce.images import Images
from training.reproduce.results import LINES
from training.reproduce.small_table import SmallTable


def cocircle(*words: object) -> Result:
    return CliRunner().invoke(reproduce_app, [str(word) for word in words])


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LINES).read_text().splitlines()]


def test_a_second_call_does_only_what_is_missing(tmp_path: Path) -> None:
    data, out = mnist_folder(tmp_path / "data"), tmp_path / "out"
    same = ("coco-mnist", "--data", data, "--out", out, "--epochs", 1, "--seeds", 1, "--processes", 1)
    first = cocircle(*same, "--losses", "coco,triplet", "--device", "cpu")
    assert first.exit_code == 0, first.output
    assert "0 pairs of loss and seed are done, 2 are missing" in first.output
    assert [(line["loss"], line["seed"]) for line in lines(out)] == [("coco", 0), ("triplet", 0)]
    coco, triplet = lines(out)
    assert coco["wrong"] == round(coco["error"]) == pytest.approx(100 * coco["wrong"] / coco["tested"])
    assert (triplet["error"], triplet["wrong"]) == (None, None)
    assert coco["settings"]["epochs"] == 1
    assert coco["versions"].keys() >= {"cocircle", "torch"}
    assert coco["seconds"] > 0
    before = (out / LINES).read_bytes()
    again = cocircle(*same, "--losses", "coco,triplet")
    assert again.exit_code == 0, again.output
    assert "2 pairs of loss and seed are done, 0 are missing" in again.output
    assert (out / LINES).read_bytes() == before
    table = (out / "table.md").read_text()
    assert f"| coco | 0.30 | {coco['error']:.2f} | {coco['error_by_means']:.2f} | 1 |" in table
    assert f"| triplet | 1.45 | - | {triplet['error_by_means']:.2f} | 1 |" in table
    assert "Nothing was chosen by the test images." in table
    more = cocircle(*same, "--losses", "softmax,coco")
    assert "1 pairs of loss and seed are done, 1 are missing" in more.output
    assert [line["loss"] for line in lines(out)] == ["coco", "triplet", "softmax"]


def test_features_in_two_dimensions_are_drawn_a_picture_a_loss(tmp_path: Path) -> None:
    data, out = mnist_folder(tmp_path / "data"), tmp_path / "out"
    words = ("coco-mnist", "--data", data, "--out", out, "--epochs", 1, "--features", 2, "--losses", "coco")
    done = cocircle(*words)
    assert done.exit_code == 0, done.output
    svg = out / "features-coco-0.svg"
    assert svg.read_text().startswith("<svg")
    assert lines(out)[0]["settings"]["dimension"] == 2
    assert "0 are missing" in cocircle(*words).output
    svg.unlink()
    assert "1 are missing" in cocircle(*words).output
    assert svg.exists()


def test_pairs_are_done_seed_by_seed_and_count_only_by_their_own_settings(tmp_path: Path) -> None:
    table = SmallTable(small_images(), RECIPE, tmp_path, ["coco", "softmax", "coco"], seeds=2)
    assert [(task.loss, task.seed) for task in table.missing()] == [
        ("coco", 0),
        ("softmax", 0),
        ("coco", 1),
        ("softmax", 1),
    ]
    one = SmallTable(small_images(), RECIPE, tmp_path, ["softmax"], seeds=1)
    (result,) = one.do(1, "cpu")
    assert result in table.finished()
    assert len(table.missing()) == 3
    longer = SmallTable(small_images(), replace(RECIPE, epochs=7), tmp_path, ["softmax"], seeds=1)
    assert len(longer.missing()) == 1
    images = small_images()
    images.train.images[0, 0, 0] ^= 1
    assert len(SmallTable(images, RECIPE, tmp_path, ["softmax"], seeds=1).missing()) == 1


class Deadly(Images):
    """Ends the process that it is sent to."""

    def __reduce__(self) -> Any:
        return os._exit, (1,)


@pytest.mark.slow
def test_a_process_that_is_ended_from_outside_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    whole = small_images()
    table = SmallTable(Deadly("mnist", whole.train, whole.test), RECIPE, tmp_path, ["softmax"], seeds=2)
    with pytest.raises(ReproductionError, match="was ended from outside"):
        list(table.do(2, "cpu"))
    assert table.finished() == []


@pytest.mark.slow
def test_processes_side_by_side_find_what_one_finds(tmp_path: Path) -> None:
    def found(folder: Path, processes: int) -> dict[tuple[str, int], Any]:
        table = SmallTable(small_images(), RECIPE, folder, ["coco", "triplet"], seeds=1)
        return {
            (result.loss, result.seed): replace(result, seconds=0.0) for result in table.do(processes, "cpu")
        }

    assert found(tmp_path / "one", 1) == found(tmp_path / "two", 2)


def test_a_pair_that_fails_does_not_keep_the_others_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = contestant("softmax")

    def broken(classes: int, dimension: int, seed: int) -> Criterion:
        made = row.of(classes, dimension, seed)
        return replace(made, cost=lambda embeddings, labels: made.cost(embeddings, labels) * float("nan"))

    rows = [replace(row, of=broken), contestant("coco")]
    monkeypatch.setattr(contestants, "CONTESTANTS", rows)
    table = SmallTable(small_images(), RECIPE, tmp_path, ["softmax", "coco"], seeds=1)
    threads = torch.get_num_threads()
    with pytest.raises(ReproductionError, match="softmax, seed 0: the loss of the last epoch is nan"):
        list(table.do(1, "cpu"))
    assert [result.loss for result in table.finished()] == ["coco"]
    assert torch.get_num_threads() == threads


def test_errors_are_a_sentence_and_status_2(tmp_path: Path) -> None:
    missing = cocircle("coco-mnist", "--data", tmp_path, "--out", tmp_path / "out")
    assert missing.exit_code == 2
    assert "mnist_train.npz is missing: --data is to name the folder" in missing.output
    data = mnist_folder(tmp_path / "data")
    unknown = cocircle("coco-mnist", "--data", data, "--losses", "coco,arcface")
    assert unknown.exit_code == 2
    assert "there is no loss 'arcface' in the table" in unknown.output
    cifar = cocircle("coco-cifar10", "--data", data)
    assert cifar.exit_code == 2
    assert "cifar10_jpeg.tar.xz is missing" in cifar.output
    assert cocircle("coco-mnist", "--data", data, "--features", 3).exit_code == 2
    scatter = cocircle("circle-scatter", tmp_path)
    assert scatter.exit_code == 2
    assert "holds no complete checkpoint" in scatter.output


def test_the_table_of_cifar10_says_what_its_figures_are_worth(tmp_path: Path) -> None:
    data, out = cifar_folder(tmp_path / "data", cifar_members(each=13)), tmp_path / "out"
    words = ("coco-cifar10", "--data", data, "--out", out, "--epochs", 1, "--losses", "coco")
    done = cocircle(*words)
    assert done.exit_code == 0, done.output
    table = (out / "table.md").read_text()
    assert "| coco | 6.25 |" in table
    assert "JPEG" in table
    assert "the paper's errors are out of its reach" in table


def test_the_gradients_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    done = cocircle("circle-gradients", "--out", tmp_path / "g.svg")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "g.svg").read_text().startswith("<svg")


def test_the_commands_are_there_before_torch_is() -> None:
    code = "import sys, training.cli.reproduce; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
