"""The summary of one run: every metric of its trace, as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

import atn_gym
from atn_gym.arrays import FloatArray
from atn_gym.envs.chance import DIVERGED, diverged_metrics
from atn_gym.envs.hyperparameters import HyperparameterSpace
from atn_gym.eval.metrics import adaptation, run_metrics
from atn_gym.eval.running.rollout import RunRecord
from atn_gym.eval.storage.provenance import git_commit


def summarise(record: RunRecord, num_epochs: int, num_classes: int) -> dict[str, Any]:
    """Computes the metrics of a run.

    Args:
        record: The run; its trace has at least one epoch.
        num_epochs: Epoch budget T.
        num_classes: Number of classes C.

    Returns:
        Values that JSON can hold, by name; None where a metric is undefined, such as a
        recovery time without a shock.
    """
    trained = len(record.trace)
    worst_loss, worst_accuracy = diverged_metrics(num_classes)
    fills = {"val_loss": worst_loss, "val_accuracy": worst_accuracy, "score": DIVERGED}
    loss, accuracy, scores = (
        run_metrics.pad_diverged(np.array([row[name] for row in record.trace]), num_epochs, fill)
        for name, fill in fills.items()
    )
    # A loss that exploded, but is finite still, costs no more than divergence.
    loss = np.minimum(loss, worst_loss)
    classes = run_metrics.pad_diverged(
        np.array([row["visible_classes"] for row in record.trace]), num_epochs, num_classes
    )
    diverged = np.array([row["diverged"] for row in record.trace])
    lost = np.append(diverged, np.ones(num_epochs - trained, dtype=np.bool_))
    logs = _log10_values(record)
    has_learned = run_metrics.left_chance(loss, classes)
    recovery = adaptation.recovery_time(accuracy, lost, record.shock, has_learned)
    performance = run_metrics.anytime_performance(scores)
    run_flops = sum(row["flops"] for row in record.trace)
    charged_flops = run_flops + record.account.flops
    return {
        "version": atn_gym.__version__,
        "commit": git_commit(),
        "seed": record.seed,
        "beginning": record.beginning,
        "initial_hyperparameters": record.initial,
        "shock_epoch": record.shock,
        "final_val_accuracy": run_metrics.final(accuracy),
        "final_val_loss": run_metrics.final(loss),
        **record.test,
        "anytime_performance": performance,
        "regret": None if record.optimum is None else record.optimum - performance,
        "mean_val_loss": run_metrics.mean_val_loss(loss),
        "diverged": bool(diverged[-1]),
        "divergence_events": run_metrics.divergence_events(loss, classes),
        "collapsed": run_metrics.collapsed(loss, classes),
        "loss_spikes": run_metrics.loss_spikes(loss),
        "rollback_count": record.account.rollbacks + record.trace[-1]["checkpoint_rollbacks"],
        "overrides": record.account.overrides,
        "update_magnitude": adaptation.update_magnitude(logs),
        "adaptation_frequency": adaptation.adaptation_frequency(logs),
        "false_alarm_rate": adaptation.false_alarm_rate(logs, record.shock)
        if record.account.observes
        else None,
        "recovery_time": None if recovery is None else recovery.epochs,
        "recovered": None if recovery is None else recovery.recovered,
        "shock_cost": _shock_cost(record, loss, worst_loss),
        "restarts": record.account.restarts,
        "making_runs": record.making_runs,
        "optimizer_evaluations": record.account.optimizer_evaluations,
        "gradient_steps": sum(row["gradient_steps"] for row in record.trace)
        + record.account.gradient_steps,
        "flops": charged_flops,
        "run_flops": run_flops,
        "compute_adjusted_performance": run_metrics.compute_adjusted_performance(
            performance, run_flops, charged_flops
        ),
        "wall_clock_s": {
            "training": record.training_s,
            "controller": record.controller_s,
            "search": record.search_s,
            "total": record.training_s + record.controller_s + record.search_s,
        },
    }


def _shock_cost(record: RunRecord, loss: FloatArray, worst: float) -> float | None:
    if record.twin_val_loss is None:
        return None
    twin = run_metrics.pad_diverged(np.array(record.twin_val_loss), len(loss), worst)
    return adaptation.shock_cost(loss, np.minimum(twin, worst), record.shock)


def _log10_values(record: RunRecord) -> FloatArray:
    """Hyperparameters before the run and in each epoch, decades, shape (epochs + 1, K)."""
    space = HyperparameterSpace(tuple(record.initial))
    values = [[row[name] for name in space.names] for row in [record.initial, *record.trace]]
    return space.log10(np.array(values))
