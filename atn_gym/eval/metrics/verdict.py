"""Verdicts between two methods, which stay valid when one looks after every batch of seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument, check_number, check_positive_integer
from atn_gym.eval.metrics.bootstrap import Estimate
from atn_gym.eval.metrics.formatting import number
from atn_gym.eval.metrics.strata import has_spread, seed_groups

FEWEST_SEEDS = 20
"""Seeds below which there is no verdict: the sequence is asymptotic."""


class Verdict(StrEnum):
    """What can be said of a method against another."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Comparison:
    """A policy against another, on the same envs and seeds.

    Args:
        first: Name of the policy.
        second: Name of the other.
        verdict: "better", "worse", "equivalent" or "undecided".
        difference: Mean of first minus second, with an interval that holds for all numbers of
            seeds at once.
        num_seeds: Number of seeds.
    """

    first: str
    second: str
    verdict: Verdict
    difference: Estimate
    num_seeds: int

    def __str__(self) -> str:
        """One sentence."""
        value, low, high = (number(float(v)) for v in self.difference)
        said = {
            Verdict.BETTER: f"{self.first} is better than {self.second}",
            Verdict.WORSE: f"{self.first} is worse than {self.second}",
            Verdict.EQUIVALENT: f"{self.first} and {self.second} are equivalent",
            Verdict.UNDECIDED: f"{self.first} against {self.second} is undecided",
        }
        return f"{said[self.verdict]}: {value} [{low}, {high}], {self.num_seeds} seeds"


def compare_scores(
    first: str,
    second: str,
    scores: FloatArray,
    other: FloatArray,
    *,
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Comparison:
    """Compares two policies by their scores.

    Args:
        first: Name of the policy.
        second: Name of the other.
        scores: Of the first, shape (num_strata, num_seeds); more is better.
        other: Of the second, in the same strata with the same seeds.
        margin: Largest difference that does not matter, > 0.
        confidence: Of the verdict, in (0, 1).

    Returns:
        The comparison. Below 20 seeds its verdict is "undecided".

    Raises:
        InvalidArgument: As `confidence_sequence`.
    """
    difference = confidence_sequence(scores, other, confidence=confidence)
    decided = verdict(difference, margin)
    enough = scores.shape[1] >= FEWEST_SEEDS
    return Comparison(
        first, second, decided if enough else Verdict.UNDECIDED, difference, scores.shape[1]
    )


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
