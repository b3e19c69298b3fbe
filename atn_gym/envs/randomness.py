"""Independent random streams of a run, all derived from one integer seed.

Every draw is addressed by (seed, stream, epoch) and made with a generator of its own.
Nothing is carried from one epoch to the next, so what a controller does can shift no
draw, and a run can be resumed from only its seed and epoch.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from atn_gym.errors import InvalidArgument

MAX_SEED = 2**63 - 1
"""Largest seed of a run; infos of a vector env hold seeds as int64."""


class Stream(IntEnum):
    """Names of the streams; the numbers are part of what makes results reproducible."""

    WEIGHTS = 0
    ORDER = 1
    REGIME = 2
    NOISE = 3
    MODULE = 4
    GRADIENT_NOISE = 5
    OBSERVATION_NOISE = 6  # Only beside noise on the training loss, which draws from NOISE.
    GAIN = 7
    TRIGGER = 8
    CONTROLLER = 9


def generator(seed: int, stream: Stream, epoch: int = 0) -> np.random.Generator:
    """Makes the generator of one stream at one epoch.

    Args:
        seed: Seed of the run, >= 0.
        stream: Which kind of draw.
        epoch: Number of epochs trained before the draw.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, epoch)))


def integer_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """Derives a seed in [0, 2^63) for a library that wants an integer."""
    return int(generator(seed, stream, epoch).integers(2**63 - 1))


def check_seed(seed: Any, count: int = 1) -> int:
    """Checks the seed of a run, or the first of consecutive seeds.

    Args:
        seed: What a caller passed.
        count: Number of consecutive seeds.

    Returns:
        The seed as an int.

    Raises:
        InvalidArgument: If it is not an integer >= 0, or a seed would exceed `MAX_SEED`.
    """
    highest = MAX_SEED - (count - 1)
    integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not integer or not 0 <= seed <= highest:
        raise InvalidArgument(f"seed must be an integer from 0 to {highest}, got {seed!r}")
    return int(seed)
