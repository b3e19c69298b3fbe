"""Plots of curves, drawn by matplotlib: a panel or a row for each controller.

Many controllers in one panel cannot be distinguished. The controller that does nothing is drawn in
grey behind each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from atn_gym.arrays import FloatArray
from atn_gym.eval.report.drawing import (
    BASELINE,
    BEGINNINGS,
    LINE,
    REFERENCE,
    SHOCK,
    WIDTH,
    gid_of,
    grid,
    limits,
    name,
    shorten,
    styled,
    tick,
)


@dataclass(frozen=True, eq=False)
class Curve:
    """A line, perhaps with a band around it; NaN where there is nothing.

    Args:
        x: Shape (n,).
        middle: Shape (n,).
        low: Lower edge of the band, shape (n,), or None.
        high: Upper edge, likewise.
    """

    x: FloatArray
    middle: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """Curves of one controller, for each quantity that is plotted one for each beginning."""

    label: str
    curves: tuple[tuple[Curve, ...], ...]
    is_reference: bool = False


@styled
def small_multiples(
    entries: Sequence[Entry],
    baseline: Entry | None,
    x: tuple[str, float, float],
    y: tuple[str, float, float],
) -> Figure:
    """A panel for each controller, with one curve.

    Args:
        entries: The controllers.
        baseline: What is drawn in grey in all panels.
        x: Label and limits of the horizontal axes.
        y: Of the vertical axes.
    """
    rows, columns = min((math.ceil(len(entries) / columns), columns) for columns in (4, 5, 6))
    columns = min(columns, len(entries))
    width = min(WIDTH, 0.6 + 1.7 * columns)
    figure, axes = grid(rows, columns, width, 0.95 * rows, ["x" * 8], above=0.2, gap=(0.12, 0.42))
    for i, axis in enumerate(axes.flat):
        if i >= len(entries):
            axis.remove()
            continue
        entry = entries[i]
        axis.set_gid(gid_of(entry.label))
        axis.set_title(shorten(entry.label, 120 // columns), pad=2, fontsize=6.5)
        axis.set_xlim(x[1], x[2])
        axis.set_ylim(y[1], y[2] + 0.03 * (y[2] - y[1]))
        axis.xaxis.set_major_locator(MaxNLocator(3))
        axis.yaxis.set_major_locator(MaxNLocator(3))
        if i % columns:
            axis.yaxis.set_major_formatter(NullFormatter())
        for drawn, colours in _drawn(entry, baseline):
            for curve, colour in zip(drawn.curves[0], colours, strict=False):
                _curve(axis, curve, colour, lambda values: values)
    figure.supxlabel(x[0], fontsize=7.5, y=0.06 / figure.get_figheight(), va="bottom")
    figure.supylabel(y[0], fontsize=7.5, x=0.005)
    return figure


@styled
def strips(
    entries: Sequence[Entry],
    baseline: Entry | None,
    x: tuple[str, float, float],
    quantities: Sequence[str],
    mark: float | None,
) -> Figure:
    """A row for each controller, a column for each quantity, on logarithmic scales.

    All rows of a column lie in one set of axes, one above the other: hundreds of axes would take
    minutes to draw.

    Args:
        entries: The controllers.
        baseline: What is drawn in grey in all rows.
        x: Label and limits of the horizontal axes.
        quantities: The columns.
        mark: Where on x the shock is marked, if it is.
    """
    labels = [entry.label for entry in entries]
    figure, axes = grid(
        1, len(quantities), WIDTH, 0.44 * len(entries), labels, above=0.2, gap=(0.42, 0)
    )
    for c, (axis, quantity) in enumerate(zip(axes[0], quantities, strict=True)):
        low, high = _log_limits([entry.curves[c] for entry in (*entries, baseline or entries[0])])
        _rows_of(axis, len(entries), low, high)
        axis.set_title(quantity)
        axis.set_xlabel(x[0])
        axis.set_xlim(x[1], x[2])
        axis.xaxis.set_major_locator(MaxNLocator(4))
        if mark is not None:
            axis.axvline(mark, color=SHOCK, linewidth=0.9, linestyle=(0, (3, 2)))
        for row, entry in enumerate(entries):
            for drawn, colours in _drawn(entry, baseline):
                for curve, colour in zip(drawn.curves[c], colours, strict=False):
                    place = _Row(row, math.log(low), math.log(high / low))
                    _curve(axis, curve, colour, place, gid_of(entry.label))
    for row, entry in enumerate(entries):
        name(axes[0][0], entry.label, -0.3, row + 0.45, entry.is_reference)
    return figure


@dataclass(frozen=True)
class _Row:
    """Where values of a logarithmic scale lie in a row; y runs down, a unit a row."""

    row: float
    low: float
    span: float

    def __call__(self, values: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (np.log(values) - self.low) / self.span
        return np.asarray(self.row + 0.9 * (1 - np.clip(share, 0, 1)))


def _rows_of(axis: Axes, rows: int, low: float, high: float) -> None:
    """Rows with the same logarithmic scale, whose ticks each of them has."""
    ticks = np.asarray(LogLocator(numticks=3).tick_values(low, high))
    if ((ticks >= low) & (ticks <= high)).sum() < 2:
        ticks = np.asarray(MaxNLocator(2).tick_values(low, high))
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    row = _Row(0, math.log(low), math.log(high / low))
    places = [r + row(ticks) for r in range(rows)]
    axis.set_yticks(np.concatenate(places), [tick(t) for t in ticks] * rows, fontsize=5.5)
    axis.set_ylim(rows - 0.05, -0.05)
    axis.hlines(np.arange(rows) + 0.95, 0, 1, LINE, lw=0.5, transform=axis.get_yaxis_transform())


def _drawn(entry: Entry, baseline: Entry | None) -> list[tuple[Entry, Sequence[str]]]:
    """What is drawn in a panel, with the colour of each beginning."""
    colours = (REFERENCE, *BEGINNINGS[1:]) if entry.is_reference else BEGINNINGS
    behind = [] if baseline in (None, entry) else [(baseline, (BASELINE,) * len(BEGINNINGS))]
    return [*behind, (entry, colours)]


def _curve(
    axis: Axes, curve: Curve, colour: str, place: Callable[[Any], Any], gid: str | None = None
) -> None:
    # All limits hold the curves: a page is smaller without a clip for each.
    drawn: dict[str, Any] = {"gid": gid, "clip_on": False}
    if curve.low is not None and curve.high is not None:
        low, high = place(curve.low), place(curve.high)
        axis.fill_between(curve.x, low, high, color=colour, alpha=0.22, lw=0, **drawn)
    axis.plot(curve.x, place(curve.middle), color=colour, **drawn)


def _log_limits(curves: Sequence[Sequence[Curve]]) -> tuple[float, float]:
    """Limits of a logarithmic axis that hold all curves with their bands."""
    drawn = [curve for of_one in curves for curve in of_one]
    parts = [part for c in drawn for part in (c.low, c.middle, c.high) if part is not None]
    known = np.concatenate(parts)
    known = known[np.isfinite(known) & (known > 0)]
    return limits(known, True) if known.size else (0.1, 1.0)
