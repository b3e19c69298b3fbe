"""Simultaneous perturbation: a gradient of the loss in the hyperparameters from two epochs."""

from __future__ import annotations

import math

import numpy as np

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.arrays import FloatArray
from atn_gym.errors import check_number


class SPSA(Controller):
    """Descends the slope of the loss in all log hyperparameters, two epochs an iteration.

    Around a centre theta, in decades on the tuned scales, two epochs are trained at
    theta + c d and theta - c d, with d a vector of fair coin tosses in {-1, 1}. With
    y = log10(L_t / L_{t-1}) the fall that each epoch brought, the centre moves by

        theta <- theta - clip(a (y_plus - y_minus) / (2 c) d, -max_step, max_step).

    Both gains stay constant, so that it keeps tracking after a shift. The difference of two
    slopes, not of two losses, is taken: losses fall anyway, whichever side comes second.

    When it fails: one noisy pair of epochs decides about a step in all hyperparameters at
    once. With a budget of T epochs there are T / 2 steps at most; and a shock between the
    two epochs of a pair is taken for the effect of the perturbation.

    Args:
        setting: What is known of the run.
        a: Gain: decades that a slope of one decade an epoch for each decade moves it, >= 0.
        c: Perturbation, decades, >= 0.001.
        max_step: Largest move of the centre in an iteration, decades, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        J. C. Spall, Multivariate Stochastic Approximation Using a Simultaneous Perturbation
        Gradient Approximation, IEEE Trans. Automatic Control 37, 1992.
    """

    making_runs = 1_188.0

    def __init__(
        self, setting: RunSetting, a: float = 0.56, c: float = 0.16, max_step: float = 0.177
    ) -> None:
        super().__init__(setting)
        check_number("a", a, 0)
        check_number("c", c, 1e-3)
        check_number("max_step", max_step, 0)
        self._a, self._c, self._max_step = a, c, max_step
        self._draws = np.random.default_rng(setting.seed)
        self._centre: Params = {}
        self._direction: FloatArray = np.zeros(len(setting.hyperparameters))
        self._slopes: list[float] = []
        self._last: float | None = None
        self._sign = 0

    def observe(self, metric: float, step: int) -> None:
        """Notes the slope of the epoch; a non-finite loss counts as a rise of one decade."""
        loss = max(metric, 1e-12) if math.isfinite(metric) else None
        if self._sign and self._last is not None:
            rise = 1.0 if loss is None else math.log10(loss / self._last)
            self._slopes.append(min(max(rise, -1.0), 1.0))
        self._last = self._last if loss is None else loss

    def propose(self, current_params: Params) -> Params:
        """Proposes one side of the centre, then the other; nothing before the first epoch."""
        if self._last is None:
            return current_params
        if self._sign == 0:
            self._centre = current_params
        if len(self._slopes) == 2:
            self._move_centre()
        if self._sign <= 0:
            self._direction = self._draws.choice([-1.0, 1.0], len(self._direction))
        self._sign = -1 if self._sign > 0 else 1
        return self._moved(self._sign * self._c * self._direction)

    def _move_centre(self) -> None:
        plus, minus = self._slopes
        step = self._a * (plus - minus) / (2 * self._c) * self._direction
        self._centre = self._moved(-np.clip(step, -self._max_step, self._max_step))
        self._slopes = []

    def _moved(self, decades: FloatArray) -> Params:
        space = self.setting.hyperparameters
        return space.moved(self._centre, space.named(decades))
