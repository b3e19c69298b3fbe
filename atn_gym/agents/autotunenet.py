"""AutoTuneNet: Bayesian optimisation online, behind a stability guard."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.agents.study import Study, Trial
from atn_gym.arrays import FloatArray
from atn_gym.errors import check_count, check_number, check_positive_integer


class AutoTuneNet(Controller):
    """Tries values that a Bayesian optimiser asks for, one epoch each, within safe limits.

    After `warmup_epochs` untouched ones, every epoch tries new values. Its score is minus the
    observed validation loss, averaged over the last `smoothing_window` trials.
    With B the best such score so far, a score S is bad if it is not finite or if
    (B - S) / |B| > max_regression.

    - `patience` bad scores in a row are unstable: the last good values are restored, a
      rollback is counted, B and the scores before are forgotten (or a shift would cause
      endless rollbacks, and what is tried next pay for what failed), nothing new is tried in
      this epoch, and for `cooldown` epochs every finite score is good.
    - Otherwise the study gets the score and the values that were in force, and a score
      that is not bad makes them the last good ones. Then new values are asked for, each from
      the interval [1 - max_delta, 1 + max_delta] times the current one, cut at the bounds.

    Momentum m takes part by 1 - m. A score that is not finite never enters the average.

    Values are asked for from the interval, and not from the whole range to be clamped to it
    afterwards. By default the interval is half a decade wide, the range of the learning rate
    five: nearly every value asked for would lie outside and be cut to one of the ends, so that
    the optimiser would choose only a direction, which is the flaw `interval_ends`. As nothing
    is clamped, what was asked for and what is in force are the same but for rounding, and
    `tell_proposed` matters only along with `interval_ends`, or if the env cuts a change of
    more than one step of an action.

    When it fails: one epoch tells little about values whose effect takes many, and the
    score of a trial carries that of the ones before it. The intervals reach further down
    than up on the logarithmic scale, so that the values sink while the optimiser guesses.
    Noise on the loss looks like regression and causes rollbacks.

    Args:
        setting: What is known of the run.
        warmup_epochs: Epochs before the first trial, >= 0.
        smoothing_window: Trials that a score is averaged over, >= 1.
        max_regression: Relative fall of the score below the best that is tolerated, >= 0.
        patience: Bad scores in a row that are unstable, >= 1.
        cooldown: Epochs after a rollback in which every finite score is good, >= 0.
        max_delta: Largest relative change of a value in an epoch, >= 0.
        startup_trials: Trials drawn at random before the optimiser takes over, >= 0.
        interval_ends: Flaw: takes the nearer end of the interval, never what lies between.
        remember_bad: Flaw: a bad score that is not yet unstable makes its values good ones.
        tell_proposed: Flaw: tells the study what it asked for, not what was in force.
        keep_best: Flaw: never forgets the best score, nor those before a rollback.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Attributes:
        study: The study, with the values and scores that it got.

    Source:
        The online controller of AutoTuneNet; the optimiser is Optuna's TPE: J. Bergstra et
        al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011.
    """

    making_runs = 2_052.0

    def __init__(
        self,
        setting: RunSetting,
        warmup_epochs: int = 2,
        smoothing_window: int = 1,
        max_regression: float = 0.149,
        patience: int = 3,
        cooldown: int = 0,
        max_delta: float = 0.161,
        startup_trials: int = 8,
        interval_ends: bool = False,
        remember_bad: bool = False,
        tell_proposed: bool = False,
        keep_best: bool = False,
    ) -> None:
        super().__init__(setting)
        for name, count in {
            "warmup_epochs": warmup_epochs,
            "cooldown": cooldown,
            "startup_trials": startup_trials,
        }.items():
            check_count(name, count)
        check_positive_integer("smoothing_window", smoothing_window)
        check_positive_integer("patience", patience)
        check_number("max_regression", max_regression, 0)
        check_number("max_delta", max_delta, 0)
        self._warmup_epochs = warmup_epochs
        self._max_regression = max_regression
        self._patience = patience
        self._cooldown = cooldown
        self._max_delta = max_delta
        self._interval_ends = interval_ends
        self._remember_bad = remember_bad
        self._tell_proposed = tell_proposed
        self._keep_best = keep_best
        self.study = Study(setting.hyperparameters, setting.seed, startup_trials)
        self._step = 0
        self._score = math.nan
        self._recent: deque[float] = deque(maxlen=smoothing_window)
        self._best: float | None = None
        self._bad_in_a_row = 0
        self._accepting = 0
        self._pending: Trial | None = None
        self._last_good: Params | None = None

    def observe(self, metric: float, step: int) -> None:
        """Notes the score of the epoch; it is judged with the values that were in force."""
        self._score = -metric
        self._step = step

    def propose(self, current_params: Params) -> Params:
        """Judges the pending trial, then rolls back or asks for another."""
        if self._step < self._warmup_epochs:
            return current_params
        if self._last_good is None:
            self._last_good = current_params
        accepting = self._accepting > 0
        self._accepting = max(self._accepting - 1, 0)
        if self._pending is not None:
            score = self._smoothed()
            bad = self._is_bad(score, accepting)
            self._bad_in_a_row = self._bad_in_a_row + 1 if bad else 0
            if self._bad_in_a_row >= self._patience:
                return self._roll_back()
            self._tell(score, current_params)
            if not bad or self._remember_bad:
                self._last_good = current_params
            if not bad:
                self._best = score if self._best is None else max(self._best, score)
        return self._ask(current_params)

    def _smoothed(self) -> float:
        """Average score of the last trials; the score itself if it is not finite."""
        if not math.isfinite(self._score):
            return self._score
        self._recent.append(self._score)
        return float(np.mean(self._recent))

    def _is_bad(self, score: float, accepting: bool) -> bool:
        if not math.isfinite(score):
            return True
        if accepting or self._best is None:
            return False
        return self._best - score > self._max_regression * abs(self._best)

    def _roll_back(self) -> Params:
        assert self._pending is not None
        assert self._last_good is not None
        self.study.discard(self._pending)
        self._pending = None
        self._bad_in_a_row = 0
        self._accepting = self._cooldown
        if not self._keep_best:
            self._best = None
            self._recent.clear()
        self.rollbacks += 1
        return self._last_good

    def _tell(self, score: float, params: Params) -> None:
        assert self._pending is not None
        in_force = None if self._tell_proposed else self._logs(params)
        self.study.tell(self._pending, score, in_force)
        self.optimizer_evaluations += math.isfinite(score)

    def _ask(self, params: Params) -> Params:
        space = self.setting.hyperparameters
        logs = self._logs(params)
        floor, ceiling = space.log10_bounds
        down = math.log10(1 - self._max_delta) if self._max_delta < 1 else -math.inf
        low = np.maximum(logs + down, floor)
        high = np.minimum(logs + math.log10(1 + self._max_delta), ceiling)
        self._pending = self.study.ask(low, high)
        chosen = self._pending.logs
        if self._interval_ends:
            chosen = np.where(chosen < (low + high) / 2, low, high)
        return space.moved(params, space.named(chosen - logs))

    def _logs(self, params: Params) -> FloatArray:
        space = self.setting.hyperparameters
        return space.log10(np.array([params[name] for name in space.names]))
