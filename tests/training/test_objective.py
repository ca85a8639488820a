"""What a batch costs: the parts by themselves, their weighted sum, and settings that do not go together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.config import ConfigError, RunConfig, checked
from training.head.sharded import ShardedClassifier
from training.losses.baselines import Softmax
from training.objective import PAIRS, Objective, head_of
from training.plan import Plan, logit_map_of
from training.ranks import Ranks

CPU = torch.device("cpu")
CLASSES, DIMENSION, ROWS = 23, 8, 12


class Two(Ranks):
    """The first of two ranks, for what is refused before anything is exchanged."""

    def __init__(self) -> None:
        super().__init__(alone=True)
        self.size = 2


class Whitener:
    """A teacher that sees a crop's mean: unit rows of its first pixels."""

    def __init__(self, pack: str, device: torch.device) -> None:
        self.pack, self.dimension = pack, DIMENSION

    def __call__(self, crops: Tensor) -> Tensor:
        return functional.normalize(crops.flatten(1)[:, : self.dimension].float() - 128.0)


def config_of(loss: dict[str, Any], **tables: Any) -> RunConfig:
    tree: dict[str, Any] = {
        "data": {"records": ".", "images_per_identity": 3},
        "model": {"dimension": DIMENSION},
        "loss": loss,
    }
    return checked(tree | tables)


