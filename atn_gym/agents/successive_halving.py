"""Successive halving over whole runs, before the one that is scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atn_gym.agents.offline_search import OfflineSearch, Trials
from atn_gym.errors import check_number, check_positive_integer


@dataclass(frozen=True)
class SuccessiveHalving(OfflineSearch):
    """Searches fixed hyperparameters by runs of which fewer and fewer continue.

    `num_trials` sets of values are drawn uniformly on the tuned scales, each for a run of its own
    from fresh weights. With s the largest integer with factor^s <= num_trials and T the budget,
    all train for T / factor^s epochs; the best num_trials / factor of them continue to
    T / factor^(s-1), and so on, until one is left (numbers are rounded, at least 1). Better is the
    run with the lower observed loss in its last epoch. The run that is left is not trained on: its
    values go to the scored run, which begins from fresh weights. All epochs are charged.

    When it fails: what learns fast early continues, and is not what is best later, under the shock
    in particular. Noise on the observed loss sends good runs away.

    Args:
        num_trials: Sets of values, >= 2.
        factor: One run in how many continues, in [1.5, 10].
        env: "stationary", the task without the regime, or "same", the env that is scored.

    Raises:
        InvalidArgument: If an argument breaks its requirement.

    Source:
        K. Jamieson and A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
        Optimization, AISTATS 2016, algorithm of figure 3.
    """

    num_trials: int = 27
    factor: float = 3.0
    env: str = "stationary"

    def __post_init__(self) -> None:
        check_positive_integer("num_trials", self.num_trials)
        check_number("num_trials", self.num_trials, 2)
        check_number("factor", self.factor, 1.5, 10)
        self.check_env()

    @property
    def slots(self) -> int:
        """All trials are held at once."""
        return self.num_trials

    def find(self, trials: Trials, seed: int) -> None:
        """Trains rung by rung."""
        draws = np.random.default_rng(seed)
        seeds = draws.integers(2**31, size=self.num_trials).tolist()
        low, high = trials.space.log10_bounds
        logs = draws.uniform(low, high, (self.num_trials, len(low)))
        trials.begin(list(logs), seeds)
        rungs = int(np.emath.logn(self.factor, self.num_trials) + 1e-9)
        left, trained = list(range(self.num_trials)), 0
        scores = np.full(self.num_trials, -1.0)
        for rung in range(rungs, 0, -1):
            until = max(round(trials.num_epochs / self.factor**rung), trained + 1)
            scores[left] = trials.train(left, until - trained)[:, -1]
            trained = until
            keep = max(round(len(left) / self.factor), 1)
            left = sorted(left, key=lambda run: -scores[run])[:keep]
        trials.search.tried = list(zip(logs, scores.tolist(), strict=True))
        trials.search.found = logs[left[0]]
