"""Lines, areas and text as an SVG element, and panels with axes to draw them in.

Colours and fonts are those of the page: everything has a class, and the style sheet of
`atn_gym.eval.report.html` says how it looks, on a screen, in the dark and on paper. A drawing
library would write each of the hundreds of panels of a report as a figure of its own.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray

WIDTH = 720.0
"""Width of every drawing; a hundred units are an inch of an A4 page without margins."""
_TICK = 3.0


class Canvas:
    """A drawing of fixed width; y runs down from the top.

    Args:
        height: Its height.
    """

    def __init__(self, height: float) -> None:
        self._height = height
        self._elements: list[str] = []

    def line(self, x: FloatArray, y: FloatArray, style: str) -> None:
        """Draws a line through points, with gaps where either is NaN."""
        known = np.isfinite(x) & np.isfinite(y)
        parts = [_path(x[run], y[run]) for run in _stretches(known)]
        if parts:
            self._elements.append(f'<path class="{style}" d="{"".join(parts)}"/>')

    def area(self, x: FloatArray, low: FloatArray, high: FloatArray, style: str) -> None:
        """Fills between two lines, with gaps where either is NaN."""
        known = np.isfinite(low) & np.isfinite(high)
        parts = [
            _path(np.append(x[run], x[run][::-1]), np.append(low[run], high[run][::-1])) + "Z"
            for run in _stretches(known)
        ]
        if parts:
            self._elements.append(f'<path class="{style}" d="{"".join(parts)}"/>')

    def dot(self, x: float, y: float, style: str) -> None:
        """Draws a point."""
        self._elements.append(f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>')

    def text(self, x: float, y: float, text: str, style: str = "", turned: bool = False) -> None:
        """Writes a line of text, on the middle of its height.

        Args:
            x: Where it begins; with style "middle" its middle, with "end" its end.
            y: Its middle.
            text: The text.
            style: Classes of the style sheet.
            turned: Whether it runs upwards.
        """
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
        self._elements.append(
            f'<text class="{style}" x="{x:.1f}" y="{y + 3.2:.1f}"{turn}>{html.escape(text)}</text>'
        )

    def finish(self, description: str) -> str:
        """The whole drawing as an element; the description is for those who cannot see it."""
        return (
            f'<svg viewBox="0 0 {WIDTH:g} {self._height:.0f}" role="img" '
            f'aria-label="{html.escape(description)}">{"".join(self._elements)}</svg>'
        )


@dataclass(frozen=True)
class Axis:
    """A quantity on an axis.

    Args:
        label: Name with unit.
        low: Least value shown.
        high: Greatest, above `low`.
        is_log: Whether the axis is logarithmic; then both are above 0.
    """

    label: str
    low: float
    high: float
    is_log: bool = False

    def place(self, values: FloatArray) -> FloatArray:
        """Maps values to [0, 1]; what lies beyond the limits is put upon them."""
        clipped = np.clip(values, self.low, self.high)
        low, high = float(self.low), float(self.high)
        if self.is_log:
            clipped, low, high = np.log10(clipped), float(np.log10(low)), float(np.log10(high))
        return (clipped - low) / (high - low)

    def ticks(self, most: int) -> list[float]:
        """Round values within the limits, at most so many where that can be had."""
        if self.is_log:
            decades = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            fine = [m * 10.0**e for e in range(decades.start - 1, decades.stop) for m in (1, 2, 5)]
            fine = [value for value in fine if self.low <= value <= self.high]
            if 2 <= len(fine) <= most:
                return fine
            if len(decades) >= 2:
                return [10.0**e for e in decades[:: math.ceil(len(decades) / most)]]
        # Within a decade a logarithmic axis is nearly linear.
        for step in (m * 10.0**e for e in range(-9, 9) for m in (1, 2, 5)):
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            if last - first < most:
                return [round(i * step, 12) for i in range(first, last + 1)]
        return []


@dataclass(frozen=True)
class Panel:
    """A rectangle of a canvas with an axis along its bottom and one along its left side."""

    canvas: Canvas
    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis

    def frame(
        self,
        *,
        ticks: tuple[int, int],
        labels: tuple[bool, bool] = (True, True),
        grid: bool = False,
    ) -> None:
        """Draws both axes.

        Args:
            ticks: The most that x and y may have.
            labels: Whether x and y have numbers at their ticks.
            grid: Whether lines run through the panel from the ticks.
        """
        right, bottom = self.left + self.width, self.top + self.height
        for value in self.x.ticks(ticks[0]):
            at = float(self.at_x(np.array(value)))
            self._segment(at, self.top if grid else bottom, at, bottom + _TICK, grid)
            if labels[0]:
                self.canvas.text(at, bottom + _TICK + 7, _tick(value), "tick middle")
        for value in self.y.ticks(ticks[1]):
            at = float(self.at_y(np.array(value)))
            self._segment(self.left - _TICK, at, right if grid else self.left, at, grid)
            if labels[1]:
                self.canvas.text(self.left - _TICK - 2, at, _tick(value), "tick end")
        corners = np.array([self.left, self.left, right]), np.array([self.top, bottom, bottom])
        self.canvas.line(*corners, "axis")

    def line(self, x: FloatArray, y: FloatArray, style: str) -> None:
        """Draws a line through points in the units of the axes."""
        self.canvas.line(self.at_x(x), self.at_y(y), style)

    def area(self, x: FloatArray, low: FloatArray, high: FloatArray, style: str) -> None:
        """Fills between two lines in the units of the axes."""
        self.canvas.area(self.at_x(x), self.at_y(low), self.at_y(high), style)

    def at_x(self, values: FloatArray) -> FloatArray:
        """Where values lie on the canvas."""
        return self.left + self.width * self.x.place(values)

    def at_y(self, values: FloatArray) -> FloatArray:
        """Where values lie on the canvas."""
        return self.top + self.height * (1 - self.y.place(values))

    def _segment(self, x1: float, y1: float, x2: float, y2: float, is_grid: bool) -> None:
        style = "grid" if is_grid else "axis"
        self.canvas.line(np.array([x1, x2]), np.array([y1, y2]), style)


def shorten(label: str, most: int) -> str:
    """A label on one line with at most so many letters, the middle left out for that."""
    label = " ".join(label.split())
    head, tail = (most - 1) - (most - 1) // 2, (most - 1) // 2
    return label if len(label) <= most else f"{label[:head]}…{label[-tail:]}"


def _tick(value: float) -> str:
    return f"{value:g}".replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")


def _path(x: Iterable[float], y: Iterable[float]) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{points}"


def _stretches(known: NDArray[np.bool_]) -> Sequence[slice]:
    """Where values are known without a gap."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    return [slice(a, b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
