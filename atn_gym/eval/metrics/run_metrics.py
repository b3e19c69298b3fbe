"""Performance, stability and cost of one run: pure functions of its trace.

L_t and A_t are the clean validation loss (nats) and accuracy after epoch t = 1..T, given
as arrays of shape (T,), epoch t at index t - 1. A run that diverged is continued by
`pad_diverged`. What is undefined is None, never NaN.
"""

from __future__ import annotations

import numpy as np

from atn_gym.arrays import BoolArray, FloatArray
from atn_gym.envs.chance import chance_loss
from atn_gym.errors import InvalidArgument

_AT_CHANCE = 0.98
"""Share of ln C from which a loss is at chance: a network that has learned nothing but how
frequent each class is stays slightly below ln C where the classes differ in size."""
_SPIKE = 1.5
_SPIKE_WINDOW = 5


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
            divergence. It does not depend on the reward of the env.
    """
    return float(scores.mean())


def mean_val_loss(val_loss: FloatArray) -> float:
    """Mean of L_t over the budget: the formal objective of online adaptation."""
    return float(val_loss.mean())


def divergence_events(val_loss: FloatArray, num_classes: float | FloatArray) -> int:
    """Counts the times that training broke down, however long each lasted.

    An event is a maximal stretch of epochs with L_t not finite, or L_t > 2 ln C_t, or
    L_t >= 0.98 ln C_t after some epoch with L_t < 0.5 ln C_t.

    Args:
        val_loss: L_t in nats, shape (T,), finite or not. The 5 ln C of an epoch lost to
            divergence is above 2 ln C, so that a run that diverged for good counts it once.
        num_classes: Classes C_t > 1 that epoch t was validated on, one number or shape (T,).

    Returns:
        Number of events; 0 for a run that never left chance and never went far above it.
    """
    loss = _with_infinities(val_loss)
    chance = _chance_of_epochs(num_classes, len(loss))
    has_learned = np.logical_or.accumulate(loss < 0.5 * chance)
    broken = (loss > 2 * chance) | (has_learned & (loss >= _AT_CHANCE * chance))
    return int(broken[0]) + int(np.sum(broken[1:] & ~broken[:-1]))


def collapsed(val_loss: FloatArray, num_classes: float | FloatArray) -> bool:
    """Whether the run ends having learned nothing: L_T not finite or >= 0.98 ln C_T.

    Args:
        val_loss: L_t in nats, shape (T,), finite or not.
        num_classes: Classes C_t > 1 that epoch t was validated on, one number or shape (T,).
    """
    loss = _with_infinities(val_loss)
    return bool(loss[-1] >= _AT_CHANCE * _chance_of_epochs(num_classes, len(loss))[-1])


def left_chance(val_loss: FloatArray, num_classes: float | FloatArray) -> BoolArray:
    """In which epochs a run is better than chance: L_t < 0.98 ln C_t, shape (T,).

    Args:
        val_loss: L_t in nats, shape (T,), finite or not.
        num_classes: Classes C_t > 1 that epoch t was validated on, one number or shape (T,).
    """
    loss = _with_infinities(val_loss)
    better: BoolArray = loss < _AT_CHANCE * _chance_of_epochs(num_classes, len(loss))
    return better


def loss_spikes(val_loss: FloatArray) -> int:
    """Counts the epochs with L_t > 1.5 min(L_{t-5}, ..., L_{t-1}).

    Args:
        val_loss: L_t in nats, shape (T,). Fewer than five epochs before t are taken as
            they are; the first epoch has none and is no spike.

    Returns:
        Number of epochs. A lasting rise counts up to five, until the window has left
        behind what was before it; so does a divergence, by its padding.
    """
    check_trace("val_loss", val_loss)
    return sum(
        bool(val_loss[t] > _SPIKE * val_loss[max(0, t - _SPIKE_WINDOW) : t].min())
        for t in range(1, len(val_loss))
    )


def compute_adjusted_performance(performance: float, run_flops: int, charged_flops: int) -> float:
    """The headline: (J + 1) / 2 · flops of the scored run / flops charged.

    Args:
        performance: Anytime performance J in [-1, 1].
        run_flops: Flops of the scored run, as many as it made: one that ended early is
            not credited with those of a whole budget. At least 1.
        charged_flops: Flops of all that was spent, search and lookahead included, >=
            `run_flops`; the same for a method that spends nothing else.

    Returns:
        In [0, 1].
    """
    if not -1 <= performance <= 1:
        raise InvalidArgument(f"performance must be in [-1, 1], got {performance!r}")
    if not 0 < run_flops <= charged_flops:
        raise InvalidArgument(
            "run_flops must be above 0 and at most charged_flops, "
            f"got {run_flops!r} of {charged_flops!r}"
        )
    return (performance + 1) / 2 * run_flops / charged_flops


def check_trace(name: str, values: FloatArray) -> None:
    """Checks values of the epochs of a run.

    Raises:
        InvalidArgument: If they are not finite, or not of shape (T,) with T >= 1.
    """
    _check_shape(name, values)
    if not np.isfinite(values).all():
        raise InvalidArgument(f"{name} must be finite, got {values.tolist()}: pad what is not")


def _chance_of_epochs(num_classes: float | FloatArray, num_epochs: int) -> FloatArray:
    """Loss at chance in each epoch, shape (T,)."""
    classes = np.broadcast_to(np.asarray(num_classes, dtype=np.float64), (num_epochs,))
    return np.array([chance_loss(number) for number in classes.tolist()])


def _with_infinities(val_loss: FloatArray) -> FloatArray:
    loss = np.where(np.isfinite(val_loss), val_loss, np.inf)
    _check_shape("val_loss", loss)
    return loss


def _check_shape(name: str, values: FloatArray) -> None:
    if values.ndim != 1 or not values.size:
        raise InvalidArgument(f"{name} must have shape (T,) with T >= 1, got {values.shape}")
