"""Reads the files of a results folder, whatever may have become of them."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.files import Unreadable

TOO_LARGE = 1e300
"""From here on, where nothing real is, numbers would overflow."""
_COLUMNS = ("epoch", "val_loss", "gradient_steps")
_TRUTH = {"True": 1.0, "False": 0.0}
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
}
_TRUTHS = ("diverged", "collapsed", "recovered")


def parse_trace(text: str) -> dict[str, FloatArray]:
    """Columns of a `trace.csv` by name, truth as 0 or 1.

    Raises:
        Unreadable: If it is no table of numbers, or lacks a column that every trace has.
    """
    try:
        header, *rows = csv.reader(text.splitlines())
    except (ValueError, csv.Error) as error:
        raise Unreadable("trace.csv cannot be read: it has no header") from error
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise Unreadable(
                f"trace.csv cannot be read: line {line} has {len(row)} values for "
                f"{len(header)} columns"
            )
    values = np.array([[_number(v) for v in row] for row in rows]).reshape(-1, len(header))
    trace = dict(zip(header, values.T, strict=True))
    missing = [name for name in _COLUMNS if name not in trace]
    if missing:
        raise Unreadable(f"trace.csv has no column {missing[0]}")
    return trace


def _number(text: str) -> float:
    try:
        return _TRUTH[text] if text in _TRUTH else float(text)
    except ValueError as error:
        raise Unreadable(f"trace.csv cannot be read: {text!r} is not a number") from error


def check_epochs(epochs: FloatArray, budget: object, has_diverged: bool) -> None:
    """Checks that a trace has every epoch once, up to the budget or divergence.

    Raises:
        Unreadable: If it has not.
    """
    if not len(epochs) or epochs.tolist() != list(range(1, len(epochs) + 1)):
        raise Unreadable("trace.csv does not have the epochs 1, 2, 3 and so on, each once")
    if type(budget) is not int:
        return
    if len(epochs) > budget or (len(epochs) < budget and not has_diverged):
        raise Unreadable(
            f"trace.csv has {len(epochs)} epochs of a budget of {budget}, "
            f"and the run {'diverged' if has_diverged else 'did not diverge'}"
        )


def check_metrics(summary: Mapping[str, Any]) -> None:
    """Checks that metrics are numbers within their limits; most may be None or absent.

    Raises:
        Unreadable: If one is not.
    """
    for name, (low, high) in _RANGES.items():
        value: Any = summary.get(name)
        if value is None and name not in _ESSENTIAL:
            continue
        if not (type(value) in (int, float) and abs(value) < TOO_LARGE):
            raise Unreadable(f"summary.json: {name} is {value!r}, not a finite number")
        if not low <= value <= high:
            raise Unreadable(f"summary.json: {name} is {value!r}, not in [{low}, {high}]")
    for name in _TRUTHS:
        if not isinstance(summary.get(name), (bool, type(None))):
            raise Unreadable(f"summary.json: {name} is {summary[name]!r}, not true or false")
    if summary["run_flops"] > summary["flops"]:
        raise Unreadable("summary.json: run_flops is above flops, which are of all that was run")
