"""Schedules that never look, chosen from a small grid: what an env gives to whoever is blind.

A schedule sets absolute values of learning rate, momentum and weight decay for every epoch. One
family trains to the end: constants, and cosines to zero. The other freezes: it trains at a rate,
halves it twice, and goes on at the smallest rate there is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from atn_gym.envs.hyperparameters import HYPERPARAMETERS

FloatArray = NDArray[np.float64]

TOGETHER = 128
"""Runs in one vector env."""
_FROZEN = 1e-5
RATES = (0.05, 0.1, 0.2, 0.4)
"""Learning rates that suit SGD on Digits."""
DECAYS = (1e-6,)
_MOMENTA = (0.8, 0.9)


@dataclass(frozen=True)
class Schedule:
    """Absolute values for every epoch.

    Args:
        name: What it does, in a few words.
        values: Learning rate, momentum and weight decay, one row for each epoch.
    """

    name: str
    values: tuple[tuple[float, float, float], ...]


def trained_to_the_end(
    num_epochs: int, rates: Sequence[float] = RATES, decays: Sequence[float] = DECAYS
) -> list[Schedule]:
    """Constants, and cosines that end at zero."""
    shapes = {
        "constant": [1.0] * num_epochs,
        "cosine": [(1 + math.cos(math.pi * e / num_epochs)) / 2 for e in range(num_epochs)],
    }
    return [
        Schedule(
            f"{name} {rate:g}, {momentum:g}, {decay:g}",
            tuple((rate * s, momentum, decay) for s in shape),
        )
        for (name, shape), rate, momentum, decay in itertools.product(
            shapes.items(), rates, _MOMENTA, decays
        )
    ]


def frozen(
    num_epochs: int, rates: Sequence[float] = RATES[1:3], decays: Sequence[float] = DECAYS
) -> list[Schedule]:
    """Schedules that stop training after a share of the budget."""
    ends = sorted({round(share * num_epochs) for share in (0.2, 0.3, 0.4, 0.5, 0.6, 0.75)})
    return [
        Schedule(
            f"{rate:g}, {momentum:g}, {decay:g}, frozen after {end}",
            tuple(
                (max(_FROZEN, rate * _held(epoch, end)), momentum, decay)
                for epoch in range(num_epochs)
            ),
        )
        for end, rate, momentum, decay in itertools.product(ends, rates, _MOMENTA[:1], decays)
    ]


def _held(epoch: int, end: int) -> float:
    left = end - epoch
    return 0.0 if left <= 0 else {1: 0.25, 2: 0.5}.get(left, 1.0)


def anytime_performance(
    env_id: str, schedules: Sequence[Schedule], seeds: Sequence[int], **kwargs: Any
) -> FloatArray:
    """Anytime performance of schedules, shape (num_schedules, num_seeds).

    Args:
        env_id: Id of the env.
        schedules: What to run.
        seeds: Seed of each run.
        **kwargs: Arguments of the env.
    """
    pairs = list(itertools.product(schedules, seeds))
    size = min(TOGETHER, len(pairs))
    vector: Any = gymnasium.make_vec(
        env_id, num_envs=size, autoreset_mode=AutoresetMode.DISABLED, **kwargs
    )
    scores: list[float] = []
    for first in range(0, len(pairs), size):
        part = pairs[first : first + size]
        # The last part is filled up with runs that nobody reads.
        scores += _run(vector, [*part, *pairs[: size - len(part)]])[: len(part)].tolist()
    vector.close()
    return np.array(scores).reshape(len(schedules), len(seeds))


def _run(vector: Any, pairs: Sequence[tuple[Schedule, int]]) -> FloatArray:
    observation, _ = vector.reset(seed=[seed for _, seed in pairs])
    targets = np.array([schedule.values for schedule, _ in pairs])
    targets[:, :, 1] = 1 - targets[:, :, 1]
    targets = np.log10(targets)
    steps = np.array([h.delta for h in HYPERPARAMETERS.values()])
    num_epochs = targets.shape[1]
    total: FloatArray = np.zeros(len(pairs))
    for epoch in range(num_epochs):
        moves = (targets[:, epoch] - observation["hyperparameters"]) / steps
        observation, reward, *_ = vector.step(np.clip(moves, -1, 1).astype(np.float32))
        total += reward
    return np.asarray(total / num_epochs)


def best(
    env_id: str, schedules: Sequence[Schedule], seeds: Sequence[int], **kwargs: Any
) -> Schedule:
    """The schedule with the largest mean anytime performance over the seeds."""
    scores = anytime_performance(env_id, schedules, seeds, **kwargs).mean(axis=1)
    return schedules[int(scores.argmax())]
