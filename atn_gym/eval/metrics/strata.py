"""Strata: an env with a beginning is a population of its own.

A task may have several sets of initial hyperparameters, one for each residue of the seed, as
PoorInit has a low and a high one. Runs from a low learning rate and from a high one differ by
far more than seeds do. Pooled, that difference would count as noise.

Scores of one method have shape (num_strata, num_seeds), one finite number for each run.
Column j holds the same seed in every stratum and for every method (common random numbers).
NaN marks a seed that a stratum does not have; it is the same for all methods. Axes before
these two are kept: a stack of methods, of resamples, or of both.
"""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import BoolArray, FloatArray, IntArray
from atn_gym.errors import InvalidArgument


def strata_of(beginnings: IntArray) -> list[tuple[int, int]]:
    """Lists the strata of some runs.

    Args:
        beginnings: Beginning of the run of each env and seed, shape (num_envs, num_seeds).

    Returns:
        Index of the env and beginning of each stratum, in the order of `stratify`.
    """
    return [(env, int(of)) for env, row in enumerate(beginnings) for of in np.unique(row)]


def stratify(scores: FloatArray, beginnings: IntArray) -> FloatArray:
    """Splits envs into strata.

    Args:
        scores: A finite number for each run, shape (..., num_envs, num_seeds).
        beginnings: Beginning of each run, shape (num_envs, num_seeds), the same for all
            methods.

    Returns:
        Shape (..., num_strata, num_seeds), NaN for the seeds of other beginnings. A stack of
        envs with one beginning each comes back as it is.

    Raises:
        InvalidArgument: If scores are not finite, or shapes do not match.
    """
    if scores.shape[-2:] != beginnings.shape:
        raise InvalidArgument(
            f"beginnings must have the envs and seeds of scores {scores.shape}, "
            f"got shape {beginnings.shape}"
        )
    if not np.isfinite(scores).all():
        raise InvalidArgument("scores must be finite, got NaN or infinity: pad runs that diverged")
    rows = [
        np.where(beginnings[env] == beginning, scores[..., env, :], np.nan)
        for env, beginning in strata_of(beginnings)
    ]
    return np.stack(rows, axis=-2)


def check_scores(scores: FloatArray) -> FloatArray:
    """Returns scores that hold a finite number for each run.

    Raises:
        InvalidArgument: If they are not of shape (..., num_strata, num_seeds), infinite, or
            NaN for one method and not for another, or a stratum has no run.
    """
    if scores.ndim < 2 or not scores.size:
        raise InvalidArgument(
            "scores must have shape (..., num_strata, num_seeds) and hold a run, "
            f"got {scores.shape}"
        )
    absent = np.isnan(scores)
    if (
        np.isinf(scores).any()
        or (absent != _of_first_method(absent)).any()
        or absent.all(axis=-1).any()
    ):
        raise InvalidArgument(
            "scores must be finite, got infinity, or NaN that is not the same for all methods or "
            "fills a stratum: pad runs that diverged"
        )
    return scores


def seed_groups(scores: FloatArray) -> list[IntArray]:
    """Groups the seeds that lie in the same strata: the samples that a bootstrap draws from.

    Args:
        scores: Shape (..., num_strata, num_seeds).

    Returns:
        Columns of each group.
    """
    present = ~_of_first_method(np.isnan(check_scores(scores)))
    _, group = np.unique(present, axis=1, return_inverse=True)
    return [np.flatnonzero(group.ravel() == g) for g in range(group.max() + 1)]


def has_spread(scores: FloatArray) -> bool:
    """Whether every group of seeds has two or more: the spread of a single seed is unknown."""
    return min(map(len, seed_groups(scores))) > 1


def _of_first_method(absent: BoolArray) -> BoolArray:
    """The two last axes, of the first of any before them."""
    first: BoolArray = absent.reshape(-1, *absent.shape[-2:])[0]
    return first
