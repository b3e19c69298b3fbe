"""GreedyLR: the learning rate follows the loss, up and down."""

from __future__ import annotations

import math
from collections import deque

from atn_gym.agents.controller import Controller, Params, RunSetting
from atn_gym.errors import InvalidArgument, check_count, check_number, check_positive_integer

_LEAST_CHANGE = 1e-8
"""A smaller change of the rate is not made, as in the reference implementation."""


class GreedyLR(Controller):
    """Raises the learning rate after improvement that lasts, and lowers it after none that lasts.

    A metric m_t, the mean of the last `smooth` observed validation losses, is better if it is
    below the best so far by more than `threshold`. After more than `patience` better epochs in a
    row the learning rate is divided by `factor`, and `warmup` epochs are not counted; after more
    than `patience` others in a row it is multiplied by `factor`, and `cooldown` epochs are not
    counted. It stays within [min_lr, max_lr]. The call for a reduction at `min_lr` that is the
    `reset_start`-th since the last rise brings the initial rate back and forgets the best.

    When it fails: the best from before a shock stays the mark, so that every epoch after it is a
    bad one until the loss is back where it was, and the rate falls where it should rise. A
    factor near 1 follows too slowly from a poor beginning; a small one swings.

    Args:
        setting: What is known of the run.
        factor: Factor on the learning rate, in [0.01, 0.999].
        patience: Epochs in a row that do not yet change the rate, >= 0.
        threshold: Fall of the metric in nats that is not yet better, >= 0.
        cooldown: Epochs after a reduction that are not counted, >= 0.
        warmup: Epochs after a rise that are not counted, >= 0.
        min_lr: Least learning rate, >= 0.
        max_lr: Largest learning rate, >= min_lr.
        smooth: Losses in the mean, >= 1.
        reset_start: Calls for a reduction at `min_lr` that bring a reset, >= 1.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        S. Subramanian et al., GreedyLR, arXiv:2512.14527, 2025, as `GreedyLR` of Hugging Face
        transformers does it in mode "min" with an absolute threshold. There a step is a training
        step, so that its defaults are 0.95 for `factor` and 10 for `patience`.
    """

    making_runs = 1_476.0

    def __init__(
        self,
        setting: RunSetting,
        factor: float = 0.811,
        patience: int = 3,
        threshold: float = 1e-6,
        cooldown: int = 0,
        warmup: int = 0,
        min_lr: float = 1e-3,
        max_lr: float = 1.0,
        smooth: int = 1,
        reset_start: int = 3,
    ) -> None:
        super().__init__(setting)
        setting.require_learning_rate()
        check_number("factor", factor, 0.01, 0.999)
        for name, value in (("patience", patience), ("cooldown", cooldown), ("warmup", warmup)):
            check_count(name, value)
        check_number("threshold", threshold, 0)
        check_number("min_lr", min_lr, 0)
        check_number("max_lr", max_lr, 0)
        if max_lr < min_lr:
            raise InvalidArgument(f"max_lr must be at least min_lr={min_lr!r}, got {max_lr!r}")
        check_positive_integer("smooth", smooth)
        check_positive_integer("reset_start", reset_start)
        self._factor, self._patience, self._threshold = factor, patience, threshold
        self._cooldown, self._warmup, self._reset_start = cooldown, warmup, reset_start
        self._min_lr, self._max_lr = min_lr, max_lr
        self._initial = self._rate = math.nan
        self._losses: deque[float] = deque(maxlen=smooth)
        self._begin()

    def _begin(self) -> None:
        """Forgets all that was observed."""
        self._losses.clear()
        self._best = math.inf
        self._good = self._bad = self._waiting = 0
        self._until_reset = self._reset_start

    def observe(self, metric: float, step: int) -> None:
        """Counts good and bad epochs, and moves the rate; a non-finite loss is a bad one."""
        self._losses.append(metric)
        mean = sum(self._losses) / len(self._losses)
        if self._waiting:
            self._waiting -= 1
            return
        better = mean < self._best - self._threshold
        if better:
            self._best = mean
        self._good = self._good + 1 if better else 0
        self._bad = 0 if better else self._bad + 1
        if self._good > self._patience:
            raised = min(self._rate / self._factor, self._max_lr)
            self._rate = raised if raised - self._rate > _LEAST_CHANGE else self._rate
            self._until_reset = self._reset_start
            self._waiting, self._good = self._warmup, 0
        elif self._bad > self._patience:
            lowered = max(self._rate * self._factor, self._min_lr)
            self._rate = lowered if self._rate - lowered > _LEAST_CHANGE else self._rate
            self._waiting, self._bad = self._cooldown, 0
            if self._rate <= self._min_lr:
                self._until_reset -= 1
                if not self._until_reset:
                    self._begin()
                    self._waiting, self._rate = self._cooldown, self._initial

    def propose(self, current_params: Params) -> Params:
        """Proposes the rate; the initial one of the run before the first epoch."""
        if math.isnan(self._rate):
            self._initial = self._rate = current_params["learning_rate"]
        return self.setting.with_learning_rate(current_params, self._rate)
