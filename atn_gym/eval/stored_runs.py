"""Reads a stored run back, if it proves to be a complete run of its folder's name.

`atn_gym.eval.store` says what lies where.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from atn_gym.errors import AtnGymError

FloatArray = NDArray[np.float64]

SUMMARY_FILE = "summary.json"
LABELS_FILE = "labels.json"
FAILURE_FILE = "failure.json"
RUN_FOLDER = re.compile(r"[0-9a-f]{16}")
_ESSENTIAL = ("anytime_performance", "compute_adjusted_performance", "flops", "run_flops")
_COLUMNS = ("epoch", "val_loss", "gradient_steps")
_TOO_LARGE = 1e300
"""From here on, where nothing real is, numbers would overflow."""
_TRUTH = {"True": 1.0, "False": 0.0}
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader; the one written in C, where it is there, is ten times faster."""


class StoreError(AtnGymError, OSError):
    """Results cannot be written or read."""


class UnreadableRun(Exception):
    """Why a folder is not read as a run: what of it, and what is wrong with it."""


def run_key(config: Mapping[str, Any]) -> str:
    """Names a run by its resolved config: 16 hexadecimal digits."""
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A complete run.

    Args:
        key: Name of its folder.
        config: Its resolved config.
        summary: Its metrics.
        trace: Columns of its trace by name, each with an entry for every epoch trained.
    """

    key: str
    config: dict[str, Any]
    summary: dict[str, Any]
    trace: dict[str, FloatArray]

    @property
    def seed(self) -> int:
        """Its seed."""
        seed: int = self.config["seed"]
        return seed

    def metric(self, name: str) -> float:
        """A metric, truth as 0 or 1; NaN if the run has none or it is not finite.

        Args:
            name: Its field in the summary; "wall_clock_s.total" is field total of wall_clock_s.
        """
        value: Any = self.summary
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        is_number = isinstance(value, (int, float)) and abs(value) < _TOO_LARGE
        return float(value) if is_number else np.nan


@dataclass(frozen=True)
class StoredFailure:
    """A run that failed.

    Args:
        config: Its resolved config.
        reason: Why it failed.
    """

    config: dict[str, Any]
    reason: str


def read_run(folder: Path) -> StoredRun:
    """Reads a run.

    Args:
        folder: Its folder, whose name is its key.

    Raises:
        UnreadableRun: If the folder holds no complete run of its name.
    """
    if not RUN_FOLDER.fullmatch(folder.name) or not folder.is_dir():
        raise UnreadableRun("is no run of an experiment")
    summary_file = folder / SUMMARY_FILE
    if not summary_file.exists():
        raise UnreadableRun(
            "has no summary.json: the run is not complete; `atn-gym run` resumes it"
        )
    config = read_mapping(folder / "config.yaml")
    _check_config(config, folder.name)
    summary = read_mapping(summary_file)
    run = StoredRun(folder.name, config, summary, _read_trace(folder / "trace.csv"))
    for name in _ESSENTIAL:
        if math.isnan(run.metric(name)):
            raise UnreadableRun(
                f"summary.json: {name} is {summary.get(name)!r}, not a finite number"
            )
    if summary.get("seed") != run.seed:
        raise UnreadableRun(f"summary.json is of seed {summary.get('seed')!r}, not {run.seed}")
    if min(run.metric("flops"), run.metric("run_flops")) <= 0:
        raise UnreadableRun("summary.json: flops and run_flops must be above 0")
    return run


def read_failure(folder: Path) -> StoredFailure | None:
    """Reads why a run failed; None if nothing says that it did.

    Args:
        folder: Its folder, whose name is its key.

    Raises:
        UnreadableRun: If that, or the config of the run, cannot be read.
    """
    if not (folder / FAILURE_FILE).exists():
        return None
    config = read_mapping(folder / "config.yaml")
    _check_config(config, folder.name)
    reason = read_mapping(folder / FAILURE_FILE).get("error")
    if not isinstance(reason, str):
        raise UnreadableRun(f"{FAILURE_FILE}: error must be text, got {reason!r}")
    return StoredFailure(config, reason)


def _check_config(config: Mapping[str, Any], key: str) -> None:
    env, controller = config.get("env"), config.get("controller")
    complete = (
        isinstance(env, dict)
        and isinstance(env.get("id"), str)
        and isinstance(controller, dict)
        and isinstance(controller.get("name"), str)
        and type(config.get("seed")) is int
    )
    if not complete:
        raise UnreadableRun("config.yaml is no config of a run: env, controller or seed is missing")
    try:
        own = run_key(config)
    except (TypeError, ValueError) as error:
        raise UnreadableRun(f"config.yaml holds what no config of a run holds: {error}") from error
    if own != key:
        raise UnreadableRun(f"config.yaml is of the run {own}, not of this folder")


def read_mapping(path: Path) -> dict[str, Any]:
    """Reads a YAML or JSON file that holds a mapping.

    Raises:
        UnreadableRun: If it cannot be read, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text, _YAML_LOADER) if path.suffix == ".yaml" else json.loads(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise UnreadableRun(f"{path.name} cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise UnreadableRun(f"{path.name} holds no mapping")
    return values


def read_labels(path: Path) -> dict[str, str]:
    """Reads what the controllers of an experiment are called, by the `run_key` of their configs.

    Raises:
        UnreadableRun: If it cannot be read, or a label is no text.
    """
    labels = read_mapping(path)
    for label in labels.values():
        if not isinstance(label, str):
            raise UnreadableRun(f"{path.name}: a label must be text, got {label!r}")
    return labels


def _read_trace(path: Path) -> dict[str, FloatArray]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        columns = zip(*rows, strict=True)
        values = [[_TRUTH.get(v) if v in _TRUTH else float(v) for v in c] for c in columns]
        trace = {
            name: np.array(column, dtype=np.float64)
            for name, column in zip(header, values, strict=True)
        }
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadableRun(f"{path.name} cannot be read: {reason}") from error
    missing = [name for name in _COLUMNS if name not in trace]
    if missing:
        raise UnreadableRun(f"{path.name} has no column {missing[0]}")
    return trace
