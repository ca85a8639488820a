"""Blocks computed again in backward instead of kept: memory for a third more time; keeps nothing on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def through(blocks: Iterable[nn.Module], x: Tensor, *, checkpointing: bool) -> Tensor:
    """x through all blocks in turn; with `checkpointing` only what enters a block is kept for its backward.

    Gradients, random draws and running statistics are those of the plain run, bit for bit. Chen 2016 (arXiv
    1604.06174), section 3, with a block a segment.
    """
    again = checkpointing and torch.is_grad_enabled()
    for block in blocks:
        x = _kept_by_input(block, x) if again else block(x)
    return x


def _kept_by_input(block: nn.Module, x: Tensor) -> Tensor:
    # A compiler takes no contexts of ours, and needs none: it writes a buffer once, after the whole graph.
    if torch.compiler.is_compiling():
        return checkpoint(block, x, use_reentrant=False)  # type: ignore[no-any-return]
    contexts = partial(_contexts, block)
    kept: Tensor = checkpoint(block, x, use_reentrant=False, context_fn=contexts)
    return kept


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _running_statistics_untouched(block)


@contextmanager
def _running_statistics_untouched(block: nn.Module) -> Iterator[None]:
    """The second pass over a batch must not count as a second batch, so its statistics go to stand-ins.

    Writing the old values back instead would fail: autograd has kept the buffers, and sees that they changed.
    """
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    own = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, own, strict=True):
        _place(norm, {name: buffer.clone() for name, buffer in buffers.items()})
    try:
        yield
    finally:
        for norm, buffers in zip(norms, own, strict=True):
            _place(norm, buffers)


def _place(norm: nn.Module, buffers: dict[str, Tensor]) -> None:
    for name, buffer in buffers.items():
        setattr(norm, name, buffer)
