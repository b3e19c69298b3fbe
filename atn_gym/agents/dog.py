"""Distance over gradients, an epoch at a time."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.errors import check_number


class DoG(Controller):
    """Sets the learning rate to the distance travelled over the norm of all gradients so far.

    With r_e the largest distance of the weights from the initial ones at the end of any epoch up
    to e, and G_e the sum of the squared norms of all mini-batch gradients up to then, the rate of
    epoch e + 1 is `factor` (1 - m) r_e / sqrt(G_e). The momentum m makes up for the steps that
    accumulate, if it is among the controlled hyperparameters. G_e is the sum over epochs of the
    number of steps times the observed mean. The first epoch has the initial rate of the run,
    because no gradient has been observed. An epoch that diverged is left out of both.

    The env is made with `signals="gradient"`, on which all of this rests.

    When it fails: G only grows, so that the rate falls as the run goes on, unless the weights go
    further than ever; after a shock it is too low to come back. Sizes count as they are, so that a
    hidden gain on the learning rate is not made up for, and for Adam, whose steps do not grow with
    the gradient, it is the wrong rule. Observed once an epoch, the distance lags behind.

    Args:
        setting: What is known of the run.
        factor: Factor on the rate, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        M. Ivgi, O. Hinder and Y. Carmon, DoG is SGD's Best Friend: A Parameter-Free Dynamic Step
        Size Schedule, ICML 2023; there a step is a training step, without momentum.
    """

    signals = "gradient"
    making_runs = 612.0

    def __init__(self, setting: RunSetting, factor: float = 0.66) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        check_number("factor", factor, 0)
        self._factor = factor
        self._initial_norm = self._squares = self._furthest = 0.0

    def observe_signals(self, signals: GradientSignals) -> None:
        """Adds the gradients of the epoch, and looks how far the weights have come."""
        if not signals.steps:
            self._initial_norm = signals.weight_norm
        elif not signals.diverged:
            self._squares += signals.steps * signals.gradient_norm**2
            self._furthest = max(self._furthest, signals.distance * self._initial_norm)

    def observe(self, metric: float, step: int) -> None:
        """Ignores the loss."""

    def propose(self, current_params: Params) -> Params:
        """Proposes distance over gradients; the rate in force while either is 0."""
        if not self._squares or not self._furthest:
            return current_params
        rate = self._factor * self._furthest / math.sqrt(self._squares)
        rate *= 1 - current_params.get("momentum", 0.0)
        return self.setting.with_learning_rate(current_params, rate)
