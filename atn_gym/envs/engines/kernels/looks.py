"""A look at gradient and weights before a step, for gradient signals."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atn_gym.envs.engines.kernels.vectors import Floats, Integers

Looks = NDArray[np.float64]


@njit
def look(
    weights: Floats, gradient: Floats, previous: Floats, places: Integers, found: Looks
) -> None:
    """Compares gradient, weights and the step before.

    Args:
        weights: Packed weights, (size,).
        gradient: Their gradient, (size,).
        previous: Weights before the last step, (size,); becomes the weights as they are.
        places: Where the weights lie that count, (P,).
        found: Receives |gradient|^2, -<gradient, update>, |update|^2 and |weights|^2, (4,), with
            the update that of the last step.
    """
    gradients, product, updates, sizes = 0.0, 0.0, 0.0, 0.0
    for place in places:
        weight, slope = np.float64(weights[place]), np.float64(gradient[place])
        update = weight - np.float64(previous[place])
        gradients += slope * slope
        product -= slope * update
        updates += update * update
        sizes += weight * weight
        previous[place] = weights[place]
    found[0], found[1], found[2], found[3] = gradients, product, updates, sizes
