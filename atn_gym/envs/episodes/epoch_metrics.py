"""What an epoch gave, in arrays over runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class EpochMetrics:
    """What one epoch of n runs gave; every array has shape (n,).

    Losses are means in nats and may be non-finite; accuracies are shares.

    Args:
        train_loss: Clean mean loss of the mini-batches.
        train_accuracy: Share of right answers while training.
        val_loss: Clean validation loss after the epoch.
        val_accuracy: Validation accuracy after the epoch.
        observed_train_loss: Training loss as a controller sees it.
        observed_val_loss: Validation loss as a controller sees it.
        strength: Strength of the regime in the epoch.
        finite: Whether every loss and every parameter is finite.
        flops: Floating-point operations spent on training and evaluation.
        signals: In the order of `GRADIENT_SIGNALS`, (n, 5); None if none are measured.
    """

    train_loss: FloatArray
    train_accuracy: FloatArray
    val_loss: FloatArray
    val_accuracy: FloatArray
    observed_train_loss: FloatArray
    observed_val_loss: FloatArray
    strength: FloatArray
    finite: NDArray[np.bool_]
    flops: NDArray[np.int64]
    signals: FloatArray | None = None

    @classmethod
    def joined(cls, parts: Sequence[EpochMetrics]) -> EpochMetrics:
        """The metrics of all runs, from those of some runs each, in order."""
        columns = ([getattr(part, f.name) for part in parts] for f in fields(cls))
        joined: list[Any] = [None if c[0] is None else np.concatenate(c) for c in columns]
        return cls(*joined)