def plan_of(config: RunConfig, ranks: int = 1) -> Plan:
    of = logit_map_of(config.loss, CLASSES, config.model.dimension)
    return Plan(100, CLASSES, ranks, ROWS, ROWS // ranks, 8, 8, of)


def objective(config: RunConfig, ranks: Ranks | None = None) -> Objective:
    ranks = ranks or Ranks(alone=True)
    return Objective(config, plan_of(config, ranks.size), ranks, CPU)


def batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings, crops, and labels of four identities with three images each."""
    draw = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(ROWS, DIMENSION, generator=draw).requires_grad_()
    crops = torch.randint(0, 256, (ROWS, 112, 112, 3), generator=draw, dtype=torch.uint8)
    return embeddings, crops, torch.arange(ROWS) // 3


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.objective.Teacher", Whitener)


@pytest.mark.usefixtures("teacher")
def test_the_parts_with_their_weights_are_the_loss_and_its_gradient() -> None:
    loss = {
        "name": "coco",
        "pairs": "circle",
        "pairs_weight": 0.25,
        "teacher": "some",
        "distillation": 3.0,
    }
    of = objective(config_of(loss))
    embeddings, crops, labels = batch()
    total = of(embeddings, crops, labels)
    assert list(of.parts) == ["coco", "circle-pairs", "distillation"]
    literal = (
        of.head(embeddings, labels)
        + 0.25 * PAIRS["circle"]()(embeddings, labels)
        + 3.0 * (1 - functional.cosine_similarity(embeddings, Whitener("", CPU)(crops))).mean()
    )
    torch.testing.assert_close(total, literal)
    torch.testing.assert_close(of.value(), total.detach())
    named = of.parts["coco"] + 0.25 * of.parts["circle-pairs"] + 3.0 * of.parts["distillation"]
    torch.testing.assert_close(of.value(), named)
    mine, theirs = (torch.autograd.grad(loss, embeddings)[0] for loss in (total, literal))
    torch.testing.assert_close(mine, theirs)
    assert all(part > 0 for part in of.parts.values())


@pytest.mark.parametrize(
    "loss",
    [
        {"name": "arcface"},
        {"name": "softmax"},
        {"name": "none", "pairs": "triplet", "pairs_weight": 2.0},
        {"name": "none", "teacher": "some", "distillation": 0.5},
        {"name": "circle", "pairs": "circle", "pairs_weight": 0.5},
        {"name": "softmax", "pairs": "unified"},
        {"name": "arcface", "pairs": "multi-similarity", "teacher": "some", "distillation": 0.1},
    ],
    ids=lambda loss: "+".join(str(value) for value in loss.values()),
)
@pytest.mark.usefixtures("teacher")
def test_what_is_told_is_what_is_minimised(loss: dict[str, Any]) -> None:
    of = objective(config_of(loss))
    embeddings, crops, labels = batch()
    total = of(embeddings, crops, labels)
    torch.testing.assert_close(of.value(), total.detach())
    asked = [loss["name"] != "none", "pairs" in loss, "teacher" in loss]
    assert len(of.parts) == sum(asked)
    assert [of.head is not None, of.pairs is not None, of.teacher is not None] == asked
    total.backward()
    assert embeddings.grad is not None
    assert embeddings.grad.abs().max() > 0


def test_every_batch_is_told_by_itself() -> None:
    of = objective(config_of({"name": "coco", "pairs": "triplet"}))
    values = []
    for seed in range(3):
        total = of(*batch(seed))
        assert float(of.value()) == pytest.approx(total.item())
        values.append(total.item())
    assert len(set(values)) == 3


def test_the_pair_losses_have_their_papers_settings() -> None:
    for name, of in PAIRS.items():
        found = objective(config_of({"name": "none", "pairs": name})).pairs
        assert type(found) is of
        assert found == of() or vars(found) == vars(of())


def test_a_perfect_pupil_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.objective.Teacher", Whitener)
    of = objective(config_of({"name": "none", "teacher": "some", "distillation": 2.0}))
    _, crops, labels = batch()
    taught = 7.0 * Whitener("", CPU)(crops)
    assert float(of(taught, crops, labels)) == pytest.approx(0.0, abs=1e-5)
    assert float(of(-taught, crops, labels)) == pytest.approx(4.0, abs=1e-5)


def test_a_teacher_of_another_dimension_is_refused_by_both_numbers() -> None:
    config = config_of({"name": "none", "teacher": "default", "distillation": 1.0}, model={"dimension": 96})
    with pytest.raises(ConfigError) as caught:
        objective(config)
    said = str(caught.value)
    assert "loss.teacher = 'default' gives 128 dimensions and model.dimension is 96" in said
    assert said.endswith("set model.dimension = 128")


def test_softmax_is_refused_on_two_ranks_with_its_sharded_kin() -> None:
    with pytest.raises(ConfigError, match=r"loss\.name = 'softmax' is .* one process; normface"):
        objective(config_of({"name": "softmax"}), Two())


def test_a_dense_head_is_refused_on_two_ranks_and_with_a_sample() -> None:
    says = r"head\.backend = 'dense' .* no ranks, no head\.sample"
    with pytest.raises(ConfigError, match=says):
        objective(config_of({"name": "coco"}, head={"backend": "dense"}), Two())
    with pytest.raises(ConfigError, match=says):
        objective(config_of({"name": "coco"}, head={"backend": "dense", "sample": 0.5}))


def test_a_sample_in_pass_two_takes_one_forward_a_step() -> None:
    parts = {"optimisation": {"batch": 12, "accumulate": 2}}
    with pytest.raises(ConfigError, match=r"head\.sample .* set optimisation\.accumulate = 1"):
        objective(config_of({"name": "coco"}, head={"sample": 0.5}, **parts))
    kept = objective(config_of({"name": "coco"}, head={"sample": 0.5, "in_pass_two": False}, **parts))
    assert isinstance(kept.head, ShardedClassifier)
    assert kept.head.sample == 0.5


def test_the_head_is_made_as_it_is_told() -> None:
    config = config_of({"name": "cosface", "margin": 0.2}, head={"operands": "bf16", "chunk": 5}, seed=9)
    plan = plan_of(config)
    head = head_of(config, plan, Ranks(alone=True), CPU)
    assert isinstance(head, ShardedClassifier)
    assert (head.classes, head.dimension, head.seed) == (CLASSES, DIMENSION, 9)
    assert head.of is plan.logit_map
    assert head.weight.shape == (CLASSES, DIMENSION)
    softmax = config_of({"name": "softmax"})
    plain = head_of(softmax, plan_of(softmax), Ranks(alone=True), CPU)
    assert isinstance(plain, Softmax)
    assert plain.linear.weight.shape == (CLASSES, DIMENSION)
    none = config_of({"name": "none", "pairs": "circle"})
    assert head_of(none, plan_of(none), Ranks(alone=True), CPU) is None
