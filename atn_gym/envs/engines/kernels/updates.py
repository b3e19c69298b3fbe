"""One step of an optimizer on all weights of a run, or some of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from atn_gym.envs.engines.kernels.vectors import Floats


class Hyperparameters(NamedTuple):
    """What an update needs, all float32 but `adaptive`.

    Args:
        adaptive: AdamW if true, else SGD.
        learning_rate: Learning rate.
        momentum: Momentum of SGD, or the first beta of AdamW.
        weight_decay: Weight decay.
        second_beta: The second beta of AdamW.
        epsilon: The epsilon of AdamW.
    """

    adaptive: bool
    learning_rate: float
    momentum: float
    weight_decay: float
    second_beta: float
    epsilon: float


@njit
def sgd(
    weights: Floats,
    gradient: Floats,
    velocity: Floats,
    values: Hyperparameters,
    started: bool,
) -> None:
    """SGD with momentum and L2 weight decay, as `torch.optim.SGD` does it.

    Args:
        weights: Weights (P,), updated.
        gradient: Their gradient (P,).
        velocity: Momentum buffer (P,), updated if there is momentum.
        values: Hyperparameters.
        started: Whether the buffer holds anything; if not, it becomes the gradient.
    """
    rate, momentum = np.float32(values.learning_rate), np.float32(values.momentum)
    decay = np.float32(values.weight_decay)
    if momentum == 0:
        for i in range(weights.size):
            weights[i] -= rate * (gradient[i] + decay * weights[i])
    elif started:
        for i in range(weights.size):
            velocity[i] = momentum * velocity[i] + (gradient[i] + decay * weights[i])
            weights[i] -= rate * velocity[i]
    else:
        for i in range(weights.size):
            velocity[i] = gradient[i] + decay * weights[i]
            weights[i] -= rate * velocity[i]


@njit
def adamw(
    weights: Floats,
    gradient: Floats,
    mean: Floats,
    square: Floats,
    values: Hyperparameters,
    step: int,
) -> None:
    """AdamW, as `torch.optim.AdamW` does it.

    Args:
        weights: Weights (P,), updated.
        gradient: Their gradient (P,).
        mean: Average of the gradients (P,), updated.
        square: Average of their squares (P,), updated.
        values: Hyperparameters.
        step: Number of this step, from 1.
    """
    first, second = np.float32(values.momentum), np.float32(values.second_beta)
    rest, second_rest = np.float32(1 - values.momentum), np.float32(1 - values.second_beta)
    keep = np.float32(1 - values.learning_rate * values.weight_decay)
    rate = np.float32(values.learning_rate / (1 - values.momentum**step))
    spread = np.float32(math.sqrt(1 - values.second_beta**step))
    epsilon = np.float32(values.epsilon)
    for i in range(weights.size):
        mean[i] = first * mean[i] + rest * gradient[i]
        square[i] = second * square[i] + second_rest * gradient[i] * gradient[i]
        weights[i] = keep * weights[i] - rate * mean[i] / (np.sqrt(square[i]) / spread + epsilon)
