"""Rewards: small pure functions of the clean validation metrics of an epoch.

Each maps an `EpochOutcome` of n runs to rewards of shape (n,). None of them sees the
test split, and none is perturbed by a regime that perturbs the observed losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import log_score
from atn_gym.errors import unknown_name


@dataclass(frozen=True)
class EpochOutcome:
    """What a reward may depend on.

    Args:
        val_loss: Clean validation loss after the epoch in nats, finite, shape (n,).
        previous_val_loss: The same before the epoch; ln C before the first, shape (n,).
        val_accuracy: Validation accuracy after the epoch in [0, 1], shape (n,).
        at_chance: Loss at chance, ln C.
    """

    val_loss: FloatArray
    previous_val_loss: FloatArray
    val_accuracy: FloatArray
    at_chance: float


_ENOUGH = 0.3
"""Score below which `risk_averse` counts twice."""
Reward = Callable[[EpochOutcome], FloatArray]


def log_loss(outcome: EpochOutcome) -> FloatArray:
    """The default: `log_score` of the validation loss."""
    return log_score(outcome.val_loss, outcome.at_chance)


def risk_averse(outcome: EpochOutcome) -> FloatArray:
    """`log_loss`, where what is missing to 0.3 counts twice, clipped below at -1.

    An agent that is trained by it minds its worst runs more than the rest.
    """
    score = log_loss(outcome)
    averse: FloatArray = np.maximum(score - np.maximum(_ENOUGH - score, 0), -1)
    return averse


def linear(outcome: EpochOutcome) -> FloatArray:
    """1 - L / ln C: 0 at chance, 1 at a loss of zero, clipped below at -1."""
    score: FloatArray = np.maximum(1 - outcome.val_loss / outcome.at_chance, -1)
    return score


def improvement(outcome: EpochOutcome) -> FloatArray:
    """What the epoch added to `log_score`; sums to the final score over a run."""
    return log_loss(outcome) - log_score(outcome.previous_val_loss, outcome.at_chance)


def val_accuracy(outcome: EpochOutcome) -> FloatArray:
    """Validation accuracy in [0, 1]."""
    return outcome.val_accuracy.copy()


REWARDS: dict[str, Reward] = {
    function.__name__: function
    for function in (log_loss, risk_averse, linear, improvement, val_accuracy)
}


def get_reward(name: str) -> Reward:
    """Looks a reward up by name.

    Raises:
        InvalidArgument: If there is none of that name.
    """
    if name not in list(REWARDS):
        raise unknown_name("reward", name, REWARDS)
    return REWARDS[name]
