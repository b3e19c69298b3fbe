"""The learning-rate range test, made online."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import check_number

_LEAST_LOSS = 1e-9


class RangeTest(Controller):
    """Climbs the learning rate until the loss falls fast or rises, then follows the loss.

    With l_t the logarithm of the observed validation loss and f_t = l_{t-1} - l_t its fall, it
    begins `start` decades below the initial rate and climbs: after each epoch the rate rises by
    climb (1 - max(f_t, 0) / enough) decades. The climb ends when the loss falls fast,
    f_t >= `enough`, with the rate of that epoch; or when the loss rises by more than
    `tolerance` above its lowest, `back_off` decades lower. From then on, the rate rises by
    `rise` decades after an epoch with f_t > `plateau`, falls by `cut` after a loss that rose by
    more than `tolerance`, and falls by `decay` after any other. A loss that rises by more than
    `shock` at once begins a new climb from the rate in force.

    The range test of Smith raises the rate within a run that is thrown away; here it is the
    beginning of the run itself. So it needs no initial rate that suits the task.

    When it fails: a rate that is a decade too high at the beginning can ruin the network in the
    first epoch. Noise on the observed loss that exceeds `tolerance` ends a climb early, and
    noise beyond `shock` begins one that is not due.

    Args:
        setting: What is known of the run.
        start: Decades below the initial rate at which the climb begins, in [0, 4].
        climb: Decades by which the rate rises in an epoch without progress, in [0, 1].
        enough: Fall of the log loss in an epoch that ends the climb, above 0.
        tolerance: Rise of the log loss that is tolerated, >= 0.
        back_off: Decades down from where the loss rose in a climb, in [0, 1].
        rise: Decades up after progress, in [0, 1].
        plateau: Fall of the log loss that counts as progress, >= 0.
        decay: Decades down after an epoch without progress, in [0, 1].
        cut: Decades down after a rise of the loss, in [0, 1].
        shock: Rise of the log loss that begins a new climb, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement, or the learning rate is not
            among the controlled hyperparameters.

    Source:
        L. N. Smith, No More Pesky Learning Rate Guessing Games, arXiv:1506.01186, 2015, and
        Cyclical Learning Rates for Training Neural Networks, WACV 2017, section 3.3.
    """

    making_runs = 2_340.0

    def __init__(
        self,
        setting: RunSetting,
        start: float = 1.224,
        climb: float = 0.52,
        enough: float = 0.14,
        tolerance: float = 0.1,
        back_off: float = 0.712,
        rise: float = 0.009,
        plateau: float = 0.02,
        decay: float = 0.055,
        cut: float = 0.394,
        shock: float = 0.4,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        check_number("start", start, 0, 4)
        for name, value in (("climb", climb), ("back_off", back_off), ("rise", rise)):
            check_number(name, value, 0, 1)
        for name, value in (("decay", decay), ("cut", cut)):
            check_number(name, value, 0, 1)
        check_number("enough", enough, 1e-6)
        for name, value in (("tolerance", tolerance), ("plateau", plateau), ("shock", shock)):
            check_number(name, value, 0)
        self._climb, self._enough, self._back_off = climb, enough, back_off
        self._tolerance, self._shock = tolerance, shock
        self._rise, self._plateau, self._decay, self._cut = rise, plateau, decay, cut
        self._climbing = True
        self._move = -start
        self._last: float | None = None
        self._lowest = math.inf

    def observe(self, metric: float, step: int) -> None:
        """Decides how far the rate moves; a loss that is not finite has risen."""
        loss = math.log(max(metric, _LEAST_LOSS)) if math.isfinite(metric) else math.inf
        fall = 0.0 if self._last is None else self._last - loss
        if self._climbing:
            self._move = self._climbed(loss, fall)
        elif -fall > self._shock:
            self._climbing, self._move, self._lowest = True, 0.0, loss
        elif -fall > self._tolerance:
            self._move = -self._cut
        else:
            self._move = self._rise if fall > self._plateau else -self._decay
        self._lowest = min(self._lowest, loss)
        if math.isfinite(loss):
            self._last = loss

    def _climbed(self, loss: float, fall: float) -> float:
        """How far the rate moves in a climb, which may end here."""
        if loss > self._lowest + self._tolerance or math.isinf(loss):
            self._climbing = False
            return -self._back_off
        if fall >= self._enough:
            self._climbing = False
            return 0.0
        return self._climb * (1 - max(fall, 0.0) / self._enough)

    def propose(self, current_params: Params) -> Params:
        """Moves the learning rate by what the last epoch calls for."""
        return self.setting.hyperparameters.moved(current_params, {"learning_rate": self._move})
