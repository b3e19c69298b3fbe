"""Where the controllers of a block of runs stand: order, intervals, ranks, recovery."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.comparison import Block, Comparison
from atn_gym.eval.intervals import Estimate, Statistic, bootstrap, paired_difference
from atn_gym.eval.metrics import normalised_score
from atn_gym.eval.statistics import (
    interquartile_mean,
    mean_rank,
    probability_of_improvement,
    restricted_mean,
)
from atn_gym.eval.stored_runs import StoredRun

FloatArray = NDArray[np.float64]

HEADLINE = "compute_adjusted_performance"
ANYTIME = "anytime_performance"
_BOOTSTRAP_SEED = 0
"""Fixed, so that a report made twice is the same twice."""


def num_epochs(run: StoredRun) -> int:
    """Epoch budget T of a run."""
    budget, trained = run.config["env"].get("num_epochs"), len(run.trace["epoch"])
    return max(budget, trained) if type(budget) is int else trained


def one_run_flops(runs: list[StoredRun]) -> float:
    """Flops of one whole run on an env: the most that any of its runs made for itself."""
    return max(run.metric("run_flops") for run in runs)


def mean_of_known(values: FloatArray, axis: int | tuple[int, ...] | None = None) -> FloatArray:
    """Mean of what is not NaN; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))


@dataclass(frozen=True, eq=False)
class RecoveryTimes:
    """How the runs of a block came back after their shock, envs without one left out.

    Args:
        times: Epochs to recovery, shape (controllers, envs, seeds).
        recovered: Whether each came back, same shape.
        horizon: Epochs after the shock, of the env with the most.
    """

    times: FloatArray
    recovered: NDArray[np.bool_]
    horizon: int

    def mean_times(self) -> FloatArray:
        """Restricted mean of the recovery time, shape (controllers,)."""
        return restricted_mean(self.times, self.recovered, self.horizon)

    def shares(self) -> FloatArray:
        """Share recovered within k = 0..horizon - 1 epochs, shape (controllers, horizon).

        The restricted mean over k + 1 epochs is that over k epochs and the share of runs
        that take longer than k.
        """
        means = [np.zeros(len(self.times))]
        for k in range(self.horizon):
            means.append(restricted_mean(self.times, self.recovered, k + 1))
        return 1 - np.diff(np.stack(means, axis=-1), axis=-1)


class Standing:
    """Statistics of a block of runs, an entry for each controller.

    Args:
        comparison: Where the block is from.
        block: The runs.
    """

    def __init__(self, comparison: Comparison, block: Block) -> None:
        self.block = block
        self.is_reference = np.array([c in comparison.references for c in block.controllers])
        self.baseline = self._index(comparison.baseline)
        oracles = [c for c in comparison.references if c in block.controllers]
        self._oracle = self._index(oracles[0]) if oracles else None
        self.adjusted = self._estimate(HEADLINE, interquartile_mean)
        self.anytime = self._estimate(ANYTIME, interquartile_mean)

    def _index(self, controller: str | None) -> int | None:
        found = self.block.controllers
        return found.index(controller) if controller in found and controller is not None else None

    def _estimate(self, metric: str, statistic: Statistic) -> Estimate:
        return _or_without_interval(
            lambda scores: bootstrap(scores, statistic, _generator(), joint_envs=True),
            statistic,
            self.block.values(metric),
        )

    @cached_property
    def order(self) -> list[int]:
        """Contenders by compute-adjusted performance, best first; references after them."""
        names = self.block.controllers
        best = self.adjusted.value
        return sorted(range(len(names)), key=lambda c: (self.is_reference[c], -best[c], names[c]))

    def mean_ranks(self) -> FloatArray:
        """Mean rank among the contenders by compute-adjusted performance; NaN for others."""
        ranks = np.full(len(self.block.controllers), np.nan)
        if (~self.is_reference).any():
            ranks[~self.is_reference] = mean_rank(self.block.values(HEADLINE)[~self.is_reference])
        return ranks

    def improvement(self) -> FloatArray:
        """Probability of a higher compute-adjusted performance than the baseline's; or NaN."""
        values = self.block.values(HEADLINE)
        if self.baseline is None:
            return np.full(len(values), np.nan)
        baseline = np.broadcast_to(values[self.baseline], values.shape)
        return probability_of_improvement(values, baseline)

    def normalised(self) -> FloatArray:
        """Normalised score of each env: (controllers, envs), NaN where it has no meaning."""
        values = self.block.values(ANYTIME)
        scores = np.full(values.shape[:2], np.nan)
        if self.baseline is None or self._oracle is None:
            return scores
        for c, e in np.ndindex(scores.shape):
            of_env = values[:, e]
            score = normalised_score(of_env[c], of_env[self.baseline], of_env[self._oracle])
            scores[c, e] = np.nan if score is None else score.mean()
        return scores

    def normalised_over_envs(self) -> FloatArray:
        """Interquartile mean over the envs of the normalised scores, shape (controllers,)."""
        scores = self.normalised()
        scores = scores[:, np.isfinite(scores).all(axis=0)]
        if not scores.shape[1]:
            return np.full(len(scores), np.nan)
        return interquartile_mean(scores[:, :, None])

    def against_baseline(self, controller: int) -> Estimate:
        """Paired difference of the anytime performance to the baseline; NaN without one."""
        values = self.block.values(ANYTIME)
        if self.baseline is None:
            unknown = np.array(np.nan)
            return Estimate(unknown, unknown, unknown)
        baseline = values[self.baseline]
        return _or_without_interval(
            lambda scores: paired_difference(scores, baseline, _generator(), joint_envs=True),
            lambda scores: (scores - baseline).mean(axis=(-2, -1)),
            values[controller],
        )

    def relative_flops(self) -> FloatArray:
        """Flops charged in whole runs, mean over runs, shape (controllers,)."""
        of_env = [self.block.runs_of(env) for env in self.block.envs]
        whole = np.array([one_run_flops(runs) for runs in of_env])
        result: FloatArray = (self.block.values("flops") / whole[:, None]).mean(axis=(-2, -1))
        return result

    def recovery(self) -> RecoveryTimes | None:
        """Recovery times; None if no run met a shock."""
        times, recovered = self.block.values("recovery_time"), self.block.values("recovered")
        known = np.isfinite(recovered) & (times >= 0) & (times == np.floor(times))
        shocked = known.any(axis=(0, 2))
        if not shocked.any():
            return None
        horizon = max(
            num_epochs(run) - int(run.metric("shock_epoch"))
            for run in self.block.selected()
            if np.isfinite(run.metric("shock_epoch"))
        )
        came_back = (known & (recovered == 1))[:, shocked]
        # A run that met no shock is entered as one that is followed for no epoch.
        return RecoveryTimes(np.where(known, times, 0)[:, shocked], came_back, max(horizon, 1))


def _generator() -> np.random.Generator:
    return np.random.default_rng(_BOOTSTRAP_SEED)


def _or_without_interval(
    estimate: Callable[[FloatArray], Estimate], statistic: Statistic, scores: FloatArray
) -> Estimate:
    """An estimate, or of a single seed, the spread of which is unknown, its value alone."""
    if scores.shape[-1] > 1:
        return estimate(scores)
    value = np.asarray(statistic(scores))
    return Estimate(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
