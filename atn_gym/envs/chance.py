"""The scale of losses: chance level, the largest loss, and the score of a loss between them."""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.errors import InvalidArgument

LARGEST = 5
"""Largest loss, in losses at chance. A diverged epoch has this loss."""
DIVERGED = -1.0
"""Score of an epoch that was lost to divergence."""


def chance_loss(num_classes: float) -> float:
    """Loss at chance, ln C, of C equally likely classes.

    Raises:
        InvalidArgument: If C is not above 1.
    """
    if not num_classes > 1:
        raise InvalidArgument(f"num_classes must be above 1, got {num_classes!r}")
    return float(np.log(num_classes))


def largest_loss(num_classes: float) -> float:
    """Largest observed loss, 5 ln C."""
    return LARGEST * chance_loss(num_classes)


def chance_accuracy(num_classes: float) -> float:
    """Accuracy at chance, 1 / C."""
    return 1 / num_classes


def metrics_at_chance(num_classes: float) -> tuple[float, float]:
    """Loss and accuracy at chance."""
    return chance_loss(num_classes), chance_accuracy(num_classes)


def diverged_metrics(num_classes: float) -> tuple[float, float]:
    """Loss and accuracy of an epoch that diverged: the largest loss, the accuracy at chance."""
    return largest_loss(num_classes), chance_accuracy(num_classes)


def log_score(loss: FloatArray, at_chance: float) -> FloatArray:
    """Scores a loss on a logarithmic scale: clip(ln(ln C / L) / ln 100, -1, 1).

    Args:
        loss: Loss L >= 0, any shape; 0 gives 1.
        at_chance: Loss at chance, ln C.

    Returns:
        0 at chance, 1 at a hundredth of it and below.

    Example:
        >>> log_score(np.array([2.302585, 0.0]), chance_loss(10)).round(3).tolist()
        [0.0, 1.0]
    """
    log_ratio = np.log(at_chance) - np.log(np.maximum(loss, np.finfo(np.float64).tiny))
    score: FloatArray = np.clip(log_ratio / np.log(100), -1, 1)
    return score
