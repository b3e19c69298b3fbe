"""The losses of a loop, as an env would have them."""

from __future__ import annotations

import math

from atn_gym.errors import InvalidArgument, check_number, check_positive_integer

_LARGEST = 700.0
"""Initial loss above which exp overflows."""


def classes_at_chance(num_classes: int | None, initial_loss: float | None) -> float:
    """Number of equally likely classes at which chance has the initial loss."""
    if (num_classes is None) == (initial_loss is None):
        raise InvalidArgument(
            "give either num_classes, if the loss is a cross-entropy, or initial_loss, the "
            f"validation loss of the untrained network, got {num_classes=} and {initial_loss=}"
        )
    if num_classes is not None:
        check_positive_integer("num_classes", num_classes)
        if num_classes < 2:
            raise InvalidArgument(f"num_classes must be an integer >= 2, got {num_classes}")
        return num_classes
    assert initial_loss is not None
    check_number("initial_loss", initial_loss, 0)
    if not 0 < initial_loss < _LARGEST:
        raise InvalidArgument(
            f"initial_loss must be a number > 0 and below {_LARGEST:g}, got {initial_loss!r}: "
            "scale the loss that you pass to step()"
        )
    return math.exp(initial_loss)


def metrics_of(split: str, loss: float, accuracy: float | None) -> tuple[float, float]:
    """Loss and accuracy of a split; an accuracy that is not given is exp(-loss)."""
    loss = float(loss)
    if loss < 0:
        raise InvalidArgument(
            f"{split}_loss must be >= 0, got {loss!r}: add a constant to a loss that may be "
            "negative"
        )
    if accuracy is None:
        return loss, math.exp(-loss)
    check_number(f"{split}_accuracy", float(accuracy), 0, 1)
    return loss, float(accuracy)
