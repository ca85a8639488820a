"""What a run will do and take, worked out before it starts: steps, batches, the loss's scale, memory and words."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.training.data.crops import Drawn
from training.backbones.cost import cost
from training.config import ConfigError, RunConfig, checked
from training.data.records import FaceRecords
from training.data.sampler import IdentityBatches
from training.data.shuffle import ShuffledBatches
from training.explain import SHOWN, explained
from training.losses.logit_maps import ScaledCosine
from training.memory import Memory, memory_of
from training.outlook import outlook
from training.plan import Plan, batches_of, logit_map_of, plan_of
from training.ranks import Ranks
from training.scale import cosine_scale
from training.trained import network_of

VIT = {
    "backbone": "vit-t",
    "dimension": 16,
    "settings": {"width": 32, "depth": 2, "heads": 2, "patch": 28},
}
FLOAT = 4


class Place(Ranks):
    """One of several ranks that are not there."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__(alone=True)
        self.rank, self.size = rank, size


def config_of(**tables: Any) -> RunConfig:
    return checked({"data": {"records": "photos"}, "model": VIT, **tables})


def photos(images: int = 60, people: int = 6) -> FaceRecords:
    return Drawn([number % people for number in range(images)])


def planned(config: RunConfig, records: FaceRecords, ranks: int = 1) -> Plan:
    batches = batches_of(config, records, Place(0, ranks))
    return plan_of(config, records, len(batches), ranks)


def plan_for(config: RunConfig, classes: int, ranks: int = 1, images: int = 1_000_000) -> Plan:
    """Of data that nobody has."""
    chosen = config.optimisation
    return Plan(
        images=images,
        classes=classes,
        ranks=ranks,
        batch=chosen.batch,
        forward=chosen.batch // chosen.accumulate // ranks,
        epoch=images // chosen.batch,
        steps=100,
        logit_map=logit_map_of(config.loss, classes, config.model.dimension),
    )


def test_a_plan_counts_images_steps_and_shares() -> None:
    config = config_of(optimisation={"batch": 12, "accumulate": 2, "epochs": 3})
    plan = planned(config, photos(62), ranks=3)
    assert (plan.images, plan.classes, plan.ranks) == (62, 6, 3)
    assert (plan.batch, plan.forward) == (12, 2)
    # 62 images are ten forwards of 6, that is five steps; two images wait for the next epoch.
    assert (plan.epoch, plan.steps) == (5, 15)


SIXTY = photos()


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.floats(0.01, 9),
    st.none() | st.integers(1, 99),
)
def test_steps_follow_from_epochs_unless_they_are_given(
    each: int, ranks: int, accumulate: int, epochs: float, steps: int | None
) -> None:
    batch = each * ranks * accumulate
    config = config_of(
        optimisation={"batch": batch, "accumulate": accumulate, "epochs": epochs, "steps": steps}
    )
    plan = planned(config, SIXTY, ranks)
    assert plan.forward * ranks * accumulate == plan.batch == batch
    assert plan.epoch == (60 // (batch // accumulate)) // accumulate
    assert plan.steps == (steps or max(1, round(epochs * plan.epoch)))


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 5), (1.0, 10), (2.25, 22), (0.01, 1)])
def test_a_part_of_an_epoch_is_its_part_of_the_steps_and_at_least_one(epochs: float, steps: int) -> None:
    assert planned(config_of(optimisation={"batch": 6, "epochs": epochs}), SIXTY).steps == steps


def test_an_epoch_of_pairs_visits_every_identity_once() -> None:
    config = config_of(
        data={"records": "photos", "images_per_identity": 4}, optimisation={"batch": 8, "epochs": 2}
    )
    plan = planned(config, SIXTY)
    assert (plan.epoch, plan.steps) == (3, 6)
    assert isinstance(batches_of(config, SIXTY, Place(0, 1)), IdentityBatches)


