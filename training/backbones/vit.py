"""Vision transformers for faces, best on many millions of images; nothing is pretrained."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones.checkpointing import through
from training.backbones.cpu import Linear
from training.backbones.embedding import Embedding
from training.backbones.registry import SIDE, Backbone, register

Pooling = Literal["tokens", "mean"]

DEVIATION = 0.02
"""Of the truncated normal first values of weights and positions (Touvron 2021, arXiv 2012.12877, section 6)."""


@register("vit-t", width=256, depth=12, heads=8)
@register("vit-s", width=512, depth=12, heads=8)
@register("vit-b", width=512, depth=24, heads=8)
class ViT(Backbone):
    """ViT (Dosovitskiy 2021, arXiv 2010.11929, section 3.1) without a class token, in the sizes used for faces.

    Widths and depths are those of the nets released with Partial FC (An 2022, arXiv 2203.15565), whose S and B
    cost about what IResNet-50 and -100 do; they are not Dosovitskiy's (width 768, depth 12, heads 12 is his
    B). Patches are 8 pixels wide, 14 x 14 tokens, which use every pixel of a crop; An's are 9 wide.

    width: of a token; heads must divide it. depth: blocks. patch: side of a patch in pixels, 1..112; what 112
    leaves over at the right and at the bottom is not seen. pooling: "tokens", a weight for every place, through
    a batch normalised layer of `width` as An has it; or "mean" of the tokens, with far fewer parameters.
    stochastic_depth: chance that the last block's branches are skipped for an image in training, growing
    from 0 at the first (Huang 2016, arXiv 1603.09382); 0.1 in Touvron 2021 and An 2022.
    """

    def __init__(
        self,
        dimension: int = 512,
        *,
        width: int = 512,
        depth: int = 12,
        heads: int = 8,
        patch: int = 8,
        pooling: Pooling = "tokens",
        stochastic_depth: float = 0.1,
        gradient_checkpointing: bool = False,
    ) -> None:
        _check(width, depth, heads, patch, pooling, stochastic_depth)
        super().__init__(Embedding(width, dimension), gradient_checkpointing)
        tokens = (SIDE // patch) ** 2
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.empty(1, tokens, width))
        skips = [stochastic_depth * at / max(1, depth - 1) for at in range(depth)]
        self.blocks = nn.ModuleList(Block(width, heads, skip) for skip in skips)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pool = _AllTokens(tokens, width) if pooling == "tokens" else _Mean()
        _first_values(self.patches, *self.modules())
        nn.init.trunc_normal_(self.positions, std=DEVIATION)

    def features(self, images: Tensor) -> Tensor:
        """See Backbone.features."""
        x = self.patches(images).flatten(2).transpose(1, 2) + self.positions  # (B, N, width)
        x = through(self.blocks, x, checkpointing=self.gradient_checkpointing)
        return self.pool(self.norm(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention over all tokens, then two layers on each; both added to x: (B, N, width) -> the same.

    Dosovitskiy 2021, eq. 2 and 3. skip: chance that a branch is left out for an image in training.
    """

    def __init__(self, width: int, heads: int, skip: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.before_layers = nn.LayerNorm(width, eps=1e-6)
        self.layers = nn.Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = x + self._sometimes(self.attention(self.before_attention(x)))
        return x + self._sometimes(self.layers(self.before_layers(x)))

    def _sometimes(self, branch: Tensor) -> Tensor:
        """The branch for some images and 0 for the others, scaled so that its expectation stays."""
        if not self.training or self.skip == 0.0:
            return branch
        kept = branch.new_empty((len(branch), 1, 1)).bernoulli_(1.0 - self.skip)
        return branch * (kept / (1.0 - self.skip))


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani 2017; Dosovitskiy 2021, appendix A): (B, N, width) -> the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.all_three = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        split = self.all_three(x).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, width / heads) each
        mixed: Tensor = self.out(
            functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        )
        return mixed


class _AllTokens(nn.Module):
    """(B, N, width) -> (B, width), each token with weights of its own."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(tokens * width, width, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.norm(self.linear(x.flatten(1)))
        return pooled


class _Mean(nn.Module):
    """(B, N, width) -> (B, width)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def _first_values(*modules: nn.Module) -> None:
    for module in modules:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _check(width: int, depth: int, heads: int, patch: int, pooling: str, stochastic_depth: float) -> None:
    if heads < 1 or width < 1 or width % heads:
        raise ValueError(f"a width must be a multiple of the heads; it is {width} for {heads} heads")
    if depth < 1:
        raise ValueError(f"a depth must be at least 1 block; it is {depth}")
    if not 1 <= patch <= SIDE:
        raise ValueError(f"a patch must be 1..{SIDE} pixels wide; it is {patch}")
    if pooling not in get_args(Pooling):
        raise ValueError(f"there is no pooling {pooling!r}; there are {' and '.join(get_args(Pooling))}")
    if not 0.0 <= stochastic_depth < 1.0:
        raise ValueError(f"a stochastic depth must lie in 0..1, without 1; it is {stochastic_depth}")
