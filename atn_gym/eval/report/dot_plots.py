"""Dot plots, drawn by matplotlib: a row for each controller, a panel for each quantity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.formatting import number
from atn_gym.eval.report.drawing import (
    CONTENDER,
    LINE,
    REFERENCE,
    SHOCK,
    gid_of,
    grid,
    limits,
    name,
    scale,
    styled,
)

_MOST_STRETCHED = 0.5
"""Share of the width of the contenders by which a reference may widen an axis."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """A number of every controller, a panel of `dots`.

    Args:
        label: Name with unit.
        value: Shape (controllers,); NaN where there is none.
        low: Lower ends of intervals, same shape, or None.
        high: Upper ends, likewise.
        further: More values, shape (controllers, k), NaN where there are none, or None.
        is_log: Whether its axis is logarithmic.
        ringed: Indices of controllers that are marked.
    """

    label: str
    value: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    further: FloatArray | None = None
    is_log: bool = False
    ringed: frozenset[int] = frozenset()

    def limits(self, is_reference: NDArray[np.bool_]) -> tuple[float, float]:
        """Limits that hold the contenders; a reference far beyond is marked at the edge."""
        parts = [p for p in (self.value, self.low, self.high, self.further) if p is not None]
        known = np.concatenate([p[~is_reference].ravel() for p in parts])
        known, others = (v[np.isfinite(v)] for v in (known, self.value[is_reference]))
        if not known.size:
            return limits(others, self.is_log)
        scaled: Callable[[FloatArray], FloatArray] = np.log if self.is_log else np.asarray
        ends = scaled(np.array([known.min(), known.max()]))
        beyond = np.abs(scaled(others) - ends.mean()) - np.ptp(ends) / 2
        near = others[beyond <= _MOST_STRETCHED * np.ptp(ends)]
        return limits(np.append(known, near), self.is_log)


@styled
def dots(
    labels: Sequence[str],
    is_reference: NDArray[np.bool_],
    quantities: Sequence[Quantity],
    width: float,
) -> Figure:
    """Values with their intervals: a row for each controller, a panel for each quantity.

    Args:
        labels: The controllers, from the top.
        is_reference: Shape (controllers,).
        quantities: The panels.
        width: Of the figure, in inches.
    """
    figure, axes = grid(1, len(quantities), width, 0.165 * len(labels), labels, gap=(0.3, 0))
    for axis, quantity in zip(axes[0], quantities, strict=True):
        axis.set_ylim(len(labels) - 0.5, -0.5)
        axis.set_yticks([])
        axis.set_xlabel(quantity.label)
        low, high = quantity.limits(is_reference)
        scale(axis.xaxis, low, high, quantity.is_log, 4)
        axis.grid(axis="x")
        axis.hlines(np.arange(len(labels)), low, high, colors=LINE, linewidth=0.3)
        for row, label in enumerate(labels):
            _dot(axis, quantity, row, bool(is_reference[row]), label)
    for row, label in enumerate(labels):
        name(axes[0][0], label, -0.03, row, bool(is_reference[row]))
    return figure


def _dot(axis: Axes, quantity: Quantity, row: int, is_reference: bool, label: str) -> None:
    gid, colour = gid_of(label), REFERENCE if is_reference else CONTENDER
    low, high = axis.get_xlim()
    value = float(quantity.value[row])
    if not math.isfinite(value):
        return
    if not low <= value <= high:
        mark, at, inward, side = ("<", low, 5, "left") if value < low else (">", high, -5, "right")
        axis.plot(at, row, mark, color=colour, ms=4, clip_on=False, zorder=3, gid=gid)
        axis.annotate(
            number(value),
            (at, row),
            (inward, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=6,
            color=colour,
            gid=gid,
        )
        return
    if quantity.low is not None and quantity.high is not None:
        ends = quantity.low[row], quantity.high[row]
        axis.plot(ends, [row, row], color=colour, linewidth=1.4, gid=gid)
    if quantity.further is not None and np.isfinite(quantity.further[row]).any():
        further = quantity.further[row]
        axis.plot([value, *further], [row] * (1 + len(further)), color=colour, lw=0.8, gid=gid)
        axis.plot(further, [row] * len(further), "|", color=colour, ms=4, gid=gid)
    edge = SHOCK if row in quantity.ringed else colour
    axis.plot(value, row, "o", color=colour, ms=3.6, mec=edge, mew=1.3, zorder=3, gid=gid)
