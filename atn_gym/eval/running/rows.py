"""Rows of traces: what is kept of each epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import DIVERGED, chance_loss, log_score

Row = dict[str, Any]


def rows_of(
    infos: dict[str, Any], rewards: FloatArray, runs: NDArray[np.intp], episodes: Any
) -> list[Row]:
    """Makes the rows of runs that have trained an epoch.

    Args:
        infos: What the vector env says of all its runs.
        rewards: The reward of each of its runs.
        runs: Indices of those that trained, (n,).
        episodes: The episodes of the env.

    Returns:
        A row for each of them, in their order.
    """

    def of_runs(values: Any) -> list[Any]:
        values = values[runs].tolist()
        return list(values)

    states = [episodes.state(run) for run in runs.tolist()]
    observed = [state.observed_metrics() for state in states]
    privileged, diverged = infos["privileged"], infos["diverged"][runs]
    scores = log_score(privileged["val_loss"][runs], chance_loss(episodes.num_classes))
    columns = {
        "epoch": of_runs(infos["epoch"]),
        "observed_train_loss": [metrics["observed_train_loss"] for metrics in observed],
        "observed_val_loss": [metrics["observed_val_loss"] for metrics in observed],
        "train_loss": of_runs(privileged["train_loss"]),
        "train_accuracy": of_runs(infos["train_accuracy"]),
        "val_loss": of_runs(privileged["val_loss"]),
        "val_accuracy": of_runs(infos["val_accuracy"]),
        "score": np.where(diverged, DIVERGED, scores).tolist(),
        "reward": of_runs(rewards),
        **{name: of_runs(values) for name, values in by_name(infos).items()},
        "visible_classes": of_runs(privileged["visible_classes"]),
        "strength": of_runs(privileged["strength"]),
        "diverged": diverged.tolist(),
        "checkpoint_rollbacks": of_runs(infos["checkpoint_rollbacks"]),
        "flops": of_runs(infos["flops"]),
        "gradient_steps": of_runs(infos["gradient_steps"]),
    }
    return [
        {**dict(zip(columns, values, strict=True)), **state.gradient_signals()}
        for state, *values in zip(states, *columns.values(), strict=True)
    ]


def by_name(infos: dict[str, Any]) -> dict[str, Any]:
    """Hyperparameters of all runs by name, without the masks that Gymnasium adds."""
    return {k: v for k, v in infos["hyperparameter_values"].items() if not k.startswith("_")}
