"""What methods cost to make, shared by the runs that they control."""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.report.block_statistics import BlockStatistics

DEPLOYMENTS = tuple(10.0**k for k in range(7))
"""Numbers of runs that a method may be made for."""


def making_runs(statistics: BlockStatistics) -> FloatArray:
    """What each controller cost to make, in whole runs, shape (controllers,); NaN if unknown."""
    found: FloatArray = statistics.block.values("making_runs").mean(axis=(-2, -1))
    return found


def own_and_shared_cost(
    statistics: BlockStatistics, *, keep_found: bool = False
) -> tuple[FloatArray, FloatArray]:
    """What each run costs, and what all runs of a controller share, in whole runs, (controllers,).

    Args:
        statistics: Of a block of runs.
        keep_found: Whether what a search before the run finds is kept for all runs, which then
            share its cost. Only for methods whose charges are for a search.
    """
    own, shared = statistics.relative_cost(), making_runs(statistics)
    return (np.ones_like(own), shared + own - 1) if keep_found else (own, shared)


def cost_of_a_run(
    statistics: BlockStatistics, deployments: float, *, keep_found: bool = False
) -> FloatArray:
    """What is charged in a run and its share of the making, in whole runs, (controllers,).

    Args:
        statistics: Of a block of runs.
        deployments: Number of runs that share the making.
        keep_found: As in `own_and_shared_cost`.
    """
    own, shared = own_and_shared_cost(statistics, keep_found=keep_found)
    return own + shared / deployments


def break_even(statistics: BlockStatistics, *, keep_found: bool = False) -> FloatArray:
    """From how many runs on making a contender pays, shape (controllers,).

    With J the anytime performance, c what is charged in a run and M what the making cost, both in
    whole runs, (J + 1) / 2 / (c + M / N) is the compute-adjusted performance of a method that
    is made for N runs. It pays from the least N at which that is as much as the best contender
    has that cost nothing to make.

    Args:
        statistics: Of a block of runs.
        keep_found: As in `own_and_shared_cost`; a search then counts as what is made.

    Returns:
        N, at least 1. Infinite if it never pays. NaN for what cost nothing to make or is
        unknown, for references, and if there is no contender to compare with.
    """
    cost, made = own_and_shared_cost(statistics, keep_found=keep_found)
    worth = (statistics.anytime.value + 1) / 2
    free = ~statistics.is_reference & (made == 0)
    if not free.any():
        return np.full(len(made), np.nan)
    saved = worth / (worth / cost)[free].max() - cost
    counts = np.where(saved > 0, np.maximum(made / np.where(saved > 0, saved, 1), 1), np.inf)
    return np.where(~statistics.is_reference & (made > 0), np.ceil(counts.round(6)), np.nan)
