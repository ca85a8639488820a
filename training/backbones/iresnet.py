"""IResNet, the residual networks of ArcFace, for GPUs and large sets of faces; nothing is pretrained."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from training.backbones.checkpointing import through
from training.backbones.convolution import convolution, prelu
from training.backbones.embedding import Embedding
from training.backbones.registry import Backbone, register


@register("iresnet-18", depths=(2, 2, 2, 2))
@register("iresnet-34", depths=(3, 4, 6, 3))
@register("iresnet-50", depths=(3, 4, 14, 3))
@register("iresnet-100", depths=(3, 13, 30, 3))
@register("iresnet-200", depths=(6, 26, 60, 6))
class IResNet(Backbone):
    """ResNet (He 2016, arXiv 1512.03385) for 112 x 112 faces after Deng 2019 (ArcFace, arXiv 1801.07698, section 3.1).

    That is: a first 3 x 3 convolution at stride 1 and no pooling, so that 7 x 7 places are left; the improved
    unit; and the end "E", BN - dropout - FC - BN, with a weight for every place. The name is that of ArcFace's
    released nets; Duta 2020 (arXiv 2004.04989) gave it to another unit.

    depths: units of the four stages. width: channels of the first, at least 16, doubled by each next. dropout: share of
    features dropped, 0..1 without 1; 0 as in the later of those releases, 0.4 in the first. First values:
    `convolution`, the factors of normalisation 1.
    """

    def __init__(
        self,
        dimension: int = 512,
        *,
        depths: Sequence[int] = (3, 4, 14, 3),
        width: int = 64,
        dropout: float = 0.0,
        gradient_checkpointing: bool = False,
    ) -> None:
        if len(depths) != 4 or min(depths) < 1:
            raise ValueError(f"depths must be four numbers of at least 1; they are {tuple(depths)}")
        # Below 16, oneDNN 3.12 writes outside its memory in the gradient of a strided 1 x 1 convolution that is
        # in channels-last order, the shortcut's, and the process dies.
        if width < 16:
            raise ValueError(f"a width must be at least 16 channels; it is {width}")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"a dropout must lie in 0..1, without 1; it is {dropout}")
        super().__init__(Embedding(8 * width * 7 * 7, dimension), gradient_checkpointing)
        self.stem = nn.Sequential(convolution(3, width, 3), nn.BatchNorm2d(width), prelu(width))
        self.blocks = nn.ModuleList()
        channels = width
        for stage, depth in enumerate(depths):
            for at in range(depth):
                out = width * 2**stage
                self.blocks.append(Unit(channels, out, 2 if at == 0 else 1))
                channels = out
        self.last = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)

    def features(self, images: Tensor) -> Tensor:
        """See Backbone.features."""
        x = through(self.blocks, self.stem(images), checkpointing=self.gradient_checkpointing)
        # Flat, it draws the same mask for both memory formats.
        return self.dropout(self.last(x).flatten(1))  # type: ignore[no-any-return]


class Unit(nn.Module):
    """BN - conv 3 x 3 - BN - PReLU - conv 3 x 3 - BN, plus x: (B, C, H, W) -> (B, out, H / stride, W / stride).

    Deng 2019, section 3.1. Where the shape changes, x goes through a 1 x 1 convolution and its BN.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            convolution(channels, out, 3),
            nn.BatchNorm2d(out),
            prelu(out),
            convolution(out, out, 3, stride),
            nn.BatchNorm2d(out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(convolution(channels, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        added: Tensor = self.body(x) + self.shortcut(x)
        return added
