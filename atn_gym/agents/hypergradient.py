"""Hypergradient descent on the learning rate, an epoch at a time."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.envs.gradient_signals import GradientSignals
from atn_gym.errors import check_number


class Hypergradient(Controller):
    """Raises the learning rate while a step still leads downhill at the next, and lowers it else.

    With a_e the alignment of epoch e, the mean cosine between each step and the descent direction
    after it, the rate is multiplied by exp(`beta` a_e). The cosine has the sign of the derivative
    of the next loss in the rate, turned around: above 0 a longer step would have been better. So
    the rate moves by at most `beta` / ln 10 decades an epoch. An epoch that diverged has the
    alignment -1. The first epoch has a rate `start` decades below the initial one: a rate that is
    too low is found out and raised, one that is too high kills the run before it is observed.

    The env is made with `signals="gradient"`. `hypergradient_sgd` does the same within the
    optimizer, after every step.

    When it fails: the gradients of small mini-batches are noisy, their cosines are near 0, and the
    rate moves slowly. What it follows is the next step: where slow progress along a valley and
    oscillation across it meet, it keeps the rate too low for the rest of the run.

    Args:
        setting: What is known of the run.
        beta: Change of the logarithm of the rate where all steps agree, >= 0.
        start: Decades by which the rate of the first epoch is below the initial one, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        A. G. Baydin et al., Online Learning Rate Adaptation with Hypergradient Descent, ICLR 2018:
        the multiplicative rule, there after every training step.
    """

    signals = "gradient"
    making_runs = 900.0

    def __init__(self, setting: RunSetting, beta: float = 1.5, start: float = 0.327) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        check_number("beta", beta, 0)
        check_number("start", start, 0)
        self._beta, self._start, self._move = beta, start, 0.0

    def observe_signals(self, signals: GradientSignals) -> None:
        """Turns the alignment into a change of the rate; before the first epoch there is none."""
        self._move = -self._start * math.log(10)
        if signals.steps:
            self._move = self._beta * signals.alignment

    def observe(self, metric: float, step: int) -> None:
        """Ignores the loss."""

    def propose(self, current_params: Params) -> Params:
        """Proposes the rate times the exponential of the change."""
        rate = current_params["learning_rate"] * math.exp(self._move)
        return self.setting.with_learning_rate(current_params, rate)
