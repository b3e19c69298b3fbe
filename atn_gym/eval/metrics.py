"""Metrics of one run: pure functions of its trace.

L_t and A_t are the clean validation loss (nats) and accuracy after epoch t = 1..T, given
as arrays of shape (T,). A run that diverged is continued by `pad_diverged`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def pad_diverged(values: FloatArray, num_epochs: int, fill: float) -> FloatArray:
    """Continues the trace of a run that ended early to the whole budget.

    Args:
        values: Values of the epochs trained, shape (e,).
        num_epochs: Epoch budget T >= e.
        fill: What every epoch after the end counts as: 5 ln C for a loss, 1 / C for an
            accuracy, -1 for a score.

    Returns:
        Shape (T,).
    """
    return np.concatenate([values, np.full(num_epochs - len(values), fill)])


def final(values: FloatArray) -> float:
    """Value at the end of the budget: `final_val_loss`, `final_val_accuracy`."""
    return float(values[-1])


def anytime_performance(scores: FloatArray) -> float:
    """Mean of the default reward over the budget.

    Args:
        scores: Default reward of each epoch, shape (T,), -1 for every epoch lost to
            divergence; whatever reward the env was made with.
    """
    return float(scores.mean())


def mean_val_loss(val_loss: FloatArray) -> float:
    """Mean of L_t over the budget: the formal objective of online adaptation."""
    return float(val_loss.mean())
