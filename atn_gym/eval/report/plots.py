"""The kinds of plots that a report has.

Many controllers in one panel cannot be distinguished. So each has a panel of its own, in which
the controller that does nothing is drawn in grey.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.report.svg import WIDTH, Axis, Canvas, Panel, shorten

_LABEL = 120.0
"""Width of the names of controllers at the left."""


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
    """Curves of one controller, one for each quantity that is plotted."""

    label: str
    curves: tuple[Curve, ...]
    is_reference: bool


@dataclass(frozen=True)
class Point:
    """A controller in a plane.

    `low` and `high` are an interval of y, or NaN; `more` are further values of x.
    """

    label: str
    x: float
    y: float
    is_reference: bool
    low: float = math.nan
    high: float = math.nan
    more: tuple[float, ...] = ()


def strips(
    entries: Sequence[Entry],
    baseline: Entry | None,
    x: Axis,
    quantities: Sequence[Axis],
    mark: float | None,
    description: str,
) -> str:
    """A row of panels for each controller, a column for each quantity.

    Args:
        entries: The controllers.
        baseline: What is drawn in grey in all rows.
        x: The horizontal axis of all panels.
        quantities: The vertical axes.
        mark: Where on x the shock is marked, if it is.
        description: What is seen.
    """
    row, top, gap = 52.0, 20.0, 42.0
    canvas = Canvas(top + row * len(entries) + 30)
    width = (WIDTH - _LABEL - 34 - gap * (len(quantities) - 1)) / len(quantities)
    for r, entry in enumerate(entries):
        canvas.text(0, top + (r + 0.4) * row, shorten(entry.label, 23))
        for c, quantity in enumerate(quantities):
            left = _LABEL + 26 + c * (width + gap)
            panel = Panel(canvas, left, top + r * row, width, row - 10, x, quantity)
            is_last = r == len(entries) - 1
            panel.frame(ticks=(4, 3), labels=(is_last, True))
            _draw(panel, entry, baseline, c, mark)
            if r == 0:
                canvas.text(left + width / 2, 8, quantity.label, "middle")
            if is_last:
                canvas.text(left + width / 2, top + row * len(entries) + 18, x.label, "middle")
    return canvas.finish(description)


def panels(
    entries: Sequence[Entry], baseline: Entry | None, x: Axis, y: Axis, description: str
) -> str:
    """A panel for each controller, with one curve."""
    rows, columns = min((math.ceil(len(entries) / columns), columns) for columns in (4, 5))
    left, row = 46.0, 118.0
    width = (WIDTH - left) / columns
    canvas = Canvas(row * rows + 14)
    for i, entry in enumerate(entries):
        r, c = divmod(i, columns)
        at = left + c * width
        panel = Panel(canvas, at, 18 + r * row, width - 16, row - 38, x, y)
        panel.frame(ticks=(5, 3), labels=(True, c == 0))
        _draw(panel, entry, baseline, 0, None)
        canvas.text(
            at + (width - 16) / 2, 9 + r * row, shorten(entry.label, int(width / 5.8)), "middle"
        )
    canvas.text(8, row * rows / 2, y.label, "middle", turned=True)
    middle = left + (min(columns, len(entries)) * width - 16) / 2
    canvas.text(middle, row * rows + 4, x.label, "middle")
    return canvas.finish(description)


def intervals(
    labels: Sequence[str], groups: Sequence[tuple[Axis, Sequence[Point | None]]], description: str
) -> str:
    """Values with their intervals: a row for each controller, a panel for each group.

    Args:
        labels: The controllers from the top.
        groups: The horizontal axis, and a point for each label or None; its `y` is the
            value, its `x` is not used.
        description: What is seen.
    """
    rows, row, left = len(labels), 17.0, 150.0
    canvas = Canvas(row * rows + 34)
    levels = [2 + (r + 0.5) * row for r in range(rows)]
    for label, level in zip(labels, levels, strict=True):
        canvas.text(0, level, shorten(label, 28))
    width = (WIDTH - left) / len(groups)
    for g, (axis, points) in enumerate(groups):
        rows_axis = Axis("", 0, rows)
        panel = Panel(canvas, left + g * width, 2, width - 22, row * rows, axis, rows_axis)
        panel.frame(ticks=(6, 0), grid=True)
        for point, level in zip(points, levels, strict=True):
            if point is not None:
                style = _style(point.is_reference)
                ends = panel.at_x(np.array([point.low, point.high]))
                canvas.line(ends, np.full(2, level), f"interval {style}")
                canvas.dot(float(panel.at_x(np.array(point.y))), level, style)
        canvas.text(panel.left + panel.width / 2, row * rows + 26, axis.label, "middle")
    return canvas.finish(description)


def trade_off(points: Sequence[Point], x: Axis, y: Axis, description: str) -> str:
    """Controllers in a plane of cost and performance, with the front of the contenders."""
    canvas = Canvas(360)
    panel = Panel(canvas, 52, 6, WIDTH - 60, 314, x, y)
    panel.frame(ticks=(8, 7), grid=True)
    canvas.text(8, 163, y.label, "middle", turned=True)
    canvas.text(52 + panel.width / 2, 350, x.label, "middle")
    front = pareto_front([point for point in points if not point.is_reference])
    # Stairs: until the next cost is paid, more buys nothing.
    if front:
        costs = np.append(np.repeat([point.x for point in front], 2)[1:], x.high)
        panel.line(costs, np.repeat([point.y for point in front], 2), "front")
    places = [(float(panel.at_x(np.array(p.x))), float(panel.at_y(np.array(p.y)))) for p in points]
    levels = _spread(places, 12.0)
    for point, (at, height), level in zip(points, places, levels, strict=True):
        style = _style(point.is_reference)
        for further in panel.at_x(np.array(point.more)).tolist():
            canvas.line(np.array([at, further]), np.full(2, height), f"interval {style}")
            canvas.line(
                np.full(2, further), np.array([height - 4, height + 4]), f"interval {style}"
            )
        canvas.dot(at, height, f"{style} best" if point in front else style)
        # Names stand to the left of points at the right edge.
        side, anchor = (-1, "end") if at > WIDTH - 150 else (1, "")
        canvas.line(np.array([at + 5 * side, at + 16 * side]), np.array([height, level]), "leader")
        canvas.text(at + 18 * side, level, shorten(point.label, 28), anchor)
    return canvas.finish(description)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Points with more value than any other that costs no more, by rising cost."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.x, -p.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front


def _draw(
    panel: Panel, entry: Entry, baseline: Entry | None, index: int, mark: float | None
) -> None:
    if mark is not None:
        panel.line(np.full(2, mark), np.array([panel.y.low, panel.y.high]), "shock")
    for drawn, style in ((baseline, "baseline"), (entry, _style(entry.is_reference))):
        if drawn is not None:
            curve = drawn.curves[index]
            if curve.low is not None and curve.high is not None:
                panel.area(curve.x, curve.low, curve.high, f"band {style}")
            panel.line(curve.x, curve.middle, f"curve {style}")


def _style(is_reference: bool) -> str:
    return "reference" if is_reference else "contender"


def _spread(places: Sequence[tuple[float, float]], line: float) -> list[float]:
    """Heights of names beside points: as near as they can be without lying upon each other."""
    levels = [0.0] * len(places)
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups = [[order[0]]]
    for before, i in itertools.pairwise(order):
        if places[i][0] - places[before][0] > WIDTH / 4:
            groups.append([])
        groups[-1].append(i)
    for group in groups:
        group.sort(key=lambda i: places[i][1])
        # Names that would overlap form a stack, the middle of which is that of their points.
        stacks: list[list[int]] = []
        for i in group:
            stacks.append([i])
            while len(stacks) > 1 and _top(stacks[-1], places, line) < line + _top(
                stacks[-2], places, line
            ) + line * (len(stacks[-2]) - 1):
                stacks[-2:] = [stacks[-2] + stacks[-1]]
        for stack in stacks:
            for place, i in enumerate(stack):
                levels[i] = _top(stack, places, line) + line * place
    return levels


def _top(stack: Sequence[int], places: Sequence[tuple[float, float]], line: float) -> float:
    return sum(places[i][1] for i in stack) / len(stack) - line * (len(stack) - 1) / 2
