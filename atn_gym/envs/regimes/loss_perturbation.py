"""LossPerturbation: the loss, as observed or as trained on, becomes noisy."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn, optim

from atn_gym.envs.data import RunData
from atn_gym.envs.regimes.base import Regime


@dataclass(frozen=True)
class LossPerturbation(Regime):
    """Noise on the loss. Doing nothing is right: the env tests that a method does no harm.

    Kinds, at strength s, with fresh draws e ~ N(0, 1):
        observed: Observed training and validation losses are multiplied by exp(s e).
            Training, rewards and metrics stay clean.
        training: The loss of every mini-batch is multiplied by exp(s e - s^2 / 2), whose
            mean is 1.
        gradient: Noise of s times the root mean square of the gradient is added to the
            gradient of every mini-batch.
    """

    kinds = {"observed": 0.5, "training": 0.5, "gradient": 0.5}

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: optim.Optimizer
    ) -> None:
        """Sets the standard deviation of one of the three noises."""
        strength = self.strength(epoch)
        if self.kind == "observed":
            data.observation_noise = strength
        elif self.kind == "training":
            data.loss_noise = strength
        else:
            data.gradient_noise = strength
