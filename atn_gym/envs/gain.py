"""The gain of a run: how far its effective learning rate departs from the one that is set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atn_gym.envs.randomness import Stream, generator
from atn_gym.errors import InvalidArgument, check_number

MAX_GAIN = 4.0
"""Largest gain in decades, up or down."""


def checked_gain(gain: Any) -> float | tuple[float, float]:
    """Checks a gain: a number of decades, or the pair between which runs draw theirs.

    Returns:
        A float, or a tuple of two: JSON turns tuples into lists.

    Raises:
        InvalidArgument: If it is neither.
    """
    if not isinstance(gain, (list, tuple)):
        check_number("gain", gain, -MAX_GAIN, MAX_GAIN)
        return float(gain)
    for bound in gain:
        check_number("a bound of gain", bound, -MAX_GAIN, MAX_GAIN)
    if len(gain) != 2 or gain[0] >= gain[1]:
        raise InvalidArgument(
            "gain must be a number of decades, or a pair (lowest, highest) with lowest < highest, "
            f"got {gain!r}"
        )
    return float(gain[0]), float(gain[1])


def draw_gain(gain: float | Sequence[float], seed: int) -> float:
    """The gain of the run of a seed: the number, or a uniform draw between the pair."""
    if isinstance(gain, Sequence):
        low, high = gain
        return float(generator(seed, Stream.GAIN).uniform(low, high))
    return gain
