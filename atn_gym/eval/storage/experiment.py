"""Reads the results of an experiment back: every complete run, and why others are not read.

Whatever is no complete run is named and left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atn_gym.eval.storage.labels import LABELS_FILE, ControllerNames, read_labels
from atn_gym.eval.storage.runs import (
    RUN_FOLDER,
    StoredFailure,
    StoredRun,
    read_failure,
    read_run,
)
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import MANIFEST_FILE
from atn_gym.files import StoreError, Unreadable

REPORT_FILES = ("report.html", "report.md", "summary.csv")


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
        failures: Runs that failed and were not made since, likewise.
        skipped: All else, but for the manifest, labels, reports and hidden files.
        manifest: What made the results; None if that is missing or cannot be read.
        labels: What controllers are called, by the `run_key` of their configs.
        current: Which config of a controller is current, see `ControllerNames`.
        stale: Controllers that `select` left out because their files have changed, in words.
    """

    root: Path
    runs: list[StoredRun]
    failures: list[StoredFailure]
    skipped: list[Skipped]
    manifest: dict[str, Any] | None
    labels: dict[str, str]
    current: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the experiment, which is that of its folder."""
        return self.root.resolve().name


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
    runs: list[StoredRun] = []
    failures: list[StoredFailure] = []
    skipped: list[Skipped] = []
    manifest = None
    names = ControllerNames()
    for path in entries:
        try:
            if path.name == MANIFEST_FILE:
                manifest = read_sealed(path)
            elif path.name == LABELS_FILE:
                names = read_labels(path)
            elif path.name not in REPORT_FILES:
                _read_entry(path, runs, failures)
        except Unreadable as error:
            # Of a file, the reason begins with the name, which is said already.
            reason = str(error).removeprefix(path.name).lstrip(": ")
            skipped.append(Skipped(path.name, reason))
    if not runs:
        raise StoreError(
            f"results folder {root} holds no complete run: {_remedy(root, failures, skipped)}"
        )
    return StoredExperiment(root, runs, failures, skipped, manifest, names.labels, names.current)


def _read_entry(path: Path, runs: list[StoredRun], failures: list[StoredFailure]) -> None:
    try:
        runs.append(read_run(path))
    except Unreadable:
        failure = read_failure(path)
        if failure is None:
            raise
        failures.append(failure)


def _remedy(root: Path, failures: list[StoredFailure], skipped: list[Skipped]) -> str:
    inside = [path.parent for path in sorted(root.glob(f"*/{MANIFEST_FILE}"))]
    if inside:
        return f"name the folder of one experiment, such as {inside[0]}"
    if failures:
        failed = "the only run" if len(failures) == 1 else f"all {len(failures)} runs"
        return f"{failed} failed: {failures[0].reason}"
    if any(RUN_FOLDER.fullmatch(entry.name) for entry in skipped):
        first = next(entry for entry in skipped if RUN_FOLDER.fullmatch(entry.name))
        return f"{first.name}: {first.reason}"
    return "make some with `atn-gym run`, or name the folder of another experiment"
