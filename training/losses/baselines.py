"""What the COCO paper compares with: plain softmax, softmax with center loss, and a pair loss beside softmax.

Baselines, for one process and few classes: all logits are kept. The head is `training.head`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.losses.pairs import PairLoss


class Softmax(nn.Module):
    """Cross-entropy of x w + b, nothing normalised. forward(x (B, D), labels (B,) int64) -> the mean loss."""

    def __init__(self, classes: int, dimension: int, seed: int = 0) -> None:
        """Weights are normal with deviation 0.01 from the seed, biases 0."""
        super().__init__()
        self.linear = nn.Linear(dimension, classes)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.linear.weight.normal_(0.0, 0.01, generator=generator)
            self.linear.bias.zero_()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """See the class. ValueError names the row of a label outside the classes."""
        outside = ((labels < 0) | (labels >= self.linear.out_features)).nonzero()
        if len(outside):
            row = int(outside[0])
            raise ValueError(
                f"the label of row {row} is {int(labels[row])}, outside 0..{self.linear.out_features - 1}"
            )
        return functional.cross_entropy(self.linear(embeddings.to(self.linear.weight.dtype)), labels)


class CenterSoftmax(Softmax):
    """Softmax + w / (2 B) sum_i |x_i - c_y(i)|^2 (Wen 2016, eq. 2 and 5); centers follow by eq. 4, not by gradient.

    centers: buffer (C, D), zero at first. In training mode, after the loss used them, each class of the batch moves:
    c_j -= rate * sum_i [y_i = j] (c_j - x_i) / (1 + n_j), with n_j rows of class j.
    """

    centers: Tensor

    def __init__(
        self,
        classes: int,
        dimension: int,
        seed: int = 0,
        *,
        center_weight: float = 0.003,
        center_rate: float = 0.5,
    ) -> None:
        """center_weight: w, lambda of the paper; center_rate: alpha, 0..1."""
        super().__init__(classes, dimension, seed)
        if center_weight < 0 or not 0.0 <= center_rate <= 1.0:
            raise ValueError(
                f"the centers' weight is at least 0 and their rate in 0..1; they are {center_weight}, {center_rate}"
            )
        self.center_weight, self.center_rate = center_weight, center_rate
        self.register_buffer("centers", torch.zeros(classes, dimension))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        loss = super().forward(embeddings, labels)
        apart = embeddings.to(self.centers.dtype) - self.centers[labels]
        pull = apart.square().sum() / (2 * len(labels))
        if self.training:
            self._follow(apart.detach(), labels)
        return loss + self.center_weight * pull

    @torch.no_grad()
    def _follow(self, apart: Tensor, labels: Tensor) -> None:
        # A loss scaler discards the step of a batch that overflowed; a center would never recover from it.
        finite = apart.isfinite().all(1)
        apart, labels = apart[finite], labels[finite]
        moves = torch.zeros_like(self.centers).index_add_(0, labels, apart)
        rows = torch.bincount(labels, minlength=len(self.centers))
        self.centers.add_(moves / (1.0 + rows)[:, None], alpha=self.center_rate)


class JointLoss(nn.Module):
    """A classifier's loss + weight * a pair loss on the same embeddings, as triplet + softmax."""

    def __init__(self, classifier: nn.Module, pairs: PairLoss, weight: float) -> None:
        """weight: of the pair loss, at least 0."""
        super().__init__()
        if weight < 0:
            raise ValueError(f"the pair loss's weight is at least 0; it is {weight}")
        self.classifier, self.pairs, self.weight = classifier, pairs, weight

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(B, D), (B,) int64 -> the mean loss."""
        joint: Tensor = self.classifier(embeddings, labels) + self.weight * self.pairs(embeddings, labels)
        return joint
