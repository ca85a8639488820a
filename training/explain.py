"""A plan in words and figures for whoever is about to start a run; starts nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from training.backbones.cost import Cost, cost
from training.config import RunConfig
from training.memory import Memory, memory_of
from training.outlook import outlook
from training.plan import Plan
from training.scale import propose
from training.trained import network_of

SHOWN = 8


def explained(config: RunConfig, plan: Plan) -> RenderableType:
    """What `cocircle train --explain` prints: data, steps, network, loss, memory by rank."""
    of = cost(network_of(config))
    return Group(_facts(config, plan, of), *_loss(config, plan), _memory(memory_of(config, plan, of)))


def _facts(config: RunConfig, plan: Plan, of: Cost) -> Table:
    chosen = config.optimisation
    table = Table(title="The run", title_justify="left", show_header=False)
    forwards = f"{plan.ranks} ranks x {chosen.accumulate} forwards x {plan.forward} images"
    rows = {
        "data": f"{plan.images:,} images of {plan.classes:,} identities in {escape(str(config.data.records))}",
        "batch": f"{plan.batch:,} images = {forwards}",
        "steps": f"{plan.steps:,}; an epoch has {plan.epoch:,}; warm-up {round(chosen.warmup * plan.steps):,}",
        "rate": f"{chosen.lr:g}, then {chosen.schedule}",
        "network": f"{config.model.backbone}, {config.model.dimension} dimensions: {of}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _loss(config: RunConfig, plan: Plan) -> list[str]:
    if plan.logit_map is None or plan.classes < 2:
        return []
    words = [outlook(plan.logit_map, plan.classes, config.model.dimension).explain()]
    if config.loss.name in ("coco", "normface") and config.loss.scale is None:
        words.insert(0, propose(plan.classes, config.model.dimension).explain())
    return [*words, ""]


def _memory(ranks: list[Memory]) -> Table:
    table = Table(
        title="Memory by rank, MiB, beside Python, torch and the index of the data", title_justify="left"
    )
    for name in ("rank", "centroids", "head", "network", "activations", "logits", "checkpoint", "together"):
        table.add_column(name, justify="right")
    for of in ranks[:SHOWN]:
        parts = (of.head, of.network, of.activations, of.logits, of.save, of.total)
        table.add_row(str(of.rank), f"{of.rows:,}", *(f"{part / 2**20:,.0f}" for part in parts))
    if len(ranks) > SHOWN:
        table.add_row("...", *[""] * 7)
    return table
