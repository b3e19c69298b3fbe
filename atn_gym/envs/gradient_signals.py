"""What only gradients and weights tell of an epoch: the observations of `signals="gradient"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray

SIGNAL_TRACKS = ("loss", "gradient")
"""Losses and accuracies only, or gradient signals too."""

GRADIENT_SIGNALS = ("gradient_norm", "alignment", "distance", "update_size", "weight_norm")
"""The gradient signals of an epoch, in order."""

_LOWEST, _HIGHEST = -8.0, 4.0
"""Decades between which a size is observed."""

_ROUNDING = 1e-5
"""Relative error of a size that is observed as a float32 number of decades."""

DIVERGED_SIGNALS = np.array([10**_HIGHEST, -1.0, *[10**_HIGHEST] * 3])
"""Gradient signals of an epoch that diverged: sizes at their bound, and steps that overshot."""


@dataclass(frozen=True)
class GradientSignals:
    """Gradient signals of an epoch in plain units.

    With g_t the gradient of mini-batch t, as the optimizer gets it, and w_t the weights after
    its step, u_t = w_t - w_{t-1}, over S steps:

    Args:
        gradient_norm: Root of the mean of |g_t|^2.
        alignment: Mean of the cosine between -g_{t+1} and u_t, in [-1, 1]: above 0 the step
            before was too short, below 0 too long. 0 if there is only one step.
        distance: |w_S - w_0| / |w_0|, with w_0 the initial weights of the run.
        update_size: Mean of |u_t| / |w_{t-1}|.
        weight_norm: |w_S|; before the first epoch |w_0|.
        steps: The number of steps S; 0 before the first epoch.
    """

    gradient_norm: float
    alignment: float
    distance: float
    update_size: float
    weight_norm: float
    steps: int

    @property
    def diverged(self) -> bool:
        """Whether gradients are as large as those of an epoch that diverged."""
        return bool(self.gradient_norm >= DIVERGED_SIGNALS[0] * (1 - _ROUNDING))


def epoch_signals(looks: FloatArray, moved: FloatArray) -> FloatArray:
    """The gradient signals of an epoch.

    Args:
        looks: For each step t from 1 to S, and for S + 1, which is not taken: |g_t|^2,
            -<g_t, u_{t-1}>, |u_{t-1}|^2 and |w_{t-1}|^2, (S + 1, 4). Of the first row the second
            and third value are not used, of the last the first and second.
        moved: |w_S - w_0|^2, |w_0|^2 and |w_S|^2, (3,).

    Returns:
        Values in the order of `GRADIENT_SIGNALS`, none of them NaN.
    """
    with np.errstate(all="ignore"):
        gradients, updates, weights = looks[:-1, 0], looks[1:, 2], looks[:-1, 3]
        cosines = looks[1:-1, 1] / np.sqrt(gradients[1:] * updates[:-1])
        values = np.array(
            [
                np.sqrt(gradients.mean()),
                np.nan_to_num(cosines, nan=0.0).clip(-1, 1).sum() / max(len(cosines), 1),
                _ratio(moved[0], moved[1]),
                np.mean([_ratio(u, w) for u, w in zip(updates, weights, strict=True)]),
                np.sqrt(moved[2]),
            ]
        )
        return np.where(np.isnan(values), DIVERGED_SIGNALS, values)


def _ratio(square: float, other: float) -> float:
    """Root of the ratio of two squares; 0 if the first one is 0."""
    return float(np.sqrt(square / other)) if square else 0.0


def signal_boxes(window: int) -> dict[str, spaces.Box]:
    """Spaces of the observed signals by name: sizes as decades, the alignment as it is."""
    size = spaces.Box(_LOWEST, _HIGHEST, (window,), np.float32)
    cosine = spaces.Box(-1, 1, (window,), np.float32)
    return {name: cosine if name == "alignment" else size for name in GRADIENT_SIGNALS}


def signals_of(observation: Mapping[str, NDArray[Any]], run: int, steps: int) -> GradientSignals:
    """The gradient signals of the last epoch of a run, from a batch of observations.

    Args:
        observation: The entries of a Dict observation, those of the signals (n, window).
        run: Index of the run.
        steps: Steps in an epoch.
    """
    values = {name: float(observation[name][run, -1]) for name in GRADIENT_SIGNALS}
    for name, value in values.items():
        if name != "alignment":
            values[name] = 10**value if value > _LOWEST else 0.0
    begun = observation["progress"][run, 0] > 0
    return GradientSignals(**values, steps=steps if begun else 0)


def observed_signals(values: FloatArray) -> FloatArray:
    """Observed form of signals in the order of `GRADIENT_SIGNALS`, (5, ...), not yet clipped."""
    observed = np.log10(np.maximum(values, 10 ** (_LOWEST - 1)))
    alignment = GRADIENT_SIGNALS.index("alignment")
    observed[alignment] = values[alignment]
    return observed