@pytest.mark.parametrize(
    ("ranks", "accumulate", "images", "batch", "multiple"),
    [(4, 1, None, 10, 4), (1, 3, None, 10, 3), (2, 3, None, 10, 6), (2, 1, 4, 12, 8), (2, 2, 5, 30, 20)],
)
def test_a_batch_that_cannot_be_shared_is_named_with_the_multiple_to_take(
    ranks: int, accumulate: int, images: int | None, batch: int, multiple: int
) -> None:
    config = config_of(
        data={"records": "photos", "images_per_identity": images},
        optimisation={"batch": batch, "accumulate": accumulate},
    )
    says = rf"optimisation\.batch = {batch} cannot be shared by {ranks} ranks x {accumulate} forwards"
    for ask in (
        lambda: plan_of(config, SIXTY, 9, ranks),
        lambda: batches_of(config, SIXTY, Place(0, ranks)),
    ):
        with pytest.raises(ConfigError, match=rf"{says}.*; take a multiple of {multiple}$"):
            ask()


def test_a_batch_larger_than_the_data_is_refused_by_both_numbers() -> None:
    with pytest.raises(ConfigError, match=r"optimisation\.batch = 64: a batch of 64 .* from 60 records"):
        batches_of(config_of(optimisation={"batch": 64}), SIXTY, Place(0, 1))


def test_an_epoch_without_a_whole_step_is_refused_by_both_numbers() -> None:
    config = config_of(optimisation={"batch": 80, "accumulate": 2})
    with pytest.raises(ConfigError, match="an epoch of 60 images has no step of 80: take a smaller"):
        planned(config, SIXTY)


def test_more_identities_a_batch_than_there_are_is_refused() -> None:
    config = config_of(data={"records": "photos", "images_per_identity": 2}, optimisation={"batch": 14})
    with pytest.raises(ConfigError, match=r"optimisation\.batch = 14: P = 7 .* there are only 6"):
        batches_of(config, SIXTY, Place(0, 1))


@pytest.mark.parametrize("images", [None, 2])
def test_the_ranks_batches_together_are_the_batch_of_one(images: int | None) -> None:
    config = config_of(
        data={"records": "photos", "images_per_identity": images}, optimisation={"batch": 12}, seed=4
    )
    (alone,) = (list(batches_of(config, SIXTY, Place(0, 1))),)
    parts = [list(batches_of(config, SIXTY, Place(rank, 3))) for rank in range(3)]
    for at, whole in enumerate(alone):
        assert np.array_equal(np.concatenate([part[at] for part in parts]), whole)


def test_a_batch_of_one_forward_is_drawn_and_not_of_one_step() -> None:
    config = config_of(optimisation={"batch": 12, "accumulate": 3})
    batches = batches_of(config, SIXTY, Place(0, 2))
    assert isinstance(batches, ShuffledBatches)
    assert len(batches) == 15
    assert {len(batch) for batch in batches} == {2}


@pytest.mark.parametrize("name", ["coco", "normface"])
def test_the_scale_of_a_plain_cosine_follows_from_the_classes_and_dimensions(name: str) -> None:
    plan = planned(config_of(loss={"name": name}), Drawn([0, 1, 2] * 50))
    assert plan.logit_map == ScaledCosine(cosine_scale(3, 16))
    given_scale = planned(config_of(loss={"name": name, "scale": 7.5}), Drawn([0, 1, 2] * 50))
    assert given_scale.logit_map == ScaledCosine(7.5)


def test_the_papers_scale_and_margin_stand_where_none_is_given() -> None:
    paper = logit_map_of(config_of(loss={"name": "cosface"}).loss, 10, 16)
    mine = logit_map_of(config_of(loss={"name": "cosface", "margin": 0.1}).loss, 10, 16)
    assert (paper.scale, paper.margin) == (64.0, 0.4)
    assert (mine.scale, mine.margin) == (64.0, 0.1)


@pytest.mark.parametrize("loss", [{"name": "softmax"}, {"name": "none", "teacher": "t", "distillation": 1}])
def test_what_is_no_cosine_classifier_has_no_map(loss: dict[str, Any]) -> None:
    assert logit_map_of(config_of(loss=loss).loss, 10, 16) is None


