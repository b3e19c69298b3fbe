"""Finds stored runs that are not complete, though their part is sound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from atn_gym.arrays import BoolArray
from atn_gym.eval.storage.keys import keys_of_seeds
from atn_gym.eval.storage.run_table import TOO_LARGE, RunTable
from atn_gym.plain_values import check_plain

_ESSENTIAL = {
    "anytime_performance": (-1, 1),
    "compute_adjusted_performance": (0, 1),
    "flops": (1, math.inf),
    "run_flops": (1, math.inf),
}
_RANGES: dict[str, tuple[float, float]] = {
    **_ESSENTIAL,
    **dict.fromkeys(("final_val_accuracy", "test_accuracy"), (0, 1)),
    **dict.fromkeys(("final_val_loss", "test_loss", "mean_val_loss"), (0, math.inf)),
    **dict.fromkeys(("adaptation_frequency", "false_alarm_rate"), (0, 1)),
    **dict.fromkeys(("divergence_events", "loss_spikes", "rollback_count"), (0, math.inf)),
    "overrides": (0, math.inf),
    **dict.fromkeys(("update_magnitude", "recovery_time", "shock_epoch"), (0, math.inf)),
    **dict.fromkeys(("restarts", "optimizer_evaluations", "gradient_steps"), (0, math.inf)),
    "shock_cost": (-math.inf, math.inf),
    "regret": (-2, 2),
}
_TRUTHS = ("diverged", "collapsed", "recovered")


class _Faults(dict[int, str]):
    """The first fault found of each row."""

    def note(self, faulty: BoolArray, reason: str) -> None:
        for row in np.flatnonzero(faulty).tolist():
            self.setdefault(row, reason)


def config_faults(table: RunTable) -> dict[int, str]:
    """Says of runs what is wrong with their config or key, by their rows."""
    faults = _Faults()
    for of, config in enumerate(table.configs):
        rows = np.flatnonzero(table.config_of == of)
        reason = _config_fault(config)
        if reason is not None:
            faults.update(dict.fromkeys(rows.tolist(), reason))
            continue
        key = keys_of_seeds(config)
        for row, seed in zip(rows.tolist(), table.seeds[rows].tolist(), strict=True):
            if key(seed) != table.keys[row]:
                faults[row] = f"its config is of the run {key(seed)}, not of this one"
    return faults


def run_faults(table: RunTable) -> dict[int, str]:
    """Says why runs that did not fail are not complete, by their rows."""
    faults = _Faults(config_faults(table))
    faults.note(table.numbers("seed") != table.seeds, "its summary is of another seed")
    for name, (low, high) in _RANGES.items():
        values, known = table.numbers(name), table.known(name)
        needed = known | (name in _ESSENTIAL)
        with np.errstate(invalid="ignore"):
            finite = np.abs(values) < TOO_LARGE
            inside = (low <= values) & (values <= high)
        for row in np.flatnonzero(needed & ~(finite & inside)).tolist():
            value = table.texts(name)[row]
            limit = f"not in [{low}, {high}]" if finite[row] else "not a finite number"
            faults.setdefault(row, f"{name} is {value!r}, {limit}")
    for name in _TRUTHS:
        if not table.is_truth(name):
            faults.note(table.known(name), f"{name} is not true or false")
    with np.errstate(invalid="ignore"):
        above = table.numbers("run_flops") > table.numbers("flops")
    faults.note(above, "run_flops is above flops, which are of all that was run")
    _check_epochs(table, faults)
    return faults


def _check_epochs(table: RunTable, faults: _Faults) -> None:
    """Checks that traces have every epoch once, up to the budget or divergence."""
    faults.note(
        (table.epochs == 0) | ~table.counts_epochs(),
        "its trace does not have the epochs 1, 2, 3 and so on, each once",
    )
    envs = [config.get("env") for config in table.configs]
    budgets = [env.get("num_epochs") if isinstance(env, dict) else None for env in envs]
    known = np.array([b if type(b) is int else -1 for b in budgets], dtype=np.int64)
    budget = known[table.config_of]
    diverged = table.numbers("diverged") == 1
    wrong = (table.epochs > budget) | ((table.epochs < budget) & ~diverged)
    for row in np.flatnonzero(wrong & (budget >= 0)).tolist():
        ended = "diverged" if diverged[row] else "did not diverge"
        faults.setdefault(
            row,
            f"its trace has {table.epochs[row]} epochs of a budget of {budget[row]}, and the run "
            f"{ended}",
        )


def _config_fault(config: Mapping[str, Any]) -> str | None:
    try:
        check_plain(config)
    except ValueError as error:
        return f"its config is none of a run: {error}"
    env, controller = config.get("env"), config.get("controller")
    complete = (
        isinstance(env, dict)
        and isinstance(env.get("id"), str)
        and isinstance(controller, dict)
        and isinstance(controller.get("name"), str)
    )
    return None if complete else "its config is none of a run: env or controller is missing"
