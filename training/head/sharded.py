"""The classifier over all identities: its rows shared out over ranks, its loss exact, its logits never kept.

Layout: the global batch is the ranks' batches one after another, all of one length b; B = R b. Rank r holds the
rows of `layout.share`; a rank may hold no target of a batch, and no row at all.

Exchanges of one step with gradient, each independent of the number of classes: one gather of eight whole numbers
(the agreement), one of unit embeddings, R b D numbers, one of labels, R b, one of (log-sum, target's logit), 2 B
a rank, and one sum of shares of the embeddings' gradient, B D. Backward makes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.agreement import agree_on_batch, agree_on_settings
from training.head.fused import Background, Chunked, Classes, Targets, targets_among
from training.head.initial import fill_rows
from training.head.layout import Share, share
from training.head.pass_two import Backend, Recorded, weight_gradient
from training.head.precision import precision
from training.head.reference import dense_loss
from training.losses.logit_maps import LogitMap
from training.ranks import Ranks

CHUNK = {"cpu": 1024, "cuda": 32768}
"""Classes at a time: what stays in a CPU's cache (`benchmarks.head`), what fills a GPU."""


class ShardedClassifier(nn.Module):
    """Exact softmax cross-entropy of cosine logits over `classes` identities, with any logit map.

    weight: Parameter (C_r, D), this rank's rows, float32 or float64; only their directions enter the loss.
    forward(embeddings (b, D), labels (b,) int64 global class ids) -> the mean loss of the global batch, a scalar,
    the same on every rank.
    """

    def __init__(
        self,
        classes: int,
        dimension: int,
        of: LogitMap,
        *,
        ranks: Ranks | None = None,
        seed: int = 0,
        operands: str = "fp32",
        exact_targets: bool = True,
        sample: float | None = None,
        backend: str = "chunked",
        chunk: int | None = None,
        compiled: bool = False,
        ddp_averages: bool = True,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Collective over `ranks`; RanksDisagree where they were given different settings.

        seed: of the first values, by class id, and of samples. operands: fp32, fp16 or bf16, rounding of what is
        multiplied; sums and targets stay in full. exact_targets: False takes the targets' cosines from rounded
        operands too, to show what that costs. sample: the share of classes a step looks at, the batch's own
        always among them (Partial FC, An 2021); None: all, exactly. backend: chunked, triton, or dense (logits
        kept, one rank, the plain form). chunk: classes at a time; None: CHUNK of the device. compiled: fuse the map
        by torch.compile. ddp_averages: the embeddings' gradient is R times the derivative of the loss, since
        DistributedDataParallel then divides the sum over ranks by R; False: the derivative itself.
        """
        super().__init__()
        if dimension < 2:
            raise ValueError(f"a direction needs at least 2 dimensions; the head was given {dimension}")
        if sample is not None and not 0.0 < sample <= 1.0:
            raise ValueError(
                f"the share of classes to sample must lie above 0 and at most at 1; it is {sample}"
            )
        if dtype not in (torch.float32, torch.float64):
            raise TypeError(f"rows are float32 or float64; {dtype} was asked for")
        self.classes, self.dimension, self.of, self.seed = classes, dimension, of, seed
        self.ranks = ranks or Ranks()
        self.exact_targets, self.sample, self.ddp_averages = exact_targets, sample, ddp_averages
        self.precision = precision(operands)
        chunk = CHUNK.get(torch.device(device).type, CHUNK["cuda"]) if chunk is None else chunk
        self.backend = _backend(backend, of, operands, chunk, compiled)
        if self.backend is None and (self.ranks.size > 1 or sample is not None):
            raise ValueError("the dense backend keeps all logits in one process: no ranks, no sample")
        settings = {
            "classes": classes,
            "dimension": dimension,
            "loss": repr(of),
            "seed": seed,
            "operands": operands,
            "exact_targets": exact_targets,
            "sample": sample,
            "ddp_averages": ddp_averages,
            "dtype": str(dtype),
        }
        agree_on_settings(self.ranks, settings)
        self.share: Share = share(classes, self.ranks.rank, self.ranks.size)
        rows = torch.empty(self.share.rows, dimension, dtype=dtype, device=device)
        fill_rows(rows, self.share.start, seed)
        self.weight = nn.Parameter(rows)
        self.steps = 0
        self.recorder: Callable[[Recorded], None] | None = None
        """Who takes the records of pass two instead of having it run in backward: see `pass_two_sgd`."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """See the class. ValueError names a label outside the classes or an embedding of length zero."""
        with_gradient = torch.is_grad_enabled() and (embeddings.requires_grad or self.weight.requires_grad)
        agree_on_batch(self.ranks, embeddings, labels, self.classes, with_gradient)
        if embeddings.shape[1] != self.dimension:
            raise ValueError(
                f"embeddings have {embeddings.shape[1]} dimensions; the head has {self.dimension}"
            )
        embeddings, labels = embeddings.to(self.weight.dtype), labels.to(torch.int64)
        if self.backend is None:
            return dense_loss(embeddings, self.weight, labels, self.of)
        unit = functional.normalize(embeddings, eps=0.0)
        loss: Tensor = _Loss.apply(unit, self.weight, labels, self)  # type: ignore[no-untyped-call]
        return loss

    def sampled(self, labels: Tensor) -> Tensor | None:
        """The classes of this rank that take part, sorted positions (m,), or None for all of them."""
        if self.sample is None:
            return None
        rows = self.share.rows
        generator = torch.Generator(self.weight.device)
        entropy = np.random.SeedSequence([self.seed, self.steps, self.ranks.rank])
        generator.manual_seed(int(entropy.generate_state(1, np.uint32)[0]))
        drawn = torch.rand(rows, generator=generator, device=self.weight.device)
        here = labels - self.share.start
        drawn[here[(here >= 0) & (here < rows)]] = 2.0
        wanted = max(int((drawn == 2.0).sum()), round(self.sample * rows))
        return drawn.topk(wanted).indices.sort().values

    def extra_repr(self) -> str:
        """What is printed of the head."""
        return (
            f"classes={self.classes}, dimension={self.dimension}, loss={self.of}, "
            f"rows {self.share.start}..{self.share.stop - 1} on rank {self.ranks.rank} of {self.ranks.size}"
        )


def _backend(name: str, of: LogitMap, operands: str, chunk: int, compiled: bool) -> Backend | None:
    """None stands for the dense form, which is autograd's own."""
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one class; it was given {chunk}")
    if name == "dense":
        return None
    if name == "chunked":
        return Chunked(of, precision(operands), chunk, compiled)
    if name == "triton":
        from training.head.triton import TritonPasses

        passes: Backend = TritonPasses(of, precision(operands), chunk)
        return passes
    raise ValueError(f"there is no backend {name!r}; there are chunked, triton and dense")


class _Loss(torch.autograd.Function):
    """Pass one and the embeddings' gradient forward; pass two backward, or handed to the head's recorder."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor, weight: Tensor, labels: Tensor, head: ShardedClassifier) -> Tensor:
        ranks, backend = head.ranks, head.backend
        assert backend is not None
        batch, labels = ranks.gather(unit, "embeddings"), ranks.gather(labels, "labels")
        chosen = head.sampled(labels)
        classes = Classes(weight.detach(), chosen)
        targets = targets_among(labels, head.share.start, head.share.rows, chosen)
        directions, cosine = _target_cosines(head, batch, classes, targets)
        target_z, slope = head.of.target(cosine)
        background = backend.pass_one(batch, classes, targets, ctx.needs_input_grad[0])
        log_rest, z = _normalised(ranks, background, target_z, targets)
        log_sum = torch.logaddexp(log_rest, z)
        log_share = log_rest - log_sum
        by_cosine = -torch.exp(log_share)[targets.rows] * slope
        ctx.head, ctx.record = (
            head,
            Recorded(
                batch=batch,
                log_sum=log_sum,
                # Not below what float32 can hold, and finite where there is no other class.
                most_rest=log_share.amax().clamp_min(-80.0),
                targets=targets,
                cosine=cosine,
                by_cosine=by_cosine,
                chosen=chosen,
                version=weight._version,
                share_of_norm=batch.new_zeros(()),
                factor=batch.new_tensor(1.0 / len(batch)),
            ),
        )
        ctx.gradient = None
        if background.pull is not None:
            pull = background.pull.mul_(torch.exp(background.largest - log_sum)[:, None])
            pull[targets.rows] += by_cosine[:, None] * directions
            ctx.gradient = ranks.sum_shares(pull, "gradients of embeddings").div_(len(batch))
        head.steps += 1
        return torch.logaddexp(log_rest - z, z.new_zeros(())).mean()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        head: ShardedClassifier = ctx.head
        backend = head.backend
        assert backend is not None
        by_unit = None
        if ctx.gradient is not None:
            by_unit = ctx.gradient * (upstream * head.ranks.size if head.ddp_averages else upstream)
        if not ctx.needs_input_grad[1]:
            return by_unit, None, None, None
        squares = ctx.gradient.square().sum() if ctx.gradient is not None else upstream.new_zeros(())
        record = replace(
            ctx.record,
            share_of_norm=squares * upstream.square(),
            factor=ctx.record.factor * upstream,
        )
        if head.recorder is not None:
            head.recorder(record)
            return by_unit, None, None, None
        return by_unit, weight_gradient(backend, head.weight.detach(), record), None, None


def _target_cosines(
    head: ShardedClassifier, batch: Tensor, classes: Classes, targets: Targets
) -> tuple[Tensor, Tensor]:
    """Directions (T, D) of the targets' centroids and their cosines (T,) with their rows, in full precision."""
    own = targets.columns if classes.chosen is None else classes.chosen[targets.columns]
    directions = functional.normalize(classes.weight[own], eps=0.0)
    left, right = batch[targets.rows], directions
    if not head.exact_targets:
        left, right = (
            head.precision.rounded(left).to(left.dtype),
            head.precision.rounded(right).to(left.dtype),
        )
    return directions, (left * right).sum(1).clamp_(-1.0, 1.0)


def _normalised(ranks: Ranks, here: Background, target_z: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Over all ranks: log-sum of every row's other classes (B,), and the logit of its own (B,)."""
    z = torch.zeros_like(here.largest)
    z[targets.rows] = target_z
    every = ranks.gather(torch.stack([here.log_sum, z])[None], "sums of the softmax")
    return every[:, 0].logsumexp(0), every[:, 1].sum(0)
