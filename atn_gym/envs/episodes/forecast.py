"""What is to come in runs of the noisy quadratic: all that decides how they will go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.envs.engines.moments import Moments, Quadratic


@dataclass(frozen=True, eq=False)
class Forecast:
    """Epochs to come in n runs.

    Privileged: it knows the regime, the gain and every draw of both.

    Args:
        moments: Of the runs as they stand, each (n, C, P).
        quadratics: What each epoch descends, by epoch.
        minima: Curvature (n, C, 1) and minimum (n, C, P) of the validation split, by epoch.
        factors: Factors from the nominal learning rate, 1 - momentum and weight decay to the
            effective ones, by epoch, (H, n, 3).
        scales: Factor on the loss of each step, (H, n, steps).
        gradient_noise: Strength of the noise on the gradient, (H, n).
    """

    moments: Moments
    quadratics: list[Quadratic]
    minima: list[tuple[FloatArray, FloatArray]]
    factors: FloatArray
    scales: FloatArray
    gradient_noise: FloatArray

    def is_perturbed(self, epoch: int) -> bool:
        """Whether the steps of an epoch differ in any of the runs."""
        return bool(np.any(self.gradient_noise[epoch]) or np.any(self.scales[epoch] != 1))
