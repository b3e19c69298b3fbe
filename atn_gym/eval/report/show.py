"""Prints single runs: what they were, how they went, and what came of them."""

from __future__ import annotations

from pathlib import Path

import yaml

from atn_gym.eval.report.data_frames import LoadedResults
from atn_gym.files import StoreError, write_atomically

_LISTED = (
    "run",
    "env",
    "controller",
    "seed",
    "compute_adjusted_performance",
    "anytime_performance",
    "final_val_accuracy",
    "collapsed",
)
_MOST_LISTED = 1000
CSV_FILES = ("runs.csv", "epochs.csv")


def shown(results: LoadedResults) -> str:
    """Config, trace and summary of the only run; of several, a list."""
    if len(results) > 1:
        frame = results.runs[[name for name in _LISTED if name in results.runs]]
        lines = [frame.head(_MOST_LISTED).to_string(index=False, float_format="{:.4f}".format)]
        if len(results) > _MOST_LISTED:
            lines.append(f"... and {len(results) - _MOST_LISTED} more")
        lines.append("choose one by --env, --controller and --seed to see its trace")
        return "\n".join(lines)
    run = results.run(0)
    trace = results.epochs.drop(columns=["run", "env", "controller", "seed"])
    sections = {
        "run": run.key,
        "config": _yaml(run.config),
        "trace": trace.to_string(index=False, float_format="{:.4g}".format),
        "summary": _yaml(run.summary),
    }
    return "\n\n".join(f"{name}\n{text}" for name, text in sections.items())


def write_csv(results: LoadedResults, folder: Path) -> list[Path]:
    """Writes the runs and their epochs as CSV files.

    Raises:
        StoreError: If they cannot be written.
    """
    files = [folder / name for name in CSV_FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, frame in zip(files, (results.runs, results.epochs), strict=True):
            write_atomically(file, frame.to_csv(index=False))
    except OSError as error:
        raise StoreError(
            f"CSV files cannot be written to {folder} ({error.strerror}): choose another folder"
        ) from error
    return files


def _yaml(values: object) -> str:
    text: str = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, width=100)
    return text.rstrip()
