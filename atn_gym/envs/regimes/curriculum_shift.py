"""CurriculumShift: the run begins on a part of the data."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import nn, optim

from atn_gym.envs.data import SPLITS, RunData
from atn_gym.envs.regimes.base import Regime


@dataclass(frozen=True)
class CurriculumShift(Regime):
    """The run begins on a part of the data; the shock brings the rest.

    With severity S and strength s, a share q = 1 - (S - s) of the data is in use: 1 - S
    before the trigger, all at full strength. The twin stays on the part.

    Kinds:
        classes: The first ceil(q C) classes, at least 2, are drawn, validated and tested.
        difficulty: The easiest share q of each class is drawn; a sample is the easier, the
            nearer it lies to the mean of its class. Validation has all samples.
    """

    kinds = {"classes": 0.5, "difficulty": 0.5}
    image_kinds = ("difficulty",)

    def _share(self, epoch: int) -> float:
        """Share of the data in use."""
        assert self.severity is not None
        # Rounding guards against 1 - 0.7 = 0.30000000000000004.
        return round(1 - (self.severity - self.strength(epoch)), 9)

    def visible_classes(self, epoch: int, num_classes: int) -> int:
        """How many of C classes the epoch that follows `epoch` trained ones is validated on."""
        if self.kind != "classes":
            return num_classes
        # Rounding guards ceil against 10 * (1 - 0.7) = 3.0000000000000004.
        return max(2, math.ceil(round(self._share(epoch) * num_classes, 9)))

    def condition(self, epoch: int) -> Hashable:
        """The strength."""
        return self.strength(epoch)

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the pools of samples in use."""
        share = self._share(epoch)
        if share >= 1:
            return
        if self.kind == "classes":
            visible = self.visible_classes(epoch, data.clean.num_classes)
            for split in SPLITS:
                labels = data.clean.split(split).labels
                data.pools[split] = torch.nonzero(labels < visible).flatten()
        else:
            easy = data.clean.easiest_first < max(share, 1e-9)
            data.pools["train"] = torch.nonzero(easy).flatten()
