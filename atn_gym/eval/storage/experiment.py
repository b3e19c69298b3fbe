"""Reads the results of an experiment back: every complete run, and why others are not read.

Everything else is named and left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atn_gym.eval.storage.labels import LABELS_FILE, ControllerNames, read_labels
from atn_gym.eval.storage.reading import PARTS_FOLDER, StoredParts, part_names, read_parts
from atn_gym.eval.storage.run_folders import run_folders
from atn_gym.eval.storage.runs import StoredFailure, StoredRun, stored_runs
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.eval.storage.store import DAMAGED_FOLDER, MANIFEST_FILE
from atn_gym.files import StoreError, Unreadable

REPORT_FILES = ("report.html", "report.md", "summary.csv")
PAPER_FOLDER = "paper"


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
        found = _read_parts(root / PARTS_FOLDER)
    except OSError as error:
        raise StoreError(
            f"results folder {root} cannot be read ({error.strerror}): name the folder of an "
            "experiment that `atn-gym run` has written, such as results/digits_data_shift"
        ) from error
    reasons = {f"{PARTS_FOLDER}/{name}": reason for name, reason in found.damaged.items()}
    reasons |= {f"run {key}": reason for key, reason in found.faulty.items()}
    manifest = None
    names = ControllerNames()
    folders = run_folders(root)
    for path in entries:
        try:
            if path.name == MANIFEST_FILE:
                manifest = read_sealed(path)
            elif path.name == LABELS_FILE:
                names = read_labels(path)
            elif path in folders:
                raise Unreadable(f"is in the layout of earlier versions: {_CONVERT} {root}`")
            elif path.name not in (
                *REPORT_FILES,
                PAPER_FOLDER,
                PARTS_FOLDER,
                DAMAGED_FOLDER,
            ):
                raise Unreadable("is not a file of an experiment")
        except Unreadable as error:
            reasons[path.name] = str(error)
    # Of a file, the reason begins with the name, which stands before it.
    skipped = [
        Skipped(name, reason.removeprefix(Path(name).name).lstrip(": "))
        for name, reason in reasons.items()
    ]
    runs = stored_runs(found.runs)
    if not runs:
        raise StoreError(
            f"results folder {root} holds no complete run: "
            f"{_remedy(root, found, skipped, bool(folders))}"
        )
    return StoredExperiment(
        root, runs, found.failures, skipped, manifest, names.labels, names.current
    )


_CONVERT = "convert it with `atn-gym pack"


def _read_parts(folder: Path) -> StoredParts:
    """Reads all parts; once more, if some were merged meanwhile."""
    found = read_parts(folder, part_names(folder))
    while found.gone:
        found = read_parts(folder, part_names(folder))
    return found


def _remedy(root: Path, found: StoredParts, skipped: list[Skipped], has_folders: bool) -> str:
    inside = [path.parent for path in sorted(root.glob(f"*/{MANIFEST_FILE}"))]
    if inside:
        return f"name the folder of one experiment, such as {inside[0]}"
    if found.failures:
        count = len(found.failures)
        which = "the only run" if count == 1 else f"all {count} runs"
        return f"{which} failed: {found.failures[0].reason}"
    if found.damaged or found.faulty or has_folders:
        first = next(entry for entry in skipped if entry.name != MANIFEST_FILE)
        return f"{first.name}: {first.reason}"
    return "make some with `atn-gym run`, or name the folder of another experiment"
