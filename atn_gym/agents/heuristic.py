"""The bold driver: a rule of thumb for the learning rate."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import check_number, check_positive_integer


class Heuristic(Controller):
    """Raises the learning rate a little after progress and halves it after a setback.

    With L_t the observed validation loss, an epoch is better if L_t < L_{t-1} and worse if
    L_t > (1 + tolerance) L_{t-1}. After a better epoch the learning rate is multiplied by
    `increase`; after `patience` worse ones in a row by `decrease`.

    When it fails: a noisy loss is worse in every other epoch, so that the rate is halved more
    often than raised, and slowly comes to nothing. Near convergence, where the loss hardly
    moves, only noise decides.

    Args:
        setting: What is known of the run.
        increase: Factor after a better epoch, >= 1.
        decrease: Factor after worse ones, in [0.01, 1].
        patience: Worse epochs in a row that lower the rate, >= 1.
        tolerance: Relative rise of the loss that is not yet worse, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        R. Battiti, Accelerated Backpropagation Learning: Two Optimization Methods, Complex
        Systems 3, 1989. There, a worse step is also undone, which no online method can do.
    """

    making_runs = 1_476.0

    def __init__(
        self,
        setting: RunSetting,
        increase: float = 1.1,
        decrease: float = 0.5,
        patience: int = 1,
        tolerance: float = 0.05,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        check_number("increase", increase, 1)
        check_number("decrease", decrease, 0.01, 1)
        check_positive_integer("patience", patience)
        check_number("tolerance", tolerance, 0)
        self._increase = increase
        self._decrease = decrease
        self._patience = patience
        self._tolerance = tolerance
        self._last = math.inf
        self._worse = 0
        self._factor = 1.0

    def observe(self, metric: float, step: int) -> None:
        """Compares the loss with that of the epoch before; a non-finite one is worse."""
        better = metric < self._last
        steady = math.isfinite(metric) and metric <= (1 + self._tolerance) * self._last
        self._worse = 0 if steady else self._worse + 1
        self._factor = self._increase if better else 1.0
        if self._worse >= self._patience:
            self._factor = self._decrease
            self._worse = 0
        if math.isfinite(metric):
            self._last = metric

    def propose(self, current_params: Params) -> Params:
        """Multiplies the learning rate by what the last epoch calls for."""
        move = {"learning_rate": math.log10(self._factor)}
        return self.setting.hyperparameters.moved(current_params, move)
