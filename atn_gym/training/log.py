"""The log of a training: one JSON object a line, of which an interruption loses none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter

STEPS = "time/total_timesteps"
"""Key of the number of steps in every row."""
LOG = "log.jsonl"
"""Name of the log in the folder of a training."""
_EVALUATION = "eval/"


class TrainingLog(KVWriter):
    """Appends what the logger of Stable-Baselines3 is given.

    Args:
        path: The file.
        num_timesteps: Where training goes on: later rows, of steps that are taken again, go.
    """

    def __init__(self, path: Path, num_timesteps: int) -> None:
        kept = [row for row in read_log(path) if row[STEPS] <= num_timesteps]
        temporary = path.with_suffix(".writing")
        temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        temporary.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Appends a row, on disk when this returns."""
        numbers = {k: float(v) for k, v in key_values.items() if not isinstance(v, str)}
        self._file.write(json.dumps({**numbers, STEPS: step}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log; the last line may have been cut off by a kill, and is left out then."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def final_evaluations(folder: Path) -> dict[str, float]:
    """What the last evaluation of a training found, by name.

    Args:
        folder: Of the training.
    """
    rows = [row for row in read_log(folder / LOG) if any(k.startswith(_EVALUATION) for k in row)]
    if not rows:
        return {}
    return {
        k.removeprefix(_EVALUATION): v for k, v in rows[-1].items() if k.startswith(_EVALUATION)
    }