@pytest.mark.parametrize(
    ("loss", "classes", "says"),
    [
        ({"name": "coco", "margin": 0.2}, 10, "loss: coco has no setting 'margin'"),
        ({"name": "circle", "margin": 1.5}, 10, r"loss: a margin must lie in 0\.\.1; it is 1\.5"),
        ({"name": "coco"}, 1, "loss: a classifier tells at least two classes apart; there is 1"),
    ],
)
def test_a_loss_that_cannot_be_is_refused_by_its_setting(
    loss: dict[str, Any], classes: int, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        logit_map_of(config_of(loss=loss).loss, classes, 16)


@given(st.integers(1, 10_000), st.integers(1, 70))
def test_the_heads_memory_of_all_ranks_is_the_rows_and_their_momentum(classes: int, ranks: int) -> None:
    heads = [of.head for of in measured(classes, ranks)]
    assert sum(heads) == classes * 16 * 2 * FLOAT
    assert max(heads) == heads[0] == math.ceil(classes / ranks) * 16 * 2 * FLOAT


def test_without_momentum_no_memory_is_planned_for_it() -> None:
    (kept,), (none,) = (measured(100, optimisation={"momentum": value}) for value in (0.9, 0.0))
    assert (kept.head, none.head) == (100 * 16 * 2 * FLOAT, 100 * 16 * FLOAT)
    assert kept.network - none.network == NETWORK.parameters * FLOAT


NETWORK = cost(network_of(config_of()))


@pytest.fixture(autouse=True)
def _measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is the same in all of these; to make and measure it takes most of the time."""
    monkeypatch.setattr("training.explain.network_of", lambda _: None)
    monkeypatch.setattr("training.explain.cost", lambda _: NETWORK)


def test_the_network_is_measured_by_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    config = config_of(device="cpu", optimisation={"batch": 4})
    (memory,) = memory_of(config, plan_for(config, 100), cost(network_of(config)))
    assert memory.network == NETWORK.parameters * 3 * FLOAT
    assert memory.activations == NETWORK.activation_bytes * 4
    assert str(NETWORK) in words_of(config, plan_for(config, 100))


def measured(classes: int, ranks: int = 1, **tables: Any) -> list[Memory]:
    tables["optimisation"] = {"batch": 4 * ranks, **tables.get("optimisation", {})}
    config = config_of(device="cpu", **tables)
    return memory_of(config, plan_for(config, classes, ranks), NETWORK)


@dataclass(frozen=True)
class Copies:
    """How many copies of the rows a head keeps."""

    tables: dict[str, Any]
    copies: int


@pytest.mark.parametrize(
    "of",
    [
        Copies({}, 2),
        Copies({"head": {"in_pass_two": False}}, 3),
        Copies({"head": {"backend": "dense"}}, 3),
        Copies({"head": {"backend": "triton"}}, 2),
        Copies({"loss": {"name": "softmax"}}, 3),
        Copies({"loss": {"name": "none", "teacher": "t", "distillation": 1.0}}, 0),
    ],
    ids=str,
)
def test_a_kept_gradient_is_a_third_copy_of_the_rows(of: Copies) -> None:
    (memory,) = measured(5000, **of.tables)
    assert memory.head == 5000 * 16 * of.copies * FLOAT
    assert memory.rows == (5000 if of.copies else 0)


def test_the_parts_add_up_and_the_network_is_the_same_on_every_rank() -> None:
    first, *others = measured(1001, ranks=4, optimisation={"ema": 0.99})
    assert first.network == NETWORK.parameters * 4 * FLOAT
    assert first.activations == NETWORK.activation_bytes * 4
    assert first.total == first.head + first.network + first.activations + first.logits + first.save
    assert [of.rows for of in others] == [251, 251, 248]
    assert {of.network for of in others} == {first.network}


def test_a_checkpoint_beside_training_copies_all_but_the_gradients() -> None:
    state = 1000 * 16 * 2 * FLOAT
    for ema, copies in ((0.0, 2), (0.9, 3)):
        for in_pass_two in (True, False):
            (memory,) = measured(1000, optimisation={"ema": ema}, head={"in_pass_two": in_pass_two})
            assert memory.save == state + NETWORK.parameters * copies * FLOAT
    (waiting,) = measured(1000, saving={"asynchronous": False})
    assert waiting.save == 0


def test_half_precision_halves_the_activations_and_accumulation_divides_them() -> None:
    (whole,) = measured(100, optimisation={"batch": 8})
    (half,) = measured(100, optimisation={"batch": 8, "amp": "bf16"})
    (parts,) = measured(100, optimisation={"batch": 8, "accumulate": 4})
    assert half.activations == whole.activations // 2
    assert parts.activations == whole.activations // 4


def test_only_kept_logits_grow_with_the_classes() -> None:
    for head, grows in (
        ({}, False),
        ({"backend": "triton", "chunk": 1000}, False),
        ({"backend": "dense"}, True),
    ):
        (few,), (many,) = measured(10_000, head=head), measured(1_000_000, head=head)
        assert (many.logits > few.logits) == grows
    (softmax,) = measured(10_000, loss={"name": "softmax"})
    assert softmax.logits >= 4 * 10_000 * FLOAT, "a batch of four"


def test_ten_million_identities_take_what_the_ready_configuration_says() -> None:
    config = config_of(model={**VIT, "dimension": 512}, loss={"name": "circle"}, optimisation={"batch": 64})
    heads = memory_of(config, plan_for(config, 10_000_000, ranks=64), NETWORK)
    assert max(of.head for of in heads) / 2**20 == pytest.approx(610, abs=1)


def words_of(config: RunConfig, plan: Plan) -> str:
    console = Console(file=io.StringIO(), width=250, highlight=False)
    console.print(explained(config, plan))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_explanation_has_the_first_loss_and_a_row_for_every_rank() -> None:
    config = config_of(loss={"name": "coco"}, optimisation={"batch": 12, "accumulate": 2})
    plan = plan_for(config, 3001, ranks=3)
    said = words_of(config, plan)
    assert "1,000,000 images of 3,001 identities in photos" in said
    assert "12 images = 3 ranks x 2 forwards x 2 images" in said
    assert "100; an epoch has 83,333; warm-up 5" in said
    assert "vit-t, 16 dimensions" in said
    assert plan.logit_map is not None
    assert f"starts near {outlook(plan.logit_map, 3001, 16).first:.4g}" in said
    assert f"Scale {plan.logit_map.scale:.2f} for 3,001 classes" in said
    rows = [line.strip(" │|").split() for line in said.splitlines()]
    by_rank = [row for row in rows if row and row[0] in ("0", "1", "2")]
    assert len(by_rank) == 3
    assert ["1,001" in by_rank[0], "1,001" in by_rank[1], "999" in by_rank[2]] == [True] * 3


def test_a_scale_that_was_given_is_not_explained_as_a_proposal() -> None:
    config = config_of(loss={"name": "coco", "scale": 9.0})
    said = words_of(config, plan_for(config, 100))
    assert "starts near" in said
    assert "meant to let the loss fall" not in said


def test_of_many_ranks_the_first_are_shown() -> None:
    config = config_of(optimisation={"batch": 64})
    said = words_of(config, plan_for(config, 100, ranks=64))
    assert "..." in said
    assert len([line for line in said.splitlines() if line.count("│") >= 8]) <= SHOWN + 2


def test_without_a_cosine_classifier_there_is_no_loss_to_foretell() -> None:
    config = config_of(loss={"name": "softmax"})
    said = words_of(config, plan_for(config, 100))
    assert "starts near" not in said
    assert "Memory by rank" in said


def test_a_folder_with_brackets_in_its_name_is_shown_whole() -> None:
    config = config_of(data={"records": "/mnt/[old]/faces"})
    assert "identities in /mnt/[old]/faces" in words_of(config, plan_for(config, 100))
