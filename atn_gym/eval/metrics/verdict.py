"""Verdicts between two methods, which stay valid when one looks after every batch of seeds."""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument, check_number, check_positive_integer
from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.strata import has_spread, seed_groups

FEWEST_SEEDS = 20
"""Seeds below which there is no verdict: the sequence is asymptotic."""


class Verdict(StrEnum):
    """What can be said of a method against another."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


def confidence_sequence(
    scores: FloatArray,
    other: FloatArray,
    *,
    confidence: float = 0.95,
    tightest_at: int = 100,
) -> Estimate:
    """Mean paired difference with an interval that holds for all numbers of seeds at once.

    With y_s the share of seed s in the stratified mean of the differences, V the sum over
    groups of seeds of n_g · var(y), n seeds and a = 1 - confidence, the interval is

        mean ± sqrt(V · 2 (n r^2 + 1) / (n r^2) · ln(sqrt(n r^2 + 1) / a)),

    where r^2 = (-2 ln a + ln(1 - 2 ln a)) / `tightest_at`: the asymptotic confidence sequence
    of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52, 2024. Like any method that
    estimates its variance, it cannot know of a collapse that no seed has met yet.

    Args:
        scores: Shape (num_strata, num_seeds), see `atn_gym.eval.metrics.strata`.
        other: Of the other method in the same strata with the same seeds, same shape.
        confidence: Coverage, in (0, 1).
        tightest_at: Number of seeds at which the interval is tightest, >= 1; to be chosen
            before one looks.

    Returns:
        Mean of `scores - other`, with its interval.

    Raises:
        InvalidArgument: If an argument breaks its requirement, or a group of seeds has only
            one.
    """
    if scores.ndim != 2 or scores.shape != other.shape:
        raise InvalidArgument(
            "scores and other must have the same shape (num_strata, num_seeds), "
            f"got {scores.shape} and {other.shape}"
        )
    check_number("confidence", confidence, 0, 1)
    if not 0 < confidence < 1:
        raise InvalidArgument(f"confidence must be in (0, 1), got {confidence!r}")
    check_positive_integer("tightest_at", tightest_at)
    differences = scores - other
    if not has_spread(differences):
        raise InvalidArgument("an interval needs at least two seeds of each beginning, got one")
    seeds_of_stratum = np.isfinite(differences).sum(axis=1, keepdims=True)
    shares = np.nansum(differences / seeds_of_stratum, axis=0) / len(differences)
    groups = seed_groups(differences)
    variance = sum(len(group) * shares[group].var(ddof=1) for group in groups)
    num_seeds = sum(map(len, groups))
    log_alpha = math.log(1 - confidence)
    rate = num_seeds * (-2 * log_alpha + math.log(1 - 2 * log_alpha)) / tightest_at
    factor = 2 * (rate + 1) / rate * (math.log(rate + 1) / 2 - log_alpha)
    mean, half_width = shares.sum(), math.sqrt(variance * factor)
    return Estimate(mean, mean - half_width, mean + half_width)


def verdict(difference: Estimate, margin: float = 0.01) -> Verdict:
    """Says what an interval of a difference decides.

    Args:
        difference: From `confidence_sequence`.
        margin: Largest difference that does not matter, > 0.

    Returns:
        "equivalent" if the interval lies within the margin on both sides of 0; else "better"
        or "worse" if it leaves 0 out; else "undecided".
    """
    if not margin > 0:
        raise InvalidArgument(f"margin must be a number > 0, got {margin!r}")
    if -margin <= difference.low and difference.high <= margin:
        return Verdict.EQUIVALENT
    if difference.low > 0:
        return Verdict.BETTER
    return Verdict.WORSE if difference.high < 0 else Verdict.UNDECIDED
