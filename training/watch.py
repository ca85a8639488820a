"""What whoever watches a run is told while it goes on; shows nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from training.plan import Plan


@dataclass(frozen=True)
class Stepped:
    """One step. step: 0.. of the plan's steps. loss: over all ranks. images_per_second: over all ranks.

    skipped: steps not taken so far because a gradient was not finite.
    """

    step: int
    loss: float
    rate: float
    images_per_second: float
    skipped: int


class Watch:
    """Hears everything and does nothing; commands override what they show. Only the first rank's is called."""

    def said(self, text: str) -> None:
        """A sentence for whoever started the run."""

    def began(self, plan: Plan, first_step: int) -> None:
        """The first step comes next."""

    def stepped(self, step: Stepped) -> None:
        """A step is done."""

    def validated(self, step: int, name: str, accuracy: float) -> None:
        """A pair set was judged right at this share, 0..1, after the step."""

    def ended(self) -> None:
        """Nothing more will come."""
