"""Rewards: small pure functions of the clean validation metrics of an epoch.

Each maps an `EpochOutcome` of n runs to rewards of shape (n,). None of them sees the
test split, and none is perturbed by a regime that perturbs the observed losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.errors import unknown_name

DIVERGED = -1.0
"""Reward of an epoch that was lost to divergence."""


@dataclass(frozen=True)
class EpochOutcome:
    """What a reward may depend on.

    Args:
        val_loss: Clean validation loss after the epoch in nats, finite, shape (n,).
        previous_val_loss: The same before the epoch; ln C before the first, shape (n,).
        val_accuracy: Validation accuracy after the epoch in [0, 1], shape (n,).
        num_classes: Number of classes C.
    """

    val_loss: FloatArray
    previous_val_loss: FloatArray
    val_accuracy: FloatArray
    num_classes: int


Reward = Callable[[EpochOutcome], FloatArray]


def log_score(val_loss: FloatArray, num_classes: float) -> FloatArray:
    """Scores a loss on a logarithmic scale: clip(ln(ln C / L) / ln 100, -1, 1).

    Args:
        val_loss: Validation loss L >= 0, any shape; 0 gives 1.
        num_classes: Number of classes C.

    Returns:
        0 at the loss of chance ln C, 1 at a hundredth of it and below.

    Example:
        >>> float(log_score(np.array(np.log(10)), 10))
        0.0
    """
    tiny = np.finfo(np.float64).tiny
    log_ratio = np.log(np.log(num_classes)) - np.log(np.maximum(val_loss, tiny))
    score: FloatArray = np.clip(log_ratio / np.log(100), -1, 1)
    return score


def log_loss(outcome: EpochOutcome) -> FloatArray:
    """The default: `log_score` of the validation loss."""
    return log_score(outcome.val_loss, outcome.num_classes)


def linear(outcome: EpochOutcome) -> FloatArray:
    """1 - L / ln C: 0 at chance, 1 at a loss of zero, clipped below at -1."""
    score: FloatArray = np.maximum(1 - outcome.val_loss / np.log(outcome.num_classes), -1)
    return score


def improvement(outcome: EpochOutcome) -> FloatArray:
    """What the epoch added to `log_score`; sums to the final score over a run."""
    return log_loss(outcome) - log_score(outcome.previous_val_loss, outcome.num_classes)


def val_accuracy(outcome: EpochOutcome) -> FloatArray:
    """Validation accuracy in [0, 1]."""
    return outcome.val_accuracy.copy()


REWARDS: dict[str, Reward] = {
    function.__name__: function for function in (log_loss, linear, improvement, val_accuracy)
}


def get_reward(name: str) -> Reward:
    """Looks a reward up by name.

    Raises:
        InvalidArgument: If there is none of that name.
    """
    if name not in list(REWARDS):
        raise unknown_name("reward", name, REWARDS)
    return REWARDS[name]
