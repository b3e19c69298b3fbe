"""Bootstrap intervals of statistics over seeds and envs.

Shapes are those of `atn_gym.eval.metrics.aggregate`. The envs are fixed and the seeds are the
sample, so that seeds are resampled within each env.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from atn_gym.errors import InvalidArgument, check_positive_integer
from atn_gym.eval.metrics.aggregate import check_scores, check_spread, mean

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]
"""Maps (..., num_envs, num_seeds) to (...), or with axes of its own at the end."""


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
    paired: bool = True,
    joint_envs: bool = False,
) -> Estimate:
    """Stratified percentile bootstrap of any statistic.

    Seeds are drawn with replacement within each env, as many as there are. The interval
    lies between the quantiles (1 - confidence) / 2 and (1 + confidence) / 2 of the
    statistic over the resamples (Agarwal et al., NeurIPS 2021). With few seeds it is too
    narrow: the variance of a mean comes out (num_seeds - 1) / num_seeds of what it is.

    Args:
        scores: Shape (*methods, num_envs, num_seeds), at least two seeds; `methods` is any
            number of axes, none for one method.
        statistic: One of `atn_gym.eval.metrics.aggregate` or a function like them: called
            with shape (num_resamples, *methods, num_envs, num_seeds), it keeps the first axis.
        rng: Generator of the draws.
        num_resamples: Number of resamples, >= 1.
        confidence: Nominal coverage, in (0, 1).
        paired: Whether all methods get the same draws, as runs with common random numbers
            must when they are compared; if not, each method gets its own.
        joint_envs: Whether all envs get the same draws, which the interval of a mean over
            envs needs where a seed is good or bad in several at once, such as envs of one
            task that begin with the same weights; if not, each env gets its own.

    Returns:
        The statistic of the scores, and its interval.

    Raises:
        InvalidArgument: If an argument breaks its requirement. An interval from one seed
            would have no width.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> methods = rng.normal([[[1.0]], [[0.0]]], 1.0, size=(2, 3, 10))
        >>> estimate = bootstrap(
        ...     methods, lambda m: probability_of_improvement(m[..., 0, :, :], m[..., 1, :, :]), rng
        ... )
    """
    check_spread(scores)
    check_positive_integer("num_resamples", num_resamples)
    if not 0 < confidence < 1:
        raise InvalidArgument(f"confidence must be in (0, 1), got {confidence!r}")
    *methods, num_envs, num_seeds = scores.shape
    drawn_for = [1] * len(methods) if paired else methods
    drawn_for = [*drawn_for, 1 if joint_envs else num_envs]
    seeds = rng.integers(num_seeds, size=(num_resamples, *drawn_for, num_seeds))
    values = statistic(np.take_along_axis(scores[None], seeds, axis=-1))
    if np.shape(values)[:1] != (num_resamples,):
        raise InvalidArgument(
            "statistic must map (num_resamples, ..., num_envs, num_seeds) to "
            f"({num_resamples}, ...), got {np.shape(values)}: reduce the last two axes alone"
        )
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return Estimate(statistic(scores), low, high)


def paired_difference(
    scores: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    joint_envs: bool = False,
) -> Estimate:
    """Mean over all runs of the difference between two methods on the same env and seed.

    What a seed does to both methods cancels, which makes the interval narrower than that
    of independent runs.

    Args:
        scores: Shape (num_envs, num_seeds), at least two seeds.
        other: Of the other method, same envs and seeds, same shape.
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`.
        joint_envs: As in `bootstrap`.

    Returns:
        Mean of `scores - other` in their unit, with its interval.
    """
    if scores.shape != other.shape:
        raise InvalidArgument(
            f"other must have the envs and seeds of scores {scores.shape}, got shape {other.shape}"
        )
    return bootstrap(
        scores - other,
        mean,
        rng,
        num_resamples=num_resamples,
        confidence=confidence,
        joint_envs=joint_envs,
    )


def improvement(
    scores: FloatArray,
    other: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Estimate:
    """`probability_of_improvement` with its interval; all methods and envs get the same draws.

    Which of two runs is better does not change when seeds are drawn anew. So the draws
    weigh the pairs, n_i n_j for the seeds i and j drawn n_i and n_j times, which takes far
    less than to compare the runs of every resample.

    Args:
        scores: Shape (*methods, num_envs, num_seeds), at least two seeds, higher is better.
        other: Of the other method, same envs and seeds, shape (num_envs, num_seeds).
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`.

    Returns:
        Probabilities in [0, 1], each of shape (*methods,).
    """
    if scores.shape[-2:] != other.shape:
        raise InvalidArgument(
            f"other must have the envs and seeds of scores {scores.shape}, got shape {other.shape}"
        )
    wins = np.sign(check_scores(scores)[..., :, None] - check_scores(other)[:, None, :])
    wins = wins.mean(axis=-3)
    seeds = np.arange(other.shape[-1], dtype=np.float64)

    def share(drawn: FloatArray) -> FloatArray:
        weights = (drawn[..., 0, :, None] == seeds).mean(axis=-2)
        flat = weights.reshape(-1, len(seeds))
        won = np.einsum("...ij,ri,rj->r...", wins, flat, flat, optimize=True)
        result: FloatArray = (1 + won.reshape(*weights.shape[:-1], *wins.shape[:-2])) / 2
        return result

    return bootstrap(seeds[None], share, rng, num_resamples=num_resamples, confidence=confidence)


def performance_profile(
    scores: FloatArray,
    thresholds: FloatArray,
    rng: np.random.Generator,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    joint_envs: bool = False,
) -> Estimate:
    """Share of all runs with a score above each threshold (Agarwal et al., NeurIPS 2021).

    Args:
        scores: Shape (*methods, num_envs, num_seeds), at least two seeds, higher is better.
        thresholds: Shape (n,), in the unit of the scores.
        rng: Generator of the bootstrap's draws.
        num_resamples: As in `bootstrap`.
        confidence: As in `bootstrap`, for each threshold by itself.
        joint_envs: As in `bootstrap`.

    Returns:
        Shares in [0, 1] with their band, each of shape (*methods, n).
    """
    if thresholds.ndim != 1 or not thresholds.size:
        raise InvalidArgument(
            f"thresholds must have shape (n,) with n >= 1, got {thresholds.shape}"
        )

    def shares(runs: FloatArray) -> FloatArray:
        return np.stack([(runs > t).mean(axis=(-2, -1)) for t in thresholds], axis=-1)

    return bootstrap(
        scores,
        shares,
        rng,
        num_resamples=num_resamples,
        confidence=confidence,
        joint_envs=joint_envs,
    )
