"""How the figures of the questions look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COLORS = {
    "fixed": "0.55",
    "blind": "tab:orange",
    "heuristic": "tab:purple",
    "range_test": "tab:blue",
    "bandit": "tab:brown",
    "autotunenet": "tab:cyan",
    "ppo_digits": "tab:green",
    "ppo_adaptive": "tab:olive",
    "ppo_gradient": "magenta",
    "nadamw": "saddlebrown",
    "blind_adamw": "gold",
    "hypergradient_adamw": "teal",
    "ppo_gradient_adamw": "indigo",
    "early_bayesian": "tab:pink",
    "successive_halving": "tab:red",
    "offline_bayesian": "black",
}
"""One color for a method in all figures; a name that is absent is gray."""


ONE_RUN = (
    "fixed",
    "blind",
    "heuristic",
    "range_test",
    "ppo_digits",
    "ppo_adaptive",
    "ppo_gradient",
)
"""Methods that questions show of those that search for nothing before a run."""


def color(name: str) -> str:
    """Color of a method."""
    return COLORS.get(name, "0.3")


def rank(name: str) -> tuple[int, str]:
    """Place of a method in legends and tables: that of `COLORS`, others after them by name."""
    return (list(COLORS).index(name) if name in COLORS else len(COLORS), name)


def band(axes, x: Sequence[float], estimate, label: str, name: str, dashed: bool = False) -> None:
    """Draws a line with its interval as a band."""
    style = {"linestyle": "--" if dashed else "-", "marker": "o", "markersize": 4}
    style |= {"markerfacecolor": "white"} if dashed else {}
    axes.plot(x, estimate.value, color=color(name), label=label, **style)
    axes.fill_between(x, estimate.low, estimate.high, color=color(name), alpha=0.12, linewidth=0)


def whiskers(axes, x, estimate, name: str, **style) -> None:
    """Draws points with their intervals as bars."""
    value, low, high = (np.atleast_1d(part) for part in estimate)
    lengths = np.maximum(np.stack([value - low, high - value]), 0)
    axes.errorbar(x, value, lengths, color=color(name), capsize=2, **style)
