"""AutoTuneNet as it was published: the same moves on the same metrics."""

from __future__ import annotations

import math
from collections import deque

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.agents.study import PlainStudy
from atn_gym.errors import (
    InvalidArgument,
    check_count,
    check_number,
    check_positive_integer,
    unknown_name,
)

SCALES = ("categorical", "linear")
RANGES = {
    "learning_rate": (1e-4, 1e-1),
    "momentum": (0.7, 0.99),
    "weight_decay": (1e-5, 1e-3),
}
"""The published search space, in plain units: momentum is not complemented."""


class AutoTuneNetOriginal(Controller):
    """Makes the moves of the published AutoTuneNet controller, flaws included.

    After `warmup_epochs` + 1 untouched epochs, Optuna's TPE sampler proposes values. Each value
    approaches its proposal, but by at most the share `max_delta` of itself in an epoch. The
    score of an epoch is minus the observed validation loss, averaged over the last
    `smoothing_window` scores. With B the best such score of the run, a score S is bad if it is
    not finite or if (B - S) / max(|B|, 1e-8) > max_regression.

    - The `patience`-th bad score in a row causes a rollback: the values approach the last
      accepted ones, again by at most `max_delta`. The next `cooldown` scores are accepted,
      finite or not. The epoch after a rollback is not judged.
    - Any other score is accepted: the sampler learns it for the values that it proposed.

    The published controller has these flaws, which `autotunenet` mends:

    - Its configs write each range as a list, which Optuna takes as a choice between the two
      ends (scale "categorical"), so that no value in between is ever proposed.
    - The sampler learns a score for the values that it proposed, not for those in force.
    - The first bad score is accepted, so that a rollback leads back to bad values.
    - The best score is never forgotten: once the loss has risen for good, it rolls back every
      sixth epoch to the end of the run, where `autotunenet` does once.

    When it fails: the sampler draws at random until it has learned `startup_trials` scores, a
    third of a run of 30 epochs, and each value moves by a factor of 0.5 or 1.5 meanwhile. See
    the flaws above.

    Args:
        setting: What is known of the run.
        scale: "categorical", the two ends of each range, as its configs do; or "linear",
            uniform between them, as its Python examples do.
        warmup_epochs: One less than the epochs before the first change, >= 0.
        smoothing_window: Scores that are averaged, >= 1.
        max_regression: Relative fall of the score below the best that is tolerated, >= 0.
        patience: Bad scores in a row that cause a rollback, >= 1.
        cooldown: Scores after a rollback that are accepted, >= 0.
        max_delta: Largest relative change of a value in an epoch, in [0, 1].
        startup_trials: Scores that the sampler learns before it stops drawing at random, >= 0.

    Source:
        AutoTuneNet 1.0.2, https://github.com/mitishraina/AutoTuneNet, commit 6b51e60, with the
        settings of its own benchmark. Recorded traces of that code are the test.

    Raises:
        InvalidArgument: If an argument breaks its requirement.
    """

    def __init__(
        self,
        setting: RunSetting,
        scale: str = "categorical",
        warmup_epochs: int = 2,
        smoothing_window: int = 3,
        max_regression: float = 0.2,
        patience: int = 2,
        cooldown: int = 3,
        max_delta: float = 0.5,
        startup_trials: int = 10,
    ) -> None:
        super().__init__(setting)
        if scale not in SCALES:
            raise unknown_name("scale", scale, SCALES)
        unranged = [name for name in setting.hyperparameters.names if name not in RANGES]
        if unranged:
            raise InvalidArgument(
                f"the published controller has ranges for {', '.join(RANGES)} only, but this env "
                f"also controls {', '.join(unranged)}: use 'autotunenet'"
            )
        check_count("warmup_epochs", warmup_epochs)
        check_positive_integer("smoothing_window", smoothing_window)
        check_number("max_regression", max_regression, 0)
        check_positive_integer("patience", patience)
        check_count("cooldown", cooldown)
        check_number("max_delta", max_delta, 0, 1)
        check_count("startup_trials", startup_trials)
        self._warmup_epochs = warmup_epochs
        self._max_regression = max_regression
        self._patience = patience
        self._cooldown = cooldown
        self._max_delta = max_delta
        ranges = {name: RANGES[name] for name in setting.hyperparameters.names}
        self._study = PlainStudy(ranges, scale == "categorical", setting.seed, startup_trials)
        self._step = 0
        self._score = math.nan
        self._recent: deque[float] = deque(maxlen=smoothing_window)
        self._accepted: list[float] = []
        self._last_good: Params = {}
        self._trial: int | None = None
        self._bad_in_a_row = 0
        self._accepting = 0

    def observe(self, metric: float, step: int) -> None:
        """Notes the score of the epoch; `propose` judges it."""
        self._score = -metric
        self._step = step

    def propose(self, current_params: Params) -> Params:
        """Judges the pending trial, then rolls back or asks for another."""
        if self._step <= self._warmup_epochs:
            return current_params
        if self._trial is not None:
            self._recent.append(self._score)
            score = sum(self._recent) / len(self._recent)
            trial, self._trial = self._trial, None
            if self._is_unstable(score):
                self.rollbacks += 1
                return self._towards(self._last_good, current_params)
            self._accept(trial, score, current_params)
        self._trial, proposed = self._study.ask()
        return self._towards(proposed, current_params)

    def _is_unstable(self, score: float) -> bool:
        """Whether a score is the last bad one of `patience` in a row."""
        if not self._accepted:
            return False
        if self._accepting > 0:
            self._accepting -= 1
            return False
        # Python's max, as in the public code: an accepted NaN makes it depend on the order.
        best = max(self._accepted)
        fall = (best - score) / max(abs(best), 1e-8)
        bad = not math.isfinite(score) or fall > self._max_regression
        self._bad_in_a_row = self._bad_in_a_row + 1 if bad else 0
        if self._bad_in_a_row < self._patience:
            return False
        self._bad_in_a_row = 0
        self._accepting = self._cooldown
        return True

    def _accept(self, trial: int, score: float, params: Params) -> None:
        self._accepted.append(score)
        self._last_good = params
        self._study.tell(trial, score)
        self.optimizer_evaluations += not math.isnan(score)

    def _towards(self, targets: Params, params: Params) -> Params:
        """The targets, cut to what an epoch may change."""
        return {
            name: max(
                value * (1 - self._max_delta), min(value * (1 + self._max_delta), targets[name])
            )
            for name, value in params.items()
        }
