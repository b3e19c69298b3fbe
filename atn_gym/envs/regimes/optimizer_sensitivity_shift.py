"""OptimizerSensitivityShift: the optimizer answers differently to its settings."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import nn, optim

from atn_gym.envs.data import RunData
from atn_gym.envs.optimizers import nominal_hyperparameters, set_effective_hyperparameters
from atn_gym.envs.randomness import Stream, generator
from atn_gym.envs.regimes.base import Regime

_DOWN, _UP = (-2.0, -1.0), (0.25, 0.5)


@dataclass(frozen=True)
class OptimizerSensitivityShift(Regime):
    """The effective value of one hyperparameter departs from the one that is set.

    The controller still sees and sets the nominal value, and can make up for the change. By
    default it comes early: a network that has learned what it can loses nothing by it.

    Kinds, at strength s:
        rescaling: The effective learning rate is the nominal one times 10^(s u). The run draws
            a direction, and u uniformly from -2 to -1 down or from 0.25 to 0.5 up: what is too
            fast destroys more than what is too slow.
        weight_decay: The effective weight decay is the nominal one times 10^(4 s).
        learning_rate: The effective learning rate is the nominal one times 10^s.
        momentum: The effective 1 - m is the nominal one times 10^(-s), m at most 0.999.
    """

    kinds = {"rescaling": 0.75, "weight_decay": 0.75, "learning_rate": 0.5, "momentum": 0.5}
    drawn_kinds = ("rescaling",)

    trigger: int | float | Sequence[float] = (0.04, 0.2)

    def condition(self, epoch: int) -> Hashable:
        """None once it has set in, for it sets the optimizer in every epoch."""
        return 0.0 if self.strength(epoch) == 0 else None

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the effective hyperparameters."""
        strength = self.strength(epoch)
        if strength == 0:
            return
        values = nominal_hyperparameters(optimizer)
        if self.kind == "rescaling":
            values["learning_rate"] *= 10 ** (strength * _direction(self.seed, self.change(epoch)))
        elif self.kind == "weight_decay":
            values["weight_decay"] *= 10 ** (4 * strength)
        elif self.kind == "learning_rate":
            values["learning_rate"] *= 10**strength
        else:
            values["momentum"] = 1 - (1 - values["momentum"]) * 10**-strength
        set_effective_hyperparameters(optimizer, values)


@functools.lru_cache(maxsize=4096)
def _direction(seed: int, change: int) -> float:
    """Decades by which a change at full strength moves the effective learning rate."""
    draws = generator(seed, Stream.REGIME, change)
    return float(draws.uniform(*(_DOWN if draws.random() < 0.5 else _UP)))
