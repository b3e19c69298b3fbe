"""Reads the results of an experiment back: every complete run, and why others are not read.

`atn_gym.eval.store` says what lies where. Only what proves to be a complete run of the
folder's name is read; whatever else lies there is named and left alone.
"""

from __future__ import annotations

import csv
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

from atn_gym.eval.store import StoreError, run_key

FloatArray = NDArray[np.float64]

REPORT_FILES = ("report.html", "report.md", "summary.csv")
_MANIFEST = "manifest.json"
_RUN_FOLDER = re.compile(r"[0-9a-f]{16}")
_ESSENTIAL = ("anytime_performance", "compute_adjusted_performance", "flops", "run_flops")
_COLUMNS = ("epoch", "val_loss", "gradient_steps")
_TOO_LARGE = 1e300
"""From here on, where nothing real is, numbers would overflow."""
_TRUTH = {"True": 1.0, "False": 0.0}
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader; the one written in C, where it is there, is ten times faster."""


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
class Skipped:
    """Something that is not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class StoredExperiment:
    """What a results folder holds.

    Args:
        root: The folder.
        runs: Its complete runs, in the order of their keys.
        skipped: All else, but for the manifest, reports and hidden files.
        manifest: What made the results; None if that is missing or cannot be read.
    """

    root: Path
    runs: list[StoredRun]
    skipped: list[Skipped]
    manifest: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Name of the experiment, which is that of its folder."""
        return self.root.resolve().name


class _Unreadable(Exception):
    """Why a folder is not read as a run."""


def read_experiment(root: Path) -> StoredExperiment:
    """Reads all complete runs of an experiment.

    Args:
        root: Folder of the experiment, such as `results/benchmark_digits`.

    Raises:
        StoreError: If the folder does not exist, cannot be listed or holds no complete run.
    """
    try:
        entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise StoreError(
            f"results folder {root} cannot be read ({error.strerror}): name the folder of an "
            "experiment that `atn-gym run` has written, such as results/digits_data_shift"
        ) from error
    runs, skipped = [], []
    manifest = None
    for path in entries:
        try:
            if path.name == _MANIFEST:
                manifest = _read_mapping(path)
            elif path.name not in REPORT_FILES:
                runs.append(_read_run(path))
        except _Unreadable as error:
            skipped.append(Skipped(path.name, str(error)))
    if not runs:
        raise StoreError(f"results folder {root} holds no complete run: {_remedy(root, skipped)}")
    return StoredExperiment(root, runs, skipped, manifest)


def _remedy(root: Path, skipped: list[Skipped]) -> str:
    inside = [path.parent for path in sorted(root.glob(f"*/{_MANIFEST}"))]
    if inside:
        return f"name the folder of one experiment, such as {inside[0]}"
    if any(_RUN_FOLDER.fullmatch(entry.name) for entry in skipped):
        first = next(entry for entry in skipped if _RUN_FOLDER.fullmatch(entry.name))
        return f"{first.name}: {first.reason}"
    return "make some with `atn-gym run`, or name the folder of another experiment"


def _read_run(folder: Path) -> StoredRun:
    if not _RUN_FOLDER.fullmatch(folder.name) or not folder.is_dir():
        raise _Unreadable("is no run of an experiment")
    summary_file = folder / "summary.json"
    if not summary_file.exists():
        raise _Unreadable("has no summary.json: the run is not complete; `atn-gym run` resumes it")
    config = _read_mapping(folder / "config.yaml")
    _check_config(config, folder.name)
    summary = _read_mapping(summary_file)
    run = StoredRun(folder.name, config, summary, _read_trace(folder / "trace.csv"))
    for name in _ESSENTIAL:
        if math.isnan(run.metric(name)):
            raise _Unreadable(f"summary.json: {name} is {summary.get(name)!r}, not a finite number")
    if summary.get("seed") != run.seed:
        raise _Unreadable(f"summary.json is of seed {summary.get('seed')!r}, not {run.seed}")
    if min(run.metric("flops"), run.metric("run_flops")) <= 0:
        raise _Unreadable("summary.json: flops and run_flops must be above 0")
    return run


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
        raise _Unreadable("config.yaml is no config of a run: env, controller or seed is missing")
    try:
        own = run_key(config)
    except (TypeError, ValueError) as error:
        raise _Unreadable(f"config.yaml holds what no config of a run holds: {error}") from error
    if own != key:
        raise _Unreadable(f"config.yaml is of the run {own}, not of this folder")


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text, _YAML_LOADER) if path.suffix == ".yaml" else json.loads(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise _Unreadable(f"{path.name} cannot be read: {reason}") from error
    if not isinstance(values, dict):
        raise _Unreadable(f"{path.name} holds no mapping")
    return values


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
        raise _Unreadable(f"{path.name} cannot be read: {reason}") from error
    missing = [name for name in _COLUMNS if name not in trace]
    if missing:
        raise _Unreadable(f"{path.name} has no column {missing[0]}")
    return trace
