"""How the runs of a block recovered after their shock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.eval.metrics.aggregate import restricted_mean
from atn_gym.eval.report.index import Block
from atn_gym.eval.report.run_budget import num_epochs


@dataclass(frozen=True, eq=False)
class RecoveryTimes:
    """How the runs of a block recovered, without the envs that have no shock.

    Args:
        times: Epochs to recovery, shape (controllers, envs, seeds).
        recovered: Whether each recovered, same shape.
        horizon: Epochs after the shock, of the env with the most.
    """

    times: FloatArray
    recovered: NDArray[np.bool_]
    horizon: int

    def mean_times(self) -> FloatArray:
        """Restricted mean of the recovery time, shape (controllers,)."""
        return restricted_mean(self.times, self.recovered, self.horizon)

    def shares(self) -> FloatArray:
        """Share recovered within k = 0..horizon - 1 epochs, shape (controllers, horizon).

        The restricted mean over k + 1 epochs is that over k epochs and the share of runs
        that take longer than k.
        """
        means = [np.zeros(len(self.times))]
        for k in range(self.horizon):
            means.append(restricted_mean(self.times, self.recovered, k + 1))
        return 1 - np.diff(np.stack(means, axis=-1), axis=-1)


def recovery_times(block: Block) -> RecoveryTimes | None:
    """Recovery times of the runs of a block; None if no run met a shock."""
    times, recovered = block.values("recovery_time"), block.values("recovered")
    known = np.isfinite(recovered) & (times >= 0) & (times == np.floor(times))
    known &= np.isfinite(block.values("shock_epoch"))
    shocked = known.any(axis=(0, 2))
    if not shocked.any():
        return None
    horizon = max(
        num_epochs(run) - int(run.metric("shock_epoch"))
        for run, is_known in zip(block.selected(), known.swapaxes(0, 1).flat, strict=True)
        if is_known
    )
    came_back = (known & (recovered == 1))[:, shocked]
    # A run that met no shock is entered as one that is followed for no epoch.
    return RecoveryTimes(np.where(known, times, 0)[:, shocked], came_back, max(horizon, 1))
