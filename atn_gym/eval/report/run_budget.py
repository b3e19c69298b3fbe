"""What one whole run on an env takes, also where all runs ended early."""

from __future__ import annotations

from atn_gym.eval.storage.runs import StoredRun


def num_epochs(run: StoredRun) -> int:
    """Epoch budget T of a run."""
    budget, trained = run.variant("env").get("num_epochs"), run.num_epochs
    return max(budget, trained) if type(budget) is int else trained


def one_run_flops(runs: list[StoredRun]) -> float:
    """Flops of one whole run on an env."""
    return max(run.metric("run_flops") * _unfinished(run) for run in runs)


def one_run_steps(runs: list[StoredRun]) -> float:
    """Gradient steps of one whole run on an env."""
    return max(run.gradient_steps * _unfinished(run) for run in runs)


def _unfinished(run: StoredRun) -> float:
    """By how much a whole run is longer: an epoch takes the same steps as any other."""
    return num_epochs(run) / run.num_epochs
