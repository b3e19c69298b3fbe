"""Actions as an env takes them: checked and clipped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument


def check_actions(
    actions: Any, shape: tuple[int, ...], used: NDArray[np.bool_] | bool = True
) -> FloatArray:
    """Validates actions.

    Args:
        actions: Array of a floating dtype without NaN; clipped to [-1, 1].
        shape: The shape it must have.
        used: Whether an action is used, (n,) for n of them; NaN may stand in the others.

    Raises:
        InvalidArgument: If dtype, shape or values are wrong.
    """
    array = np.asarray(actions)
    floating = np.issubdtype(array.dtype, np.floating)
    if not floating or array.shape != shape:
        found = f"shape {array.shape}" if floating else f"dtype {array.dtype}"
        raise InvalidArgument(f"an action must be a float32 array of shape {shape}, got {found}")
    if np.any(np.isnan(array).any(axis=-1) & used):
        raise InvalidArgument(f"an action must not hold NaN, got {array.tolist()}")
    return np.clip(array.astype(np.float64), -1, 1)
