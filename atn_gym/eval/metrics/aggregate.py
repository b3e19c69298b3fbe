"""Statistics over seeds and strata.

Scores have the shape that `atn_gym.eval.metrics.strata` describes. A statistic without an
axis left is a scalar. `atn_gym.eval.metrics.bootstrap` puts intervals around them.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy import stats

from atn_gym.arrays import BoolArray, FloatArray
from atn_gym.errors import InvalidArgument, check_positive_integer
from atn_gym.eval.metrics.strata import check_scores


def mean(scores: FloatArray) -> FloatArray:
    """Mean over the strata of the mean over the seeds, (..., num_strata, num_seeds) to (...).

    Every stratum counts the same, however many seeds it has.
    """
    result: FloatArray = stratum_means(scores).mean(axis=-1)
    return result


def stratum_means(scores: FloatArray) -> FloatArray:
    """Mean over the seeds of each stratum, shape (..., num_strata)."""
    result: FloatArray = np.nansum(check_scores(scores), axis=-1) / num_seeds(scores)
    return result


def num_seeds(scores: FloatArray) -> FloatArray:
    """How many seeds each stratum has, shape (..., num_strata)."""
    result: FloatArray = np.isfinite(scores).sum(axis=-1).astype(np.float64)
    return result


def seed_std(scores: FloatArray) -> FloatArray:
    """Standard deviation over the seeds (divisor n - 1), averaged over the strata.

    Args:
        scores: Shape (..., num_strata, num_seeds), at least two seeds in each stratum.

    Returns:
        Shape (...), in the unit of the scores.

    Raises:
        InvalidArgument: If a stratum has one seed: its spread is unknown, not zero.
    """
    if (num_seeds(check_scores(scores)) < 2).any():
        raise InvalidArgument("scores must have at least two seeds in each stratum, got one")
    result: FloatArray = np.nanstd(scores, axis=-1, ddof=1).mean(axis=-1)
    return result


def interquartile_mean(scores: FloatArray) -> FloatArray:
    """Mean of the middle half of all runs, strata and seeds pooled.

    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS 2021. It leaves out the quarter of the runs in which failures lie.

    Args:
        scores: Shape (..., num_strata, num_seeds).

    Returns:
        Shape (...). Of n runs floor(n / 4) are left out at each end, none if n < 4.
    """
    pooled = check_scores(scores).reshape(*scores.shape[:-2], -1)
    # The same runs are absent everywhere, so that each row keeps equally many.
    known = np.isfinite(pooled.reshape(-1, pooled.shape[-1])[0])
    if not known.all():
        pooled = np.sort(pooled, axis=-1)[..., : known.sum()]
    result: FloatArray = stats.trim_mean(pooled, 0.25, axis=-1)
    return result


def worst_decile(scores: FloatArray) -> FloatArray:
    """Mean of the worst tenth of the seeds (conditional value at risk), averaged over strata.

    With the n scores of a stratum sorted upwards and m = n / 10, the k-th (k = 0, 1, ...) has
    the weight clip(m - k, 0, 1) / m: a tenth that is not a whole number of runs takes a
    fraction of the last one. Rockafellar and Uryasev, "Conditional value-at-risk for general
    loss distributions", Journal of Banking and Finance 26, 2002.

    Args:
        scores: Shape (..., num_strata, num_seeds), higher is better.

    Returns:
        Shape (...). With ten seeds or fewer it is the worst seed.
    """
    ordered = np.sort(check_scores(scores), axis=-1)
    tenth = num_seeds(scores)[..., None] / 10
    weights = np.clip(tenth - np.arange(ordered.shape[-1]), 0, 1)
    weighted = np.nansum(ordered * weights, axis=-1) / weights.sum(axis=-1)
    result: FloatArray = weighted.mean(axis=-1)
    return result


def probability_of_improvement(scores: FloatArray, other: FloatArray) -> FloatArray:
    """Probability that a run of one method beats a run of another in the same stratum.

    Mean over strata of P(X > Y) + P(X = Y) / 2 over all pairs of runs of the stratum, which
    is the Mann-Whitney U statistic over its largest value (Agarwal et al., NeurIPS 2021).

    Args:
        scores: Shape (..., num_strata, num_seeds), higher is better.
        other: Of the other method in the same strata; its seeds may differ.

    Returns:
        Shape (...), in [0, 1]; 0.5 for equal methods.
    """
    if scores.shape[:-1] != other.shape[:-1]:
        raise InvalidArgument(
            f"other must have the strata of scores {scores.shape}, got shape {other.shape}"
        )
    wins = np.sign(check_scores(scores)[..., :, None] - check_scores(other)[..., None, :])
    pairs = num_seeds(scores) * num_seeds(other)
    result: FloatArray = (1 + (np.nansum(wins, axis=(-2, -1)) / pairs).mean(axis=-1)) / 2
    return result


def ranks(scores: FloatArray) -> FloatArray:
    """Rank of each method among all in the same stratum and seed.

    Rank 1 is the highest score; equal scores share the mean of their ranks (Demsar,
    "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006).

    Args:
        scores: Shape (..., num_methods, num_strata, num_seeds), higher is better.

    Returns:
        The same shape, in [1, num_methods], NaN where scores are.
    """
    if scores.ndim < 3:
        raise InvalidArgument(
            f"scores must have shape (..., num_methods, num_strata, num_seeds), got {scores.shape}"
        )
    result: FloatArray = stats.rankdata(-check_scores(scores), axis=-3)
    return np.where(np.isnan(scores), np.nan, result)


def mean_rank(scores: FloatArray) -> FloatArray:
    """`ranks` averaged as by `mean`, shape (..., num_methods)."""
    return mean(ranks(scores))


def restricted_mean(times: FloatArray, recovered: BoolArray, horizon: int) -> FloatArray:
    """Mean recovery time within the first `horizon` epochs after the shock.

    The sum over k = 0..horizon - 1 of S(k), the share of runs that take longer than k, by
    the estimator of Kaplan and Meier (1958) within each stratum, averaged over the strata. If
    every run is followed for `horizon` epochs, this is the mean of min(time, horizon).

    Args:
        times: Epochs to recovery, whole numbers >= 0, shape (..., num_strata, num_seeds). A
            run that did not recover has the number of epochs from the shock to its end. A
            run that met no shock is entered as not recovered at 0 and does not count.
        recovered: Whether each did, same shape.
        horizon: Restriction in epochs, >= 1; the budget after the shock is the natural one.

    Returns:
        Epochs in [0, horizon], shape (...). Past the last epoch in which a run is followed
        S is constant: what is unknown counts as not recovered.
    """
    check_positive_integer("horizon", horizon)
    if times.shape != recovered.shape:
        raise InvalidArgument(
            f"recovered must have the shape of times {times.shape}, got {recovered.shape}"
        )
    known = np.nan_to_num(check_scores(times), nan=0.0)
    if (known < 0).any() or (known != np.floor(known)).any():
        raise InvalidArgument(f"times must be whole numbers >= 0, got {times.tolist()}")
    longer = np.ones(times.shape[:-1])
    total = np.zeros(times.shape[:-1])
    for k in range(horizon):
        followed = np.where(recovered, times >= k, times > k).sum(axis=-1)
        recovering = (recovered & (times == k)).sum(axis=-1)
        longer *= 1 - recovering / np.maximum(followed, 1)
        total += longer
    result: FloatArray = total.mean(axis=-1)
    return result


def shares_above(scores: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Share of the runs above each threshold, averaged over the strata.

    Args:
        scores: Shape (..., num_strata, num_seeds).
        thresholds: Shape (n,), in the unit of the scores.

    Returns:
        Shares in [0, 1], shape (..., n).
    """
    seeds = num_seeds(check_scores(scores))
    return np.stack([((scores > t).sum(axis=-1) / seeds).mean(axis=-1) for t in thresholds], -1)


def mean_of_known(values: FloatArray, axis: int | tuple[int, ...] | None = None) -> FloatArray:
    """Mean of what is not NaN; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))
