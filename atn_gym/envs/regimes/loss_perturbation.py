"""LossPerturbation: the loss, as observed or as trained on, becomes noisy."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from torch import nn, optim

from atn_gym.envs.data import RunData
from atn_gym.envs.regimes.base import Regime


@dataclass(frozen=True)
class LossPerturbation(Regime):
    """Noise on the loss: whoever trusts single observations, or trains on as before, loses.

    Kinds, at strength s, with fresh draws e ~ N(0, 1), and t of Student's distribution with 2
    degrees of freedom, cut off at 10 on both sides:
        both: `training` and `observed` at once.
        observed: Observed training and validation losses are multiplied by exp(s t).
            Training, rewards and metrics stay clean: doing nothing is right.
        training: The loss of every mini-batch is multiplied by exp(s e - s^2 / 2), whose
            mean is 1.
        gradient: Noise of s times the root mean square of the gradient is added to the
            gradient of every mini-batch.
    """

    kinds = {"both": 0.75, "observed": 0.75, "training": 0.75, "gradient": 0.5}

    def condition(self, epoch: int) -> Hashable:
        """The strength."""
        return self.strength(epoch)

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the noises."""
        strength = self.strength(epoch)
        if self.kind in ("both", "observed"):
            data.observation_noise = strength
        if self.kind in ("both", "training"):
            data.loss_noise = strength
        if self.kind == "gradient":
            data.gradient_noise = strength
