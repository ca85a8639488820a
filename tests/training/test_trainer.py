"""Whole runs, small, on real faces: they learn, repeat themselves, go on where they stopped, and say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.gloo import Gloo
from tests.training.runs import att_folder, att_shards, go, losses, pair_folder, settings
from training.checkpoint import CheckpointError
from training.config import ConfigError
from training.data.records import BadRecord
from training.ranks import Ranks
from training.trained import centroids, trained

PEOPLE = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return att_shards(tmp_path_factory.mktemp("att"), PEOPLE)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_network_learns_to_tell_people_apart(shards: Path, tmp_path: Path) -> None:
    pairs = pair_folder(shards.parent / "photos", tmp_path / "pairs", PEOPLE)
    chosen = settings(
        shards,
        model={"backbone": "mobilefacenet", "settings": {"width": 0.25}},
        optimisation={"steps": 60, "lr": 0.1},
        validation={"pairs": {"att": str(pairs)}, "every": 30},
    )
    told = go(chosen, tmp_path / "run")
    curve = losses(tmp_path / "run")
    assert np.mean(curve[-5:]) < 0.3 * curve[0]
    assert len(told.accuracies) == 2
    # It was trained on these people: more than luck, and better than halfway.
    assert told.accuracies[-1] > 0.8
    best = json.loads((tmp_path / "run" / "checkpoints" / "best.json").read_text())
    assert best["score"] == max(told.accuracies)
    assert trained(tmp_path / "run", best=True).step == best["step"]
    assert (tmp_path / "run" / "loss.svg").read_text().startswith("<svg")
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_same_settings_give_the_same_losses_and_weights_bit_for_bit(shards: Path, tmp_path: Path) -> None:
    # Flips, stochastic depth and occlusion draw numbers in every step.
    chosen = settings(
        shards,
        model={"settings": {**TABLES_VIT, "stochastic_depth": 0.3}},
        data={"occlusion": 0.5, "threads": 3},
    )
    go(chosen, tmp_path / "one")
    go(chosen, tmp_path / "two")
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert same_weights(tmp_path / "one", tmp_path / "two")


TABLES_VIT = {"width": 32, "depth": 2, "heads": 2, "patch": 28}


@pytest.mark.parametrize("loss", ["arcface", "softmax"])
@pytest.mark.parametrize("extra", [{}, {"accumulate": 2, "ema": 0.9}], ids=["plain", "accumulated"])
def test_a_run_cut_in_the_middle_of_an_epoch_goes_on_bit_for_bit(
    shards: Path, tmp_path: Path, loss: str, extra: dict[str, Any]
) -> None:
    chosen = settings(
        shards,
        model={"settings": {**TABLES_VIT, "stochastic_depth": 0.3}},
        loss={"name": loss},
        optimisation=extra,
        saving={"every": 3, "keep": 9},
    )
    go(chosen, tmp_path / "whole")
    go(chosen, tmp_path / "cut")
    forget_after(tmp_path / "cut", 3)
    told = go(chosen, tmp_path / "cut")
    assert told.steps[0].step == 3
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert same_weights(tmp_path / "cut", tmp_path / "whole")


def test_a_finished_run_started_again_does_nothing(shards: Path, tmp_path: Path) -> None:
    chosen = settings(shards, optimisation={"steps": 2})
    go(chosen, tmp_path / "run")
    before = losses(tmp_path / "run")
    assert not go(chosen, tmp_path / "run").steps
    assert losses(tmp_path / "run") == before


def test_accumulated_parts_are_one_batch(shards: Path, tmp_path: Path) -> None:
    # A batch normalised in parts is another batch; dropping the statistics shows the rest to be the same.
    chosen = {"momentum": 0.9, "steps": 1, "warmup": 0.0}
    for parts in (1, 2):
        go(settings(shards, optimisation={**chosen, "accumulate": parts}), tmp_path / str(parts))
    one, two = losses(tmp_path / "1"), losses(tmp_path / "2")
    assert one == pytest.approx(two, rel=0.05)
    assert one != two


def rank_run(group: Any, shards: str, folder: str, steps: int, every: int, loss: str) -> None:
    chosen = settings(
        Path(shards),
        loss={"name": loss},
        model={"synchronised": True},
        optimisation={"steps": steps, "batch": 24, "clip": 1.0},
        saving={"every": every, "keep": 9},
    )
    go(chosen, Path(folder), Ranks(group))


@pytest.mark.parametrize("loss", ["arcface", "coco"])
def test_any_number_of_ranks_walks_down_the_same_curve(
    shards: Path, tmp_path: Path, gloo: Gloo, loss: str
) -> None:
    for ranks in (1, 2, 3):
        gloo.ask(rank_run, str(shards), str(tmp_path / str(ranks)), 8, 0, loss, ranks=ranks)
    one = losses(tmp_path / "1")
    for ranks in (2, 3):
        assert losses(tmp_path / str(ranks)) == pytest.approx(one, rel=1e-5)


def test_a_run_of_two_ranks_goes_on_with_three_and_with_one(shards: Path, tmp_path: Path, gloo: Gloo) -> None:
    def go_on(name: str, ranks: int, steps: int = 8, every: int = 4) -> None:
        gloo.ask(rank_run, str(shards), str(tmp_path / name), steps, every, "arcface", ranks=ranks)

    go_on("whole", 2)
    for ranks in (3, 1):
        name = f"then-{ranks}"
        go_on(name, 2)
        forget_after(tmp_path / name, 4)
        go_on(name, ranks)
        assert losses(tmp_path / name)[:4] == losses(tmp_path / "whole")[:4]
        assert losses(tmp_path / name) == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)


def test_another_run_in_the_same_folder_is_refused_and_told_apart(shards: Path, tmp_path: Path) -> None:
    go(settings(shards, optimisation={"steps": 1}), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"optimisation\.lr: 0\.05 then, 0\.07 now"):
        go(settings(shards, optimisation={"steps": 1, "lr": 0.07}), tmp_path / "run")
    fewer = att_folder(tmp_path / "fewer", 10)
    with pytest.raises(ConfigError, match="classes: 12 then, 10 now"):
        go(settings(fewer, optimisation={"steps": 1}), tmp_path / "run")


def test_the_averaged_weights_are_what_is_exported(shards: Path, tmp_path: Path) -> None:
    chosen = settings(shards, optimisation={"steps": 3, "ema": 0.5})
    go(chosen, tmp_path / "run")
    averaged = trained(tmp_path / "run").network.state_dict()
    plain = trained(tmp_path / "run", weights="network").network.state_dict()
    assert not torch.equal(averaged["embedding.linear.weight"], plain["embedding.linear.weight"])
    # Statistics are of the newest weights: an average of variances fits no network.
    assert torch.equal(averaged["embedding.norm.running_mean"], plain["embedding.norm.running_mean"])


@pytest.mark.slow
def test_a_teacher_draws_the_student_to_itself(shards: Path, tmp_path: Path) -> None:
    chosen = settings(
        shards,
        model={"dimension": 128},
        loss={"name": "none", "teacher": "default", "distillation": 1.0},
        optimisation={"steps": 25},
    )
    go(chosen, tmp_path / "run")
    curve = losses(tmp_path / "run")
    assert 0.8 < curve[0] < 1.2
    assert np.mean(curve[-3:]) < 0.75


def test_pairs_alone_teach_and_beside_a_classifier_both_are_written_down(
    shards: Path, tmp_path: Path
) -> None:
    alone = settings(
        shards,
        data={"images_per_identity": 4},
        loss={"name": "none", "pairs": "circle"},
        optimisation={"steps": 40, "lr": 0.02},
    )
    go(alone, tmp_path / "alone")
    curve = losses(tmp_path / "alone")
    assert np.mean(curve[-5:]) < 0.8 * np.mean(curve[:5])
    both = settings(shards, data={"images_per_identity": 4}, loss={"pairs": "triplet", "pairs_weight": 0.5})
    go(both, tmp_path / "both")
    lines = [json.loads(line) for line in (tmp_path / "both" / "steps.jsonl").read_text().splitlines()]
    for line in lines:
        assert line["loss"] == pytest.approx(line["coco"] + 0.5 * line["triplet-pairs"])


def test_new_people_join_a_trained_run_and_the_others_keep_their_centroids(tmp_path: Path) -> None:
    first = att_folder(tmp_path / "first", 8)
    go(settings(first, optimisation={"steps": 5}), tmp_path / "old")
    more = att_folder(tmp_path / "more", 11)
    (more / "person-02").rename(more / "person-99")
    told = go(
        settings(more, model={"start": str(tmp_path / "old")}, optimisation={"steps": 1, "lr": 1e-9}),
        tmp_path / "new",
    )
    assert "7 of 11 identities" in told.words[0]
    before, after = centroids(trained(tmp_path / "old")), centroids(trained(tmp_path / "new"))
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1:7], before[2:8])
    assert abs(torch.cosine_similarity(after[-1], before[1], dim=0)) < 0.99
    old, new = trained(tmp_path / "old").network, trained(tmp_path / "new").network
    torch.testing.assert_close(new.embedding.linear.weight, old.embedding.linear.weight)


def test_a_name_with_a_line_separator_in_it_shifts_nobodys_centroid(tmp_path: Path) -> None:
    first = att_folder(tmp_path / "first", 6)
    (first / "person-02").rename(first / "person-02\u2028junior")
    go(settings(first, optimisation={"steps": 2}), tmp_path / "old")
    chosen = settings(first, model={"start": str(tmp_path / "old")}, optimisation={"steps": 1, "lr": 1e-9})
    assert "6 of 6 identities" in go(chosen, tmp_path / "new").words[0]
    before, after = centroids(trained(tmp_path / "old")), centroids(trained(tmp_path / "new"))
    torch.testing.assert_close(after, before)


def test_another_network_cannot_start_from_a_run(shards: Path, tmp_path: Path) -> None:
    go(settings(shards, optimisation={"steps": 1}), tmp_path / "old")
    with pytest.raises(ConfigError, match=r"model\.dimension = 16 and this one 24"):
        go(settings(shards, model={"start": str(tmp_path / "old"), "dimension": 24}), tmp_path / "new")


def test_a_damaged_photo_stops_the_run_by_name_or_is_replaced_and_counted(tmp_path: Path) -> None:
    folder = att_folder(tmp_path / "photos", 6)
    (folder / "person-03" / "04.png").write_bytes(b"no image")
    with pytest.raises(BadRecord, match=r"04\.png"):
        go(settings(folder), tmp_path / "stops")
    told = go(settings(folder, data={"on_bad": "skip"}), tmp_path / "goes")
    assert len(told.steps) == 8
    assert any("1 images" in words and "04.png" in words for words in told.words)


def test_a_loss_that_cannot_converge_is_said_before_the_first_step(shards: Path, tmp_path: Path) -> None:
    told = go(settings(shards, loss={"scale": 1.0}, optimisation={"steps": 1}), tmp_path / "run")
    assert any(word.startswith("Warning") and "cannot converge" in word for word in told.words)


def test_a_batch_that_ranks_cannot_share_is_refused_with_what_would_do(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="take a multiple of 5"):
        go(settings(shards, optimisation={"accumulate": 5}), tmp_path / "run")


def test_a_folder_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no complete checkpoint"):
        trained(tmp_path)


def forget_after(run: Path, step: int) -> None:
    """As if the run had been killed some time after the checkpoint of `step`."""
    for folder in (run / "checkpoints").glob("step-*"):
        if int(folder.name.removeprefix("step-")) > step:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


def same_weights(one: Path, other: Path) -> bool:
    mine, theirs = trained(one).network.state_dict(), trained(other).network.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in mine.items())
