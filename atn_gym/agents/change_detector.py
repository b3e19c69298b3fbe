"""An annealed learning rate that begins again when the loss jumps."""

from __future__ import annotations

import math

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import check_count, check_number, unknown_name

RESPONSES = ("rewarm", "reset", "search")
_LEAST_LOSS = 1e-12


class ChangeDetector(Controller):
    """Anneals the learning rate, and begins again when a CUSUM test on the loss sounds an alarm.

    With x_t = ln L_t of the observed validation loss L_t, m_t = m_{t-1} + smoothing (x_t - m_{t-1})
    and S_t = max(0, S_{t-1} + x_t - m_{t-1} - slack), an alarm sounds when S_t > threshold; then
    S = 0, and m = x_t. Any loss that is not finite is an alarm.

    A segment begins with the run, and after every alarm. Over what is left of the budget its
    learning rate falls along half a cosine from a base rate, at first the initial one of the run.
    On an alarm, `response` does one of these:

    - "rewarm": the rate rises from the one in force to the base rate in equal ratios over
      `warmup` epochs, then anneals.
    - "reset": all hyperparameters return to their initial values, and the rate anneals.
    - "search": three times the base rate, the base rate and a third of it are tried for an epoch
      each; the one with which x fell the most is the base rate from then on.

    When it fails: a noisy loss sounds false alarms, each of which undoes the annealing; a gradual
    drift sounds none while m follows it; and where the shock asks for a smaller rate, "rewarm"
    and "reset" bring back a larger one.

    Args:
        setting: What is known of the run.
        response: "rewarm", "reset" or "search".
        threshold: Sum of excesses that sounds the alarm, in nats of ln L, >= 0.
        slack: Excess that is not counted, in nats of ln L, >= 0.
        smoothing: Weight of the last value in the mean, in [0.01, 1].
        warmup: Epochs that "rewarm" takes, >= 0.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        E. S. Page, Continuous Inspection Schemes, Biometrika 41, 1954, for the test. The responses
        are of this project.
    """

    making_runs = 1_476.0

    def __init__(
        self,
        setting: RunSetting,
        response: str = "reset",
        threshold: float = 0.92,
        slack: float = 0.239,
        smoothing: float = 0.369,
        warmup: int = 1,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        if response not in RESPONSES:
            raise unknown_name("response", response, RESPONSES)
        check_number("threshold", threshold, 0)
        check_number("slack", slack, 0)
        check_number("smoothing", smoothing, 0.01, 1)
        check_count("warmup", warmup)
        self._response = response
        self._threshold, self._slack, self._smoothing = threshold, slack, smoothing
        self._warmup = warmup if response == "rewarm" else 0
        self._initial: Params = {}
        self._mean: float | None = None
        self._sum = 0.0
        self._epoch = self._began = 0
        self._restarting = False
        self._base = self._from = math.nan
        self._candidates: list[float] = []
        self._tried: list[tuple[float, float]] = []
        self._last = math.inf

    def observe(self, metric: float, step: int) -> None:
        """Tests for a change, and notes what a rate on trial did."""
        self._epoch = step
        finite = math.isfinite(metric)
        value = math.log(max(metric, _LEAST_LOSS)) if finite else math.inf
        if self._candidates:
            self._note_trial(value)
        elif self._alarm(value):
            self._restarting = True
        if finite:
            self._last = value

    def _alarm(self, value: float) -> bool:
        """One step of the CUSUM test."""
        if not math.isfinite(value):
            self._mean, self._sum = None, 0.0
            return True
        if self._mean is None:
            self._mean = value
            return False
        excess = value - self._mean
        self._sum = max(0.0, self._sum + excess - self._slack)
        if self._sum > self._threshold:
            self._mean, self._sum = value, 0.0
            return True
        self._mean += self._smoothing * excess
        return False

    def _note_trial(self, value: float) -> None:
        """Closes the trial of a rate; after the last one, the best begins to anneal."""
        self._tried.append((self._last - value, self._candidates.pop(0)))
        if not self._candidates:
            self._base = max(self._tried)[1]
            self._began, self._tried = self._epoch, []
            self._mean = value if math.isfinite(value) else None

    def propose(self, current_params: Params) -> Params:
        """The rate of the segment; all initial values where the response is "reset"."""
        params = current_params
        if not self._initial:
            self._initial = dict(current_params)
            self._base = current_params["learning_rate"]
        if self._restarting:
            self._began, self._restarting = self._epoch, False
            self._from = current_params["learning_rate"]
            if self._response == "reset":
                params = self._initial
            if self._response == "search":
                self._candidates = [self._base * 3, self._base, self._base / 3]
        return self.setting.with_learning_rate(params, self._rate())

    def _rate(self) -> float:
        if self._candidates:
            return self._candidates[0]
        warmup = self._warmup if self._began else 0
        done = self._epoch - self._began
        if done < warmup:
            share = (done + 1) / (warmup + 1)
            return float(self._from ** (1 - share) * self._base**share)
        left = max(self.setting.num_epochs - self._began - warmup, 1)
        return self._base * (1 + math.cos(math.pi * (done - warmup) / left)) / 2
