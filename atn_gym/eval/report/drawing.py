"""What all figures share: colours, style, a grid of axes, names of controllers and limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.formatting import printable

P = ParamSpec("P")

INK, MUTED, LINE, PAPER = "#1b1b1b", "#6b6b6b", "#dcdcdc", "#fffffe"
CONTENDER, BASELINE, REFERENCE, SHOCK = "#0072b2", "#808080", "#aa4499", "#d55e00"
BEGINNINGS = (CONTENDER, "#009e73", "#b8860b")
"""Colours of the initial values that a task may have; they repeat."""
CONTROLLER = "controller:"
"""Stands before the label of the controller to which a group of a figure belongs."""
WIDTH = 7.4
"""Inches."""
_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 7.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "text.color": INK,
    # Labels are the user's: a dollar in them begins no formula.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 6.5,
    "xtick.major.size": 2,
    "ytick.color": MUTED,
    "ytick.labelsize": 6.5,
    "ytick.major.size": 2,
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Has a function draw in the style of a report."""

    def within(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return within


def name(axis: Axes, label: str, x: float, y: float, is_reference: bool) -> None:
    """The name of a controller at the left of its row."""
    axis.annotate(
        shorten(label, 26),
        (0, y),
        (-4 if x > -0.1 else -22, 0),
        xycoords=axis.get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="center",
        color=REFERENCE if is_reference else INK,
        gid=gid_of(label),
        annotation_clip=False,
    )


def grid(
    rows: int,
    columns: int,
    width: float,
    height: float,
    labels: Sequence[str],
    *,
    above: float = 0.05,
    below: float = 0.42,
    gap: tuple[float, float] = (0.2, 0),
) -> tuple[Figure, Any]:
    """A grid of axes of some height, in inches, with room for labels at its left."""
    total = height + above + below
    figure = Figure(figsize=(width, total))
    left = 0.12 + 0.064 * max(len(shorten(label, 26)) for label in labels) + max(gap[0] - 0.2, 0)
    across = (width - left - 0.1 - gap[0] * (columns - 1)) / columns
    down = (height - gap[1] * (rows - 1)) / rows
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=left / width,
        right=1 - 0.1 / width,
        top=1 - above / total,
        bottom=below / total,
        wspace=gap[0] / across,
        hspace=gap[1] / down,
    )
    return figure, axes


def scale(axis: Any, low: float, high: float, is_log: bool, most: int) -> None:
    """Limits and ticks of an axis."""
    axis.axes.set_xlim(low, high)
    if not is_log:
        axis.set_major_locator(MaxNLocator(most))
        return
    axis.axes.set_xscale("log")
    axis.axes.set_xlim(low, high)
    if high / low < 10:
        axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    axis.set_minor_formatter(NullFormatter())


def limits(known: FloatArray, is_log: bool) -> tuple[float, float]:
    """Limits with room around all values."""
    low, high = float(known.min()), float(known.max())
    if is_log:
        room = max((high / low) ** 0.06, 1.15)
        return low / room, high * room
    room = 0.06 * (high - low) or 0.05
    return low - room, high + room


def shorten(label: str, most: int) -> str:
    """A label on one line with at most so many letters, the middle left out for that."""
    label = " ".join(printable(label).split())
    head, tail = (most - 1) - (most - 1) // 2, (most - 1) // 2
    return label if len(label) <= most else f"{label[:head]}…{label[-tail:]}"


def gid_of(label: str) -> str:
    """Marks what belongs to a controller."""
    return CONTROLLER + printable(label)


def tick(value: float) -> str:
    """Writes a number at a tick."""
    return f"{value:g}".replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")
