"""OptimizerSensitivityShift: the optimizer answers differently to its settings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn, optim

from atn_gym.envs.data import RunData
from atn_gym.envs.optimizers import nominal_hyperparameters, set_effective_hyperparameters
from atn_gym.envs.regimes.base import Regime


@dataclass(frozen=True)
class OptimizerSensitivityShift(Regime):
    """The effective value of one hyperparameter departs from the one that is set.

    The controller still sees and sets the nominal value, and can make up for the change.

    Kinds, at strength s:
        weight_decay: The effective weight decay is the nominal one times 10^(4 s).
        learning_rate: The effective learning rate is the nominal one times 10^s.
        momentum: The effective 1 - m is the nominal one times 10^(-s), m at most 0.999.
    """

    kinds = {"weight_decay": 0.75, "learning_rate": 0.5, "momentum": 0.5}

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the effective hyperparameters."""
        strength = self.strength(epoch)
        if strength == 0:
            return
        values = nominal_hyperparameters(optimizer)
        if self.kind == "weight_decay":
            values["weight_decay"] *= 10 ** (4 * strength)
        elif self.kind == "learning_rate":
            values["learning_rate"] *= 10**strength
        else:
            values["momentum"] = 1 - (1 - values["momentum"]) * 10**-strength
        set_effective_hyperparameters(optimizer, values)
