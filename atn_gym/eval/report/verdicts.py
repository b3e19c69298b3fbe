"""A verdict between two controllers of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.eval.metrics.strata import has_spread, stratify
from atn_gym.eval.metrics.verdict import Comparison, compare_scores
from atn_gym.eval.report.index import ResultIndex
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.names import label_of
from atn_gym.eval.storage.selection import Selection, select

METRICS = (
    "anytime_performance",
    "compute_adjusted_performance",
    "final_val_accuracy",
    "test_accuracy",
)
"""Metrics of which more is better, and which every run has."""


def compare_stored(
    results: Path,
    first: str,
    second: str,
    *,
    envs: Sequence[str] = (),
    seeds: Sequence[int] = (),
    **how: Any,
) -> Comparison:
    """Compares two controllers by stored runs, paired by env and seed.

    Args:
        results: Folder of the experiment.
        first: Label or name of a controller.
        second: Of the other.
        envs: Only these envs; all if empty.
        seeds: Only these seeds; all if empty.
        **how: Further arguments of `compare_indexed`: metric, margin, confidence.

    Raises:
        StoreError: If there is no experiment.
        InvalidArgument: As `compare_indexed`, or if a name stands for none or for several.
    """
    stored = select(read_experiment(results), Selection(envs=envs, seeds=seeds))
    index = ResultIndex(stored.runs, stored.labels, stored.failures)
    one, other = (label_of("controller", name, index.controllers) for name in (first, second))
    return compare_indexed(index, one, other, **how)


def compare_indexed(
    index: ResultIndex,
    one: str,
    other: str,
    *,
    metric: str = "anytime_performance",
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Comparison:
    """Compares two controllers of an index of results.

    Args:
        index: The results.
        one: Label of a controller.
        other: Of another.
        metric: One of `METRICS`.
        margin: Largest difference that does not matter, > 0.
        confidence: Of the verdict, in (0, 1).

    Returns:
        The comparison over all envs, each stratum counting the same. It is of the largest set
        of runs that has both controllers on every env with every seed.

    Raises:
        InvalidArgument: If an argument breaks its requirement, or the two have fewer than two
            seeds of a set of initial values in common.
    """
    if metric not in METRICS:
        raise unknown_name("metric of which more is better", metric, METRICS)
    if one == other:
        raise InvalidArgument(f"a comparison must name two controllers, got {one!r} twice")
    block = index.block([one, other])
    if len(block.controllers) < 2:
        raise InvalidArgument(f"{one} and {other} have no env and seed in common")
    values = block.values(metric)
    if not np.isfinite(values).all():
        raise InvalidArgument(f"metric {metric!r} is undefined in some runs: choose another one")
    scores = stratify(values, block.beginnings())
    if not has_spread(scores):
        raise InvalidArgument(
            f"{one} and {other} have too few seeds in common: a comparison needs two for each set "
            "of initial values"
        )
    return compare_scores(one, other, *scores, margin=margin, confidence=confidence)
