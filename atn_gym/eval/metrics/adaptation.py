"""Adaptation of one run: what a method did, and how the run took the shock.

Conventions are those of `atn_gym.eval.metrics.run_metrics`. `shock` is the number of epochs trained
before the shock, hence the index of the shock epoch, or None if none comes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atn_gym.arrays import BoolArray, FloatArray
from atn_gym.errors import InvalidArgument
from atn_gym.eval.metrics.run_metrics import check_trace

_SMALLEST_CHANGE = 1e-6
"""Decades; less than this is rounding, not a decision."""
_RECOVERY_WINDOW = 3
_RECOVERY_TOLERANCE = 0.02


def update_magnitude(log10_values: FloatArray) -> float:
    """How far the hyperparameters move: mean over epochs of ||delta log10 lambda||_2.

    Args:
        log10_values: Hyperparameters before the first epoch and in each of the e epochs
            trained, in decades (momentum as log10(1 - m)), shape (e + 1, K), e >= 1. A run
            that diverged is not padded: nothing is decided after its end.

    Returns:
        Decades per epoch trained, >= 0.
    """
    return float(np.linalg.norm(_steps(log10_values), axis=1).mean())


def adaptation_frequency(log10_values: FloatArray) -> float:
    """Share of epochs in which any hyperparameter moves by more than 1e-6 decades.

    Args:
        log10_values: As in `update_magnitude`, shape (e + 1, K).

    Returns:
        Share of the e epochs trained, in [0, 1].
    """
    return float(_is_changed(log10_values).mean())


def false_alarm_rate(log10_values: FloatArray, shock: int | None) -> float | None:
    """`adaptation_frequency` of the epochs before the shock.

    A method that never looks raises no alarm, and its summary has none.

    Args:
        log10_values: As in `update_magnitude`, shape (e + 1, K). Of a run that diverged
            before the shock, all e epochs count.
        shock: Epochs trained before the shock; None, a shock that never comes, has every
            epoch before it.

    Returns:
        Share in [0, 1]; None for a shock at 0, before which there is no epoch.
    """
    changed = _is_changed(log10_values)
    if shock is None:
        return float(changed.mean())
    _check_shock(shock)
    return float(changed[:shock].mean()) if shock > 0 else None


@dataclass(frozen=True)
class Recovery:
    """Outcome of `recovery_time`.

    Args:
        epochs: Epochs from the shock epoch until accuracy was back.
        recovered: Whether it came back within the budget; if not, `epochs` is censored.
    """

    epochs: int
    recovered: bool


def recovery_time(
    val_accuracy: FloatArray,
    diverged: BoolArray,
    shock: int | None,
    has_learned: BoolArray | None = None,
) -> Recovery | None:
    """Epochs from the shock until accuracy is back within 0.02 of what it was.

    With s = shock + 1 the shock epoch, the level is max(A_{s-3}, A_{s-2}, A_{s-1}) - 0.02.
    If no epoch t >= s has A_t below it, the time is 0. Else it is t - s for the first
    epoch t with A_t at the level or above after the first one below. The fall is waited
    for because a shock may show late: a run that dies in epoch s + 1 has not recovered in
    epoch s. A second fall is not looked for.

    Args:
        val_accuracy: A_t in [0, 1], shape (T,).
        diverged: Whether epoch t was lost to divergence, those after the end of the run
            among them, shape (T,). Such an epoch is below any level, so that a run that
            diverged before the shock is censored, not recovered at chance.
        shock: Epochs trained before the shock. At 1 or 2 the maximum is over as many epochs.
        has_learned: Whether the run stood above chance after epoch t, shape (T,); in all epochs
            if None.

    Returns:
        If it does not come back, `epochs` is T - shock, all there are, and `recovered` False.
        None without a shock, and for a shock at 0, before which there is no accuracy. None if
        the run had learned nothing in the epochs of the maximum: it has nothing to recover. One
        that had diverged by then lost what it had, and is censored.
    """
    check_trace("val_accuracy", val_accuracy)
    if diverged.shape != val_accuracy.shape:
        raise InvalidArgument(
            f"diverged must have the shape of val_accuracy {val_accuracy.shape}, "
            f"got {diverged.shape}"
        )
    if shock is None:
        return None
    _check_shock(shock, len(val_accuracy))
    if shock == 0:
        return None
    window = slice(max(0, shock - _RECOVERY_WINDOW), shock)
    if has_learned is not None and not (has_learned | diverged)[window].any():
        return None
    before = val_accuracy[window].max()
    below = (val_accuracy[shock:] < before - _RECOVERY_TOLERANCE) | diverged[shock:]
    if not below.any():
        return Recovery(0, recovered=True)
    fall = int(below.argmax())
    back = ~below[fall:]
    if not back.any():
        return Recovery(len(below), recovered=False)
    return Recovery(fall + int(back.argmax()), recovered=True)


def shock_cost(val_loss: FloatArray, twin_val_loss: FloatArray, shock: int | None) -> float | None:
    """What the shock costs: mean over the epochs t >= s of L_t - L_t of the twin.

    Args:
        val_loss: L_t in nats, shape (T,), padded after divergence.
        twin_val_loss: L_t of the counterfactual twin: same env, seed and policy, regime off,
            shape (T,), padded likewise.
        shock: Epochs trained before the shock; 0 takes every epoch.

    Returns:
        Nats per epoch, negative where the shock did good. None without a shock. 0 if the
        run diverged before it, because the twin did the same.
    """
    check_trace("val_loss", val_loss)
    check_trace("twin_val_loss", twin_val_loss)
    if val_loss.shape != twin_val_loss.shape:
        raise InvalidArgument(
            f"twin_val_loss must have the shape of val_loss {val_loss.shape}, "
            f"got {twin_val_loss.shape}"
        )
    if shock is None:
        return None
    _check_shock(shock, len(val_loss))
    return float((val_loss - twin_val_loss)[shock:].mean())


def _check_shock(shock: int, num_epochs: int | None = None) -> None:
    if shock < 0 or (num_epochs is not None and shock >= num_epochs):
        most = "" if num_epochs is None else f" and below the {num_epochs} epochs of the budget"
        raise InvalidArgument(
            f"shock must be >= 0{most}, or None where there is none, got {shock!r}"
        )


def _steps(log10_values: FloatArray) -> FloatArray:
    shape = log10_values.shape
    if len(shape) != 2 or shape[0] < 2 or shape[1] < 1:
        raise InvalidArgument(
            f"log10_values must have shape (e + 1, K) with e >= 1 and K >= 1, got {shape}"
        )
    if not np.isfinite(log10_values).all():
        raise InvalidArgument(f"log10_values must be finite, got {log10_values.tolist()}")
    return np.diff(log10_values, axis=0)


def _is_changed(log10_values: FloatArray) -> BoolArray:
    changed: BoolArray = np.abs(_steps(log10_values)).max(axis=1) > _SMALLEST_CHANGE
    return changed
