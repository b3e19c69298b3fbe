"""Where the controllers of a block of runs stand: order, intervals, ranks, recovery."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.metrics.adaptation_score import (
    BLIND,
    REACTIVE_ORACLE,
    adaptation_score,
    why_undefined,
)
from atn_gym.eval.metrics.aggregate import (
    mean,
    num_seeds,
    probability_of_improvement,
    ranks,
    restricted_mean,
    worst_decile,
)
from atn_gym.eval.metrics.bootstrap import (
    Estimate,
    Statistic,
    bootstrap,
    exact_rate,
    improvement,
)
from atn_gym.eval.metrics.strata import has_spread, stratify
from atn_gym.eval.report.index import Block, Comparison
from atn_gym.eval.storage.runs import StoredRun

FloatArray = NDArray[np.float64]

HEADLINE = "compute_adjusted_performance"
ANYTIME = "anytime_performance"
VAL_LOSS = "mean_val_loss"
SEEDS_PER_DECILE = 10
_BOOTSTRAP_SEED = 0
"""Fixed, so that a report made twice is the same twice."""


def num_epochs(run: StoredRun) -> int:
    """Epoch budget T of a run."""
    budget, trained = run.config["env"].get("num_epochs"), len(run.trace["epoch"])
    return max(budget, trained) if type(budget) is int else trained


def one_run_flops(runs: list[StoredRun]) -> float:
    """Flops of one whole run on an env."""
    return max(run.metric("run_flops") * _unfinished(run) for run in runs)


def one_run_steps(runs: list[StoredRun]) -> float:
    """Gradient steps of one whole run on an env."""
    return max(float(run.trace["gradient_steps"].sum()) * _unfinished(run) for run in runs)


def _unfinished(run: StoredRun) -> float:
    """By how much a whole run is longer: an epoch takes the same steps as any other."""
    return num_epochs(run) / len(run.trace["epoch"])


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
        self.blind = self._index(comparison.of_name(BLIND, block.controllers))
        self.oracle = self._index(comparison.of_name(REACTIVE_ORACLE, block.controllers))
        self.adjusted = self._pooled(HEADLINE)
        self.anytime = self._pooled(ANYTIME)
        self.val_loss = self._pooled(VAL_LOSS)

    def _index(self, controller: str | None) -> int | None:
        found = self.block.controllers
        return found.index(controller) if controller in found and controller is not None else None

    def stratified(self, values: FloatArray) -> FloatArray:
        """Values (..., envs, seeds), all finite, as (..., strata, seeds)."""
        return stratify(values, self.block.beginnings())

    def _pooled(self, metric: str) -> Estimate:
        """Stratified mean of a metric, NaN where a run of a controller does not have it."""
        values = self.block.values(metric)
        known = np.array([np.isfinite(of_one).all() for of_one in values])
        return self._of_some(known, values, mean)

    def _of_some(
        self, chosen: NDArray[np.bool_], values: FloatArray, statistic: Statistic
    ) -> Estimate:
        """A statistic of some controllers, NaN for the others."""
        found = _unknown(len(values))
        if chosen.any():
            estimate = _estimate(self.stratified(values[chosen]), statistic)
            for part, of_chosen in zip(found, estimate, strict=True):
                part[chosen] = of_chosen
        return found

    @cached_property
    def order(self) -> list[int]:
        """Contenders by compute-adjusted performance, best first; references after them."""
        names = self.block.controllers
        best = self.adjusted.value
        return sorted(range(len(names)), key=lambda c: (self.is_reference[c], -best[c], names[c]))

    def mean_ranks(self) -> Estimate:
        """Mean rank among the contenders by compute-adjusted performance; NaN for others."""
        values, contenders = self.block.values(HEADLINE), ~self.is_reference
        # Draws of seeds change no rank within a seed, so that they are found once.
        of_runs = np.full(values.shape, np.nan)
        if contenders.any():
            of_runs[contenders] = ranks(values[contenders])
        return self._of_some(contenders, of_runs, mean)

    def improvement(self) -> Estimate:
        """Probability of a higher compute-adjusted performance than the baseline's; or NaN."""
        values = self.stratified(self.block.values(HEADLINE))
        if self.baseline is None:
            return _unknown(len(values))
        baseline = values[self.baseline]
        if has_spread(values):
            return improvement(values, baseline, _generator())
        better = probability_of_improvement(values, np.broadcast_to(baseline, values.shape))
        return _without_interval(better)

    def worst(self) -> Estimate:
        """`worst_decile` of the anytime performance.

        It has an interval only if it is about two seeds or more: the least of the draws is
        never below the least of the seeds, so that the bootstrap cannot tell its spread.
        """
        values = self.stratified(self.block.values(ANYTIME))
        if num_seeds(values).min() >= 2 * SEEDS_PER_DECILE:
            return _estimate(values, worst_decile)
        return _without_interval(worst_decile(values))

    def collapse_rate(self) -> Estimate:
        """Share of collapsed runs with its exact interval; NaN where it is not known of all."""
        values = self.block.values("collapsed")
        known = np.isfinite(values).all(axis=(-2, -1))
        found = _unknown(len(values))
        for part, of_known in zip(found, exact_rate(values[known]), strict=True):
            part[known] = of_known
        return found

    def adaptation_score(self) -> Estimate:
        """Adaptation score; NaN where it is undefined."""
        values = self.stratified(self.block.values(ANYTIME))
        blind, oracle = self.blind, self.oracle
        if blind is None or oracle is None:
            return _unknown(len(values))
        return _estimate(
            values,
            lambda drawn: adaptation_score(
                drawn, drawn[..., [blind], :, :], drawn[..., [oracle], :, :]
            ),
        )

    def why_no_adaptation_score(self) -> str | None:
        """Says in a sentence why the adaptation score is undefined, if it is."""
        values = self.stratified(self.block.values(ANYTIME))
        blind, oracle = (None if c is None else values[c] for c in (self.blind, self.oracle))
        return why_undefined(blind, oracle)

    def against_baseline(self, controller: int) -> Estimate:
        """Paired difference of the anytime performance to the baseline; NaN without one."""
        values = self.stratified(self.block.values(ANYTIME))
        if self.baseline is None:
            return _unknown()
        return _estimate(values[controller] - values[self.baseline], mean)

    def relative_flops(self) -> FloatArray:
        """Flops charged in whole runs, mean over runs, shape (controllers,)."""
        result: FloatArray = (self.block.values("flops") / self._whole()).mean(axis=(-2, -1))
        return result

    def relative_cost(self) -> FloatArray:
        """As `relative_flops`, with the scored run a whole one: to die early is not cheap."""
        searched = self.block.values("flops") - self.block.values("run_flops")
        result: FloatArray = 1 + (searched / self._whole()).mean(axis=(-2, -1))
        return result

    def _whole(self) -> FloatArray:
        """Flops of one whole run on each env, shape (envs, 1)."""
        runs = (self.block.runs_of(env) for env in self.block.envs)
        return np.array([[one_run_flops(of_env)] for of_env in runs])

    def recovery(self) -> RecoveryTimes | None:
        """Recovery times; None if no run met a shock."""
        times, recovered = self.block.values("recovery_time"), self.block.values("recovered")
        known = np.isfinite(recovered) & (times >= 0) & (times == np.floor(times))
        known &= np.isfinite(self.block.values("shock_epoch"))
        shocked = known.any(axis=(0, 2))
        if not shocked.any():
            return None
        horizon = max(
            num_epochs(run) - int(run.metric("shock_epoch"))
            for run, is_known in zip(self.block.selected(), known.swapaxes(0, 1).flat, strict=True)
            if is_known
        )
        came_back = (known & (recovered == 1))[:, shocked]
        # A run that met no shock is entered as one that is followed for no epoch.
        return RecoveryTimes(np.where(known, times, 0)[:, shocked], came_back, max(horizon, 1))


def _generator() -> np.random.Generator:
    return np.random.default_rng(_BOOTSTRAP_SEED)


def _estimate(values: FloatArray, statistic: Statistic) -> Estimate:
    """A statistic with its interval; its value only where a beginning has a single seed."""
    if has_spread(values):
        return bootstrap(values, statistic, _generator())
    return _without_interval(statistic(values))


def _without_interval(value: FloatArray) -> Estimate:
    return _unknown(*np.shape(value))._replace(value=np.asarray(value))


def _unknown(*shape: int) -> Estimate:
    return Estimate(*(np.full(shape, np.nan) for _ in range(3)))
