"""Bootstrap intervals of statistics over seeds and strata.

Shapes are those of `atn_gym.eval.metrics.strata`. The strata are fixed and the seeds are the
sample: an interval says what other seeds would give, not other envs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from atn_gym.arrays import FloatArray, IntArray
from atn_gym.errors import InvalidArgument, check_positive_integer
from atn_gym.eval.metrics.aggregate import (
    interquartile_mean,
    mean,
    num_seeds,
    shares_above,
    worst_decile,
)
from atn_gym.eval.metrics.resampling import (
    OfResamples,
    interquartile_means,
    means,
    shares_of_resamples,
    worst_deciles,
)
from atn_gym.eval.metrics.strata import check_scores, has_spread, seed_groups

Statistic = Callable[[FloatArray], FloatArray]
"""Maps (..., num_strata, num_seeds) to (...), or with axes of its own at the end."""

FEW_SEEDS = 20
"""With fewer, a 95 % interval covers less than it says; where runs collapse, with more too."""
_MOST_AT_ONCE = 2**24
"""Scores in one stack of resamples, which bounds the memory."""


class Estimate(NamedTuple):
    """A statistic with its interval; the three have one shape."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def bootstrap(
    scores: FloatArray,
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    of_resamples: OfResamples | None = None,
) -> Estimate:
    """Stratified bootstrap interval of any statistic, paired across methods.

    Seeds that lie in the same strata are drawn with replacement among themselves. A draw is
    one for all methods and strata, because a seed brings the same weights and batches to all.
    Two corrections widen the interval of few seeds. Of n seeds n - 1
    are drawn, which makes the variance of a mean unbiased (Rao and Wu, "Resampling inference
    with complex survey data", JASA 83, 1988). The quantiles are those of Student's t, read as
    a normal: alpha = Phi(t) with t the quantile (1 - confidence) / 2 at as many degrees of
    freedom as there are seeds less groups (the expanded percentile interval of Hesterberg,
    "What teachers should know about the bootstrap", The American Statistician 69, 2015).

    Args:
        scores: Shape (*methods, num_strata, num_seeds), at least two seeds for each beginning;
            `methods` is any number of axes, none for one method.
        statistic: One of `atn_gym.eval.metrics.aggregate` or a function like them: called
            with shape (n, *methods, num_strata, num_drawn), it keeps the first axis.
        rng: Generator of the draws.
        num_resamples: Number of resamples, >= 1.
        confidence: Nominal coverage, in (0, 1).
        of_resamples: The statistic of all resamples at once, where there is such a function, see
            `atn_gym.eval.metrics.resampling`; those of `aggregate` have theirs without it.

    Returns:
        The statistic of the scores, and its interval; NaN where the statistic of a resample is
        undefined.

    Raises:
        InvalidArgument: If an argument breaks its requirement. An interval from one seed
            would have no width.

    Example:
        >>> from atn_gym.eval.metrics.aggregate import probability_of_improvement
        >>> rng = np.random.default_rng(0)
        >>> methods = rng.normal([[[1.0]], [[0.0]]], 1.0, size=(2, 3, 20))
        >>> estimate = bootstrap(
        ...     methods, lambda m: probability_of_improvement(m[..., 0, :, :], m[..., 1, :, :]), rng
        ... )
    """
    if not has_spread(scores):
        raise InvalidArgument(
            "scores must have at least two seeds for each beginning, and the same seeds in all "
            "envs of a beginning, got one"
        )
    check_positive_integer("num_resamples", num_resamples)
    if not 0 < confidence < 1:
        raise InvalidArgument(f"confidence must be in (0, 1), got {confidence!r}")
    counts = _counts(scores, rng, num_resamples)
    at_once = of_resamples or _AT_ONCE.get(statistic)
    if at_once is not None:
        values = at_once(scores, counts)
    else:
        together = max(_MOST_AT_ONCE // scores.size, 1)
        parts = (counts[first : first + together] for first in range(0, num_resamples, together))
        values = np.concatenate([_of_stack(scores, statistic, part) for part in parts])
    return _estimate(statistic(scores), values, int(counts[0].sum()), confidence)


_AT_ONCE: dict[Statistic, OfResamples] = {
    mean: means,
    interquartile_mean: interquartile_means,
    worst_decile: worst_deciles,
}


def _counts(scores: FloatArray, rng: np.random.Generator, num_resamples: int) -> IntArray:
    """How often each seed is drawn in each resample, shape (num_resamples, num_seeds)."""
    num_seeds = scores.shape[-1]
    counts = np.zeros((num_resamples, num_seeds), dtype=np.int64)
    first = np.arange(num_resamples)[:, None] * num_seeds
    for group in seed_groups(scores):
        drawn = rng.choice(group, size=(num_resamples, len(group) - 1))
        counts += np.bincount((first + drawn).ravel(), minlength=counts.size).reshape(counts.shape)
    return counts


def _of_stack(scores: FloatArray, statistic: Statistic, counts: IntArray) -> FloatArray:
    """A statistic of resamples that are copied, which works for any."""
    # Group by group, of which each has as many draws in all resamples.
    order = np.concatenate(seed_groups(scores))
    repeated = np.repeat(np.tile(order, len(counts)), counts[:, order].ravel())
    drawn = repeated.reshape(len(counts), -1)
    resamples = np.moveaxis(scores[..., drawn], -2, 0)
    values = statistic(resamples)
    if np.shape(values)[:1] != (len(drawn),):
        raise InvalidArgument(
            f"statistic must map {resamples.shape} to ({len(drawn)}, ...), got "
            f"{np.shape(values)}: reduce the last two axes only"
        )
    return values


def _estimate(value: FloatArray, values: FloatArray, freedom: int, confidence: float) -> Estimate:
    """A value with the expanded percentile interval of its resamples."""
    tail = float(stats.norm.cdf(stats.t.ppf((1 - confidence) / 2, freedom)))
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return Estimate(value, low, high)


def paired_difference(
    scores: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Stratified mean of the difference between two methods on the same strata and seeds.

    What a seed does to both methods cancels, which makes the interval narrower than that
    of independent runs. With `yoked` runs of the method as the other it is the value of
    feedback.

    Args:
        scores: Shape (num_strata, num_seeds), at least two seeds for each beginning.
        other: Of the other method, same strata and seeds, same shape.
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`.

    Returns:
        Mean of `scores - other` in their unit, with its interval.
    """
    _check_same(scores.shape, other)
    return bootstrap(scores - other, mean, rng, num_resamples=num_resamples, confidence=confidence)


def improvement(
    scores: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """`probability_of_improvement` with its interval.

    Which of two runs is better does not change when seeds are resampled. So the draws
    weigh the pairs, n_i n_j for the seeds i and j drawn n_i and n_j times, which takes far
    less than to compare the runs of every resample.

    Args:
        scores: Shape (*methods, num_strata, num_seeds), at least two seeds for each
            beginning, higher is better.
        other: Of the other method, same strata and seeds, shape (num_strata, num_seeds).
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`.

    Returns:
        Probabilities in [0, 1], each of shape (*methods,).
    """
    _check_same(scores.shape[-2:], other)
    check_scores(scores)
    strata, seeds = other.shape
    counts = _counts(other, rng, num_resamples)
    drawn = (counts[0] * np.isfinite(other)).sum(axis=-1)
    flat = scores.reshape(-1, strata, seeds)
    value, values = np.zeros(len(flat)), np.zeros((num_resamples, len(flat)))
    for method, runs in enumerate(flat):
        weighted = np.zeros((seeds, seeds))
        for of_one, of_other, n in zip(runs, other, drawn, strict=True):
            wins = np.nan_to_num(np.sign(of_one[:, None] - of_other[None, :]))
            value[method] += wins.sum() / np.isfinite(of_other).sum() ** 2 / strata
            weighted += wins / (n**2 * strata)
        values[:, method] = ((counts @ weighted) * counts).sum(axis=1)
    shape = scores.shape[:-2]
    return _estimate(
        ((1 + value) / 2).reshape(shape),
        ((1 + values) / 2).reshape(num_resamples, *shape),
        int(counts[0].sum()),
        confidence,
    )


def performance_profile(
    scores: FloatArray,
    thresholds: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """Share of the runs above each threshold, averaged over the strata.

    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS 2021.

    Args:
        scores: Shape (*methods, num_strata, num_seeds), at least two seeds for each
            beginning, higher is better.
        thresholds: Shape (n,), in the unit of the scores.
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`, for each threshold by itself.

    Returns:
        Shares in [0, 1] with their band, each of shape (*methods, n).
    """
    if thresholds.ndim != 1 or not thresholds.size:
        raise InvalidArgument(
            f"thresholds must have shape (n,) with n >= 1, got {thresholds.shape}"
        )

    return bootstrap(
        scores,
        lambda runs: shares_above(runs, thresholds),
        rng,
        num_resamples=num_resamples,
        confidence=confidence,
        of_resamples=shares_of_resamples(thresholds),
    )


def exact_rate(happened: FloatArray, *, confidence: float = 0.95) -> Estimate:
    """Share of the runs in which something happened, such as collapse, with its exact interval.

    The interval of Clopper and Pearson (Biometrika 26, 1934) for k of n runs, which holds for
    any n. It takes the runs as independent: over several envs that share seeds it is too
    narrow where a seed fails in many of them.

    Args:
        happened: 1 where it did, else 0, shape (..., num_strata, num_seeds).
        confidence: Coverage, in (0, 1).

    Returns:
        Shares of all runs, pooled, each of shape (...).
    """
    check_scores(happened)
    k = np.nansum(happened, axis=(-2, -1))
    n = num_seeds(happened).sum(axis=-1)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(k > 0, stats.beta.ppf(tail, k, n - k + 1), 0.0)
        high = np.where(k < n, stats.beta.ppf(1 - tail, k + 1, n - k), 1.0)
    return Estimate(np.asarray(k / n), low, high)


def _check_same(shape: tuple[int, ...], other: FloatArray) -> None:
    if shape != other.shape:
        raise InvalidArgument(
            f"other must have the strata and seeds of scores {shape}, got shape {other.shape}"
        )
