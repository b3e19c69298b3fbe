"""Statistics of a block of runs: means with intervals, ranks, rates and cost."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.adaptation_score import (
    BLIND,
    REACTIVE_ORACLE,
    adaptation_score,
    score_of_means,
    why_undefined,
)
from atn_gym.eval.metrics.aggregate import (
    interquartile_mean,
    mean,
    mean_of_known,
    num_seeds,
    probability_of_improvement,
    ranks,
    worst_decile,
)
from atn_gym.eval.metrics.bootstrap import (
    Estimate,
    Statistic,
    bootstrap,
    exact_rate,
    improvement,
)
from atn_gym.eval.metrics.resampling import OfResamples, means
from atn_gym.eval.metrics.strata import has_spread, strata_of, stratify
from atn_gym.eval.report.index import Block, ResultIndex
from atn_gym.eval.report.recovery import RecoveryTimes, recovery_times
from atn_gym.eval.report.run_budget import one_run_flops

HEADLINE = "compute_adjusted_performance"
ANYTIME = "anytime_performance"
SEEDS_PER_DECILE = 10
_BOOTSTRAP_SEED = 0
"""Fixed, so that a report made twice is the same twice."""


class BlockStatistics:
    """Statistics of a block of runs, with an entry for each controller.

    Args:
        index: Where the block is from.
        block: The runs.
    """

    def __init__(self, index: ResultIndex, block: Block) -> None:
        self.block = block
        self.is_reference = np.array([c in index.references for c in block.controllers])
        self.baseline = self._index(index.baseline)
        self.blind = self._index(index.of_name(BLIND, block.controllers))
        self.oracle = self._index(index.of_name(REACTIVE_ORACLE, block.controllers))
        yoked = [index.yoked_to(c, block.controllers) for c in block.controllers]
        self.yoked = [self._index(control) for control in yoked]
        self.beginnings = block.beginnings()
        self.adjusted = self._estimated(HEADLINE, mean)
        self.anytime = self._estimated(ANYTIME, mean)

    def _index(self, controller: str | None) -> int | None:
        found = self.block.controllers
        return found.index(controller) if controller in found and controller is not None else None

    def stratified(self, values: FloatArray) -> FloatArray:
        """Values (..., envs, seeds), all finite, as (..., strata, seeds)."""
        return stratify(values, self.beginnings)

    @cached_property
    def anytime_scores(self) -> FloatArray:
        """Anytime performance of every run, shape (controllers, strata, seeds)."""
        return self.stratified(self.block.values(ANYTIME))

    @cached_property
    def recovery(self) -> RecoveryTimes | None:
        """How the runs recovered; None if no run met a shock."""
        return recovery_times(self.block)

    def _estimated(self, metric: str, statistic: Statistic) -> Estimate:
        """A statistic of a metric, NaN where a run of a controller does not have it."""
        values = self.block.values(metric)
        known = np.array([np.isfinite(runs).all() for runs in values])
        return self._of_some(known, values, statistic)

    @property
    def strata(self) -> list[tuple[int, int]]:
        """Index of the env and beginning of each stratum."""
        return strata_of(self.beginnings)

    def fewest_seeds(self) -> int:
        """Number of seeds of the stratum with the fewest."""
        return int(num_seeds(self.anytime_scores).min())

    def of_stratum(self, stratum: int) -> tuple[Estimate, Estimate]:
        """Mean anytime performance and collapse rate in one stratum."""
        env, beginning = self.strata[stratum]
        seeds = self.beginnings[env] == beginning
        anytime, collapsed = (
            self.block.values(metric)[:, [env]][..., seeds] for metric in (ANYTIME, "collapsed")
        )
        return _estimate(anytime, mean), _rate(collapsed)

    def seeds_of_stratum(self, stratum: int) -> int:
        """Number of seeds of one stratum."""
        env, beginning = self.strata[stratum]
        return int((self.beginnings[env] == beginning).sum())

    def interquartile_means(self) -> Estimate:
        """Interquartile mean of the anytime performance."""
        return self._estimated(ANYTIME, interquartile_mean)

    def mean_where_defined(self, metric: str) -> FloatArray:
        """Stratified mean over the runs that have a metric, shape (controllers,)."""
        values = self.block.values(metric)
        strata = [
            mean_of_known(values[:, env, self.beginnings[env] == beginning], -1)
            for env, beginning in self.strata
        ]
        return mean_of_known(np.stack(strata, axis=-1), -1)

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
        """Probability that a contender has a higher compute-adjusted performance than fixed."""
        values = self.stratified(self.block.values(HEADLINE))
        if self.baseline is None:
            return _unknown(len(values))
        baseline = values[self.baseline]
        if has_spread(values):
            found = improvement(values, baseline, _generator())
        else:
            baselines = np.broadcast_to(baseline, values.shape)
            found = _without_interval(probability_of_improvement(values, baselines))
        for part in found:
            part[self.is_reference] = np.nan
        return self._without_baseline(found)

    def worst(self) -> Estimate:
        """`worst_decile` of the anytime performance.

        It has an interval only if it is about two seeds or more: the least of the draws is
        never below the least of the seeds, so that the bootstrap cannot tell its spread.
        """
        values = self.anytime_scores
        if num_seeds(values).min() >= 2 * SEEDS_PER_DECILE:
            return _estimate(values, worst_decile)
        return _without_interval(worst_decile(values))

    def collapse_rate(self) -> Estimate:
        """Share of collapsed runs with its exact interval; NaN where it is not known of all."""
        return _rate(self.block.values("collapsed"))

    def adaptation_score(self) -> Estimate:
        """Adaptation score; NaN where it is undefined."""
        values, blind, one = self.anytime_scores, self.blind, self._one
        if blind is None or one is None:
            return _unknown(len(values))
        # The runs that stand for 1 are drawn with the others, in a row behind them.
        found = _estimate(
            np.concatenate([values, one[None]]),
            lambda drawn: adaptation_score(drawn, drawn[..., [blind], :, :], drawn[..., -1:, :, :]),
            lambda scores, counts: _score_of_means(means(scores, counts), blind),
        )
        return Estimate(*(part[:-1] for part in found))

    @cached_property
    def _one(self) -> FloatArray | None:
        """Anytime performance that scores 1, (strata, seeds); None if it is not known of all.

        It is that of the best schedule where it is known, else that of the reactive oracle.
        """
        performances = self.block.values(ANYTIME)
        best = (performances + self.block.values("regret"))[0]
        reactive = np.nan if self.oracle is None else performances[self.oracle]
        ones = np.where(np.isfinite(best), best, reactive)
        return self.stratified(ones) if np.isfinite(ones).all() else None

    def why_no_adaptation_score(self) -> str | None:
        """Says in a sentence why the adaptation score is undefined, if it is."""
        blind = None if self.blind is None else self.anytime_scores[self.blind]
        return why_undefined(blind, self._one)

    def value_of_feedback(self) -> Estimate:
        """Value of the feedback of each controller; NaN without runs of its yoked control."""
        values = self.block.values(ANYTIME)
        has_control = np.array([control is not None for control in self.yoked])
        controls = [c if control is None else control for c, control in enumerate(self.yoked)]
        return self._of_some(has_control, values - values[controls], mean)

    def against_baseline(self) -> Estimate:
        """Paired difference of the anytime performance to that of fixed."""
        values = self.anytime_scores
        if self.baseline is None:
            return _unknown(len(values))
        return self._without_baseline(_estimate(values - values[self.baseline], mean))

    def _without_baseline(self, found: Estimate) -> Estimate:
        for part in found:
            part[self.baseline] = np.nan
        return found

    def relative_flops(self) -> FloatArray:
        """Flops charged in whole runs, mean over runs, shape (controllers,)."""
        result: FloatArray = (self.block.values("flops") / self._whole()).mean(axis=(-2, -1))
        return result

    def relative_cost(self) -> FloatArray:
        """As `relative_flops`, but a scored run that diverged early counts as a whole one."""
        searched = self.block.values("flops") - self.block.values("run_flops")
        result: FloatArray = 1 + (searched / self._whole()).mean(axis=(-2, -1))
        return result

    def _whole(self) -> FloatArray:
        """Flops of one whole run on each env, shape (envs, 1)."""
        runs = (self.block.runs_of(env) for env in self.block.envs)
        return np.array([[one_run_flops(of_env)] for of_env in runs])


def _generator() -> np.random.Generator:
    return np.random.default_rng(_BOOTSTRAP_SEED)


def _score_of_means(of_all: FloatArray, blind: int) -> FloatArray:
    return score_of_means(of_all, of_all[..., [blind]], of_all[..., -1:])


def _estimate(
    values: FloatArray, statistic: Statistic, of_resamples: OfResamples | None = None
) -> Estimate:
    """A statistic with its interval; its value only where a beginning has a single seed."""
    if has_spread(values):
        return bootstrap(values, statistic, _generator(), of_resamples=of_resamples)
    return _without_interval(statistic(values))


def _rate(happened: FloatArray) -> Estimate:
    """Share of runs, shape (controllers,); NaN for a controller where a run does not say."""
    known = np.isfinite(happened).all(axis=(-2, -1))
    found = _unknown(len(happened))
    if known.any():
        for part, of_known in zip(found, exact_rate(happened[known]), strict=True):
            part[known] = of_known
    return found


def _without_interval(value: FloatArray) -> Estimate:
    return _unknown(*np.shape(value))._replace(value=np.asarray(value))


def _unknown(*shape: int) -> Estimate:
    return Estimate(*(np.full(shape, np.nan) for _ in range(3)))
