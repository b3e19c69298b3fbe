"""A PID controller that holds the slope of the loss."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import check_number


class PID(Controller):
    """Steers the learning rate so that the loss falls at a set pace.

    The signal is the slope y_t = log10(L_t / L_{t-1}) of the observed validation loss,
    decades an epoch, smoothed exponentially; the error is e_t = target - y_t, above zero
    while the loss falls faster than asked. The learning rate is multiplied by 10^(u_t) with

        u_t = kp e_t + ki (e_1 + ... + e_t) + kd (e_t - e_{t-1}),

    clipped to [-max_step, max_step]. While the output is clipped the sum stands still
    (conditional integration), so that the jump of a shock does not wind it up.

    When it fails: it knows of no other cure than the learning rate, and a loss that can
    fall no further looks to it like a rate that is too high: near convergence it anneals
    whether or not that helps. A spike lowers the rate even when a shift asks for a higher one.

    Args:
        setting: What is known of the run.
        target: Slope to hold, decades an epoch; negative, for the loss is to fall.
        kp: Proportional gain, decades of learning rate for an error of one decade an epoch.
        ki: Integral gain, likewise for each epoch that the error lasts; 0, the default, makes it
            a PD controller, for the sum winds up over the fast fall of the first epochs.
        kd: Derivative gain, likewise for a change of the error within an epoch.
        smoothing: Weight of the newest slope, in [0.001, 1]; 1 for no smoothing.
        max_step: Largest change of the learning rate in an epoch, decades, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        K. J. Astrom and T. Hagglund, PID Controllers: Theory, Design, and Tuning, 2nd ed.,
        1995, chapters 2 and 3, for the law and conditional integration.
    """

    making_runs = 1_476.0

    def __init__(
        self,
        setting: RunSetting,
        target: float = -0.286,
        kp: float = 0.087,
        ki: float = 0.0,
        kd: float = 0.613,
        smoothing: float = 1.0,
        max_step: float = 0.398,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        for name, value in {"target": target, "kp": kp, "ki": ki, "kd": kd}.items():
            check_number(name, value)
        check_number("smoothing", smoothing, 1e-3, 1)
        check_number("max_step", max_step, 0)
        self._target = target
        self._gains = (kp, ki, kd)
        self._smoothing = smoothing
        self._max_step = max_step
        self._last_loss: float | None = None
        self._slope: float | None = None
        self._error: float | None = None
        self._sum = 0.0
        self._output = 0.0

    def observe(self, metric: float, step: int) -> None:
        """Updates error and output; a non-finite loss asks for the largest step down."""
        if not math.isfinite(metric):
            self._output = -self._max_step
            return
        loss = max(metric, 1e-12)
        self._output = 0.0
        if self._last_loss is not None:
            self._control(math.log10(loss / self._last_loss))
        self._last_loss = loss

    def _control(self, slope: float) -> None:
        old = slope if self._slope is None else self._slope
        self._slope = old + self._smoothing * (slope - old)
        error = self._target - self._slope
        change = 0.0 if self._error is None else error - self._error
        self._error = error
        kp, ki, kd = self._gains
        wanted = kp * error + ki * (self._sum + error) + kd * change
        self._output = min(max(wanted, -self._max_step), self._max_step)
        if self._output == wanted:
            self._sum += error

    def propose(self, current_params: Params) -> Params:
        """Moves the learning rate by the output."""
        move = {"learning_rate": self._output}
        return self.setting.hyperparameters.moved(current_params, move)
