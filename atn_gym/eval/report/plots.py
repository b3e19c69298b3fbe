"""The kinds of plots that a report has, drawn by matplotlib.

Many controllers in one panel cannot be distinguished. So each has a row or a panel of its own, in
which the controller that does nothing is drawn in grey.
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
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.formatting import number
from atn_gym.eval.report.drawing import (
    BASELINE,
    BEGINNINGS,
    CONTENDER,
    LINE,
    REFERENCE,
    SHOCK,
    WIDTH,
    gid_of,
    grid,
    limits,
    name,
    scale,
    shorten,
    styled,
    tick,
)

_MOST_STRETCHED = 0.5
"""Share of the width of the contenders by which a reference may widen an axis."""


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
    rows = np.arange(len(labels), dtype=np.float64)
    figure, axes = grid(1, len(quantities), width, 0.165 * len(labels), labels, gap=(0.3, 0))
    for axis, quantity in zip(axes[0], quantities, strict=True):
        axis.set_ylim(len(labels) - 0.5, -0.5)
        axis.set_yticks([])
        axis.set_xlabel(quantity.label)
        low, high = quantity.limits(is_reference)
        scale(axis.xaxis, low, high, quantity.is_log, 4)
        axis.grid(axis="x")
        axis.hlines(rows, low, high, colors=LINE, linewidth=0.3)
        for row, label in zip(rows, labels, strict=True):
            _dot(axis, quantity, int(row), bool(is_reference[int(row)]), label)
    for row, label in zip(rows, labels, strict=True):
        name(axes[0][0], label, -0.03, row, bool(is_reference[int(row)]))
    return figure


def _dot(axis: Axes, quantity: Quantity, row: int, is_reference: bool, label: str) -> None:
    gid, colour = gid_of(label), REFERENCE if is_reference else CONTENDER
    low, high = axis.get_xlim()
    value = float(quantity.value[row])
    if not math.isfinite(value):
        return
    if not low <= value <= high:
        is_below = value < low
        at = low if is_below else high
        axis.plot(
            at, row, "<" if is_below else ">", color=colour, ms=4, clip_on=False, zorder=3, gid=gid
        )
        axis.annotate(
            number(value),
            (at, row),
            (5 if is_below else -5, 0),
            textcoords="offset points",
            ha="left" if is_below else "right",
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
