"""Independent random streams of a run, all derived from one integer seed.

Every draw is addressed by (seed, stream, epoch) and made with a generator of its own.
Nothing is carried from one epoch to the next, so what a controller does can shift no
draw, and a run can be resumed from its seed and epoch alone.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Names of the streams; the numbers are part of what makes results reproducible."""

    WEIGHTS = 0
    ORDER = 1
    REGIME = 2
    NOISE = 3
    MODULE = 4
    GRADIENT_NOISE = 5


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
