"""The reference of moving without looking."""

from __future__ import annotations

import numpy as np

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import check_number


class RandomOnline(Controller):
    """Lets every hyperparameter take a random walk on its logarithmic scale.

    Before each epoch every hyperparameter moves by a draw of N(0, scale^2) decades and stops
    at its bounds. A method that does not beat it has learned nothing from what it observed.

    When it fails: always, in the long run. The walk spreads with the square root of the
    number of epochs, and nothing leads it back from a rate at which the run diverges.

    Args:
        setting: What is known of the run.
        scale: Standard deviation of a move, decades, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    observes = False

    def __init__(self, setting: RunSetting, scale: float = 0.1) -> None:
        super().__init__(setting)
        check_number("scale", scale, 0)
        self._scale = scale
        self._draws = np.random.default_rng(setting.seed)

    def observe(self, metric: float, step: int) -> None:
        """Ignores the metric."""

    def propose(self, current_params: Params) -> Params:
        """Takes a step of the walk."""
        space = self.setting.hyperparameters
        moves = self._draws.normal(0, self._scale, len(space))
        return space.moved(current_params, space.named(moves))
