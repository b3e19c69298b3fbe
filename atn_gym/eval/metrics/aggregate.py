"""Statistics over seeds and envs.

Scores of one method have shape (num_envs, num_seeds), one finite number for each run, and
column j holds the same seed in every env and for every method (common random numbers).
Axes before these two are kept: a stack of methods, of resamples, or of both. A result
without an axis left is a scalar. `atn_gym.eval.metrics.bootstrap` puts intervals around them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from atn_gym.errors import InvalidArgument, check_positive_integer

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_RUNS = (-2, -1)


def mean(scores: FloatArray) -> FloatArray:
    """Mean over all runs, shape (..., num_envs, num_seeds) to (...)."""
    result: FloatArray = check_scores(scores).mean(axis=_RUNS)
    return result


def seed_std(scores: FloatArray) -> FloatArray:
    """Standard deviation over the seeds (divisor num_seeds - 1), averaged over the envs.

    Args:
        scores: Shape (..., num_envs, num_seeds), at least two seeds.

    Returns:
        Shape (...), in the unit of the scores.

    Raises:
        InvalidArgument: If there is one seed: its spread is unknown, not zero.
    """
    result: FloatArray = check_spread(scores).std(axis=-1, ddof=1).mean(axis=-1)
    return result


def interquartile_mean(scores: FloatArray) -> FloatArray:
    """Mean of the middle half of all runs, envs and seeds pooled.

    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS 2021: the mean without the lowest and the highest quarter.

    Args:
        scores: Shape (..., num_envs, num_seeds), n = num_envs · num_seeds runs.

    Returns:
        Shape (...). floor(n / 4) runs are left out at each end, none if n < 4.
    """
    pooled = check_scores(scores).reshape(*scores.shape[:-2], -1)
    result: FloatArray = stats.trim_mean(pooled, 0.25, axis=-1)
    return result


def worst_decile(scores: FloatArray) -> FloatArray:
    """Mean of the worst tenth of the seeds (conditional value at risk), averaged over envs.

    With scores sorted upwards and m = num_seeds / 10, the k-th (k = 0, 1, ...) has the
    weight clip(m - k, 0, 1) / m: a tenth that is no whole number of runs takes a fraction
    of the last one. Rockafellar and Uryasev, "Conditional value-at-risk for general loss
    distributions", Journal of Banking and Finance 26, 2002.

    Args:
        scores: Shape (..., num_envs, num_seeds), higher is better.

    Returns:
        Shape (...). With ten seeds or fewer it is the worst seed.
    """
    ordered = np.sort(check_scores(scores), axis=-1)
    tenth = ordered.shape[-1] / 10
    weights = np.clip(tenth - np.arange(ordered.shape[-1]), 0, 1)
    result: FloatArray = (ordered @ (weights / weights.sum())).mean(axis=-1)
    return result


def probability_of_improvement(scores: FloatArray, other: FloatArray) -> FloatArray:
    """Probability that a run of one method beats a run of another on an env, over envs.

    Mean over envs of P(X > Y) + P(X = Y) / 2 over all pairs of runs on the env, which is
    the Mann-Whitney U statistic over its largest value (Agarwal et al., NeurIPS 2021).

    Args:
        scores: Shape (..., num_envs, num_seeds), higher is better.
        other: Of the other method on the same envs; its number of seeds may differ.

    Returns:
        Shape (...), in [0, 1]; 0.5 for equal methods.
    """
    if scores.shape[:-1] != other.shape[:-1]:
        raise InvalidArgument(
            f"other must have the envs of scores {scores.shape}, got shape {other.shape}"
        )
    wins = np.sign(check_scores(scores)[..., :, None] - check_scores(other)[..., None, :])
    result: FloatArray = (1 + wins.mean(axis=(-3, -2, -1))) / 2
    return result


def ranks(scores: FloatArray) -> FloatArray:
    """Rank of each method among all on the same env and seed.

    Rank 1 is the highest score; equal scores share the mean of their ranks (Demsar,
    "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006).

    Args:
        scores: Shape (..., num_methods, num_envs, num_seeds), higher is better.

    Returns:
        The same shape, in [1, num_methods].
    """
    if scores.ndim < 3:
        raise InvalidArgument(
            f"scores must have shape (..., num_methods, num_envs, num_seeds), got {scores.shape}"
        )
    result: FloatArray = stats.rankdata(-check_scores(scores), axis=-3)
    return result


def mean_rank(scores: FloatArray) -> FloatArray:
    """`ranks` averaged over the runs, shape (..., num_methods)."""
    return mean(ranks(scores))


def restricted_mean(times: FloatArray, recovered: BoolArray, horizon: int) -> FloatArray:
    """Mean recovery time within the first `horizon` epochs after the shock.

    The sum over k = 0..horizon - 1 of S(k), the share of runs that take longer than k, by
    the estimator of Kaplan and Meier (1958) within each env, averaged over the envs. If
    every run is followed for `horizon` epochs, this is the mean of min(time, horizon).

    Args:
        times: Epochs to recovery, whole numbers >= 0, shape (..., num_envs, num_seeds). A
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
    if (check_scores(times) < 0).any() or (times != np.floor(times)).any():
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


def check_scores(scores: FloatArray) -> FloatArray:
    """Returns scores that hold a finite number for each run.

    Raises:
        InvalidArgument: If they are not finite, or not of shape (..., num_envs, num_seeds).
    """
    if scores.ndim < 2 or not scores.size:
        raise InvalidArgument(
            f"scores must have shape (..., num_envs, num_seeds) and hold a run, got {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise InvalidArgument("scores must be finite, got NaN or infinity: pad runs that diverged")
    return scores


def check_spread(scores: FloatArray) -> FloatArray:
    """Returns scores from which a spread over seeds can be told.

    Raises:
        InvalidArgument: If there is one seed for each env.
    """
    if check_scores(scores).shape[-1] < 2:
        raise InvalidArgument("scores must have at least two seeds for each env, got one")
    return scores
