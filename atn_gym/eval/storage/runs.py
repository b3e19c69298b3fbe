"""Reads a stored run back, if it proves to be a complete run of its folder's name.

`atn_gym.eval.storage.store` says what lies where.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atn_gym.arrays import FloatArray
from atn_gym.eval.storage.checks import TOO_LARGE, check_epochs, check_metrics, parse_trace
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.files import Unreadable, parse_mapping, read_text

SUMMARY_FILE = "summary.json"
CONFIG_FILE = "config.yaml"
TRACE_FILE = "trace.csv"
FAILURE_FILE = "failure.json"
RUN_FOLDER = re.compile(r"[0-9a-f]{16}")


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
        is_number = isinstance(value, (int, float)) and abs(value) < TOO_LARGE
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
        Unreadable: If the folder holds no complete run of its name.
    """
    if not RUN_FOLDER.fullmatch(folder.name) or not folder.is_dir():
        raise Unreadable("is no run of an experiment")
    if not (folder / SUMMARY_FILE).exists():
        raise Unreadable("has no summary.json: the run is not complete; `atn-gym run` resumes it")
    config, config_text = _read_config(folder)
    trace_text = read_text(folder / TRACE_FILE)
    trace = parse_trace(trace_text)
    summary = read_sealed(folder / SUMMARY_FILE, config_text, trace_text)
    check_metrics(summary)
    if summary.get("seed") != config["seed"]:
        raise Unreadable(f"summary.json is of seed {summary.get('seed')!r}, not {config['seed']}")
    check_epochs(trace["epoch"], config["env"].get("num_epochs"), summary.get("diverged") is True)
    return StoredRun(folder.name, config, summary, trace)


def read_failure(folder: Path) -> StoredFailure | None:
    """Reads why a run failed; None if nothing says that it did.

    Args:
        folder: Its folder, whose name is its key.

    Raises:
        Unreadable: If that, or the config of the run, cannot be read.
    """
    if not (folder / FAILURE_FILE).exists():
        return None
    config, config_text = _read_config(folder)
    reason = read_sealed(folder / FAILURE_FILE, config_text).get("error")
    if not isinstance(reason, str):
        raise Unreadable(f"{FAILURE_FILE}: error must be text, got {reason!r}")
    return StoredFailure(config, reason)


def _read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """The config of a run, checked, and its text."""
    path = folder / CONFIG_FILE
    text = read_text(path)
    config = parse_mapping(path, text)
    _check_config(config, folder.name)
    return config, text


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
        raise Unreadable("config.yaml is no config of a run: env, controller or seed is missing")
    try:
        own = run_key(config)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"config.yaml holds what no config of a run holds: {error}") from error
    if own != key:
        raise Unreadable(f"config.yaml is of the run {own}, not of this folder")
