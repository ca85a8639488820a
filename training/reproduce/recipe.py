"""How a small table is trained: one network and one schedule for all its rows; trains nothing itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from training.config import Data, Optimisation, RunConfig

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class Recipe:
    """What all rows share. channels, depth, dimension: of `network.Stages`. Computed in bfloat16 by autocast.

    said: of the schedule, to stand beside the figures.
    """

    channels: tuple[int, ...]
    depth: int
    dimension: int
    epochs: int
    said: str = ""
    batch: int = 128
    rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.05

    def settings(self) -> dict[str, Any]:
        """JSON: all that decides what is learned."""
        tree = asdict(self)
        del tree["said"]
        return {**tree, "channels": list(self.channels), "computed": "bf16"}

    def run_config(self, seed: int, device: Device = "auto") -> RunConfig:
        """The same for `training.updates` and `training.device`; the data it names are not read."""
        return RunConfig(
            device=device,
            data=Data(records=Path()),
            optimisation=Optimisation(
                batch=self.batch,
                lr=self.rate,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
                warmup=self.warmup,
            ),
            seed=seed,
        )


MNIST = Recipe((16, 48, 96), 2, 64, epochs=10)
"""Ten passes at a first rate of 0.1, as many as the authors' released MNIST networks had."""

CIFAR_SHORT = Recipe(
    (32, 64, 128),
    2,
    128,
    epochs=15,
    said="A small network and a short schedule, for two CPU cores: the paper's errors are out of its reach, and "
    "only the order of the rows can be compared. `--schedule full` is for a GPU.",
)
CIFAR_FULL = Recipe((128, 256, 512), 3, 128, epochs=100)
"""For a GPU; no figure of it is measured yet."""
