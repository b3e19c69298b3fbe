"""Normalised scores of several envs: 0 is doing nothing, 1 the one-epoch lookahead.

An env in which the oracle is not better than the fixed controller has no such score, see
`atn_gym.eval.metrics.run_metrics.normalised_score`, and is left out of what is over envs.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.metrics.run_metrics import normalised_score

FloatArray = NDArray[np.float64]


def normalised_by_env(values: FloatArray, fixed: int, oracle: int) -> FloatArray:
    """Normalised score of each method on each env.

    Args:
        values: Anytime performance, shape (num_methods, num_envs, num_seeds).
        fixed: Index of the fixed controller among the methods.
        oracle: Index of the oracle.

    Returns:
        Shape (num_methods, num_envs), NaN in an env that has none.
    """
    scores = np.full(values.shape[:2], np.nan)
    for c, e in np.ndindex(scores.shape):
        score = normalised_score(values[c, e], values[fixed, e], values[oracle, e])
        scores[c, e] = np.nan if score is None else score.mean()
    return scores


def normalised_over_envs(values: FloatArray, fixed: int, oracle: int) -> FloatArray:
    """Interquartile mean over the envs of the scores that `normalised_by_env` tells.

    It is fast enough to be told of thousands of resamples, each with means of its own of
    the fixed controller and the oracle, and with its own envs that have no score.

    Args:
        values: As in `normalised_by_env`, shape (..., num_methods, num_envs, num_seeds).
        fixed: As there.
        oracle: As there.

    Returns:
        Shape (..., num_methods), NaN if no env has a score.
    """
    means = values.mean(axis=-1)
    nothing, best = means[..., fixed, None, :], means[..., oracle, None, :]
    headroom = np.where(best > nothing, best - nothing, np.nan)
    scores = np.sort((means - nothing) / headroom, axis=-1)
    known = np.isfinite(scores).sum(axis=-1, keepdims=True)
    place = np.arange(scores.shape[-1])
    middle = (place >= known // 4) & (place < known - known // 4)
    return mean_of_known(np.where(middle, scores, np.nan), -1)


def mean_of_known(values: FloatArray, axis: int | tuple[int, ...] | None = None) -> FloatArray:
    """Mean of what is not NaN; NaN where nothing is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=axis))
