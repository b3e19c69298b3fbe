"""Cells of a report: how values of many runs are brought into one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from atn_gym.eval.metrics.aggregate import mean_of_known
from atn_gym.eval.metrics.bootstrap import FEW_SEEDS, Estimate
from atn_gym.eval.metrics.formatting import NONE, count, number, seed_count
from atn_gym.eval.report.block_statistics import SEEDS_PER_DECILE, Standing
from atn_gym.eval.report.document import Cell, Row, estimate, row

FloatArray = NDArray[np.float64]

_PER_RUN = (-2, -1)


def decile_note(standing: Standing) -> str:
    """Says how many seeds the worst decile is about, and whether it has an interval."""
    seeds = len(standing.block.seeds)
    tenth = f"the worst tenth of the seeds, here {seeds / SEEDS_PER_DECILE:g} of {seeds}"
    if seeds <= SEEDS_PER_DECILE:
        tenth = f"the worst seed of the {seeds}" if seeds > 1 else "the single seed"
    mean = "" if len(standing.block.envs) == 1 else "mean over envs of the "
    about = f"Worst decile is the {mean}anytime performance of {tenth}"
    if seeds >= 2 * SEEDS_PER_DECILE:
        return f"{about}."
    return f"{about}; an interval of it would take {2 * SEEDS_PER_DECILE} seeds."


def interval_note(standing: Standing) -> str:
    """Says what the intervals of a pooled table or figure are."""
    seeds = len(standing.block.seeds)
    if seeds == 1:
        return "Stratified means; a single seed has no interval."
    note = "Stratified means with 95 % bootstrap intervals over seeds"
    return (
        f"{note}, which may be too narrow with {seeds} seeds." if seeds < FEW_SEEDS else f"{note}."
    )


def extent(standing: Standing) -> str:
    """How many envs and seeds a table is about."""
    block = standing.block
    return f"{count(len(block.envs), 'env')}, {seed_count(len(block.seeds))}"


def rows(standing: Standing, cells: Callable[[int], tuple[Cell | str, ...]]) -> tuple[Row, ...]:
    """A row for each controller, in their order, with the cells made for its index."""
    return tuple(
        row(
            standing.block.controllers[c],
            *cells(c),
            is_reference=bool(standing.is_reference[c]),
        )
        for c in standing.order
    )


def interval(found: Estimate, c: int | tuple[()] = (), digits: int = 3) -> Cell:
    """The entry of a controller of an estimate, or a single estimate, with its interval."""
    return estimate(float(found.value[c]), float(found.low[c]), float(found.high[c]), digits)


def means(values: FloatArray) -> FloatArray:
    """Mean over all runs of each controller of what is known."""
    return mean_of_known(values, _PER_RUN)


def spread(values: FloatArray, digits: int = 3) -> Cell:
    """Mean and standard deviation of what is known."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Cell(NONE)
    detail = f"± {number(float(known.std(ddof=1)), digits)}" if known.size > 1 else ""
    return Cell(number(float(known.mean()), digits), detail)


def total(values: FloatArray) -> str:
    """How many runs of those of which it is known."""
    known = values[np.isfinite(values)]
    return f"{int(known.sum())} / {known.size}" if known.size else NONE
