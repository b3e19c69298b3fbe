"""The log of a training: one JSON object a line, kept through interruptions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, TensorBoardOutputFormat

from atn_gym.errors import DependencyUnavailable

STEPS = "time/total_timesteps"
"""Key of the number of steps in every row."""
LOG = "log.jsonl"
"""Name of the log in the folder of a training."""
_EVALUATION = "eval/"


class TrainingLog(KVWriter):
    """Appends what the logger of Stable-Baselines3 is given.

    Args:
        path: The file.
        num_timesteps: Step from which training resumes; later rows are removed.
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


class _TensorBoard(TensorBoardOutputFormat):
    """TensorBoard files in which steps that are taken again stand once.

    Args:
        folder: Of the files.
        num_timesteps: Step from which training resumes; what was written of later steps is removed.
    """

    def __init__(self, folder: Path, num_timesteps: int) -> None:
        # Imported here because it is slow, and because the library of the base class is optional.
        from torch.utils.tensorboard import SummaryWriter

        purge = num_timesteps + 1 if num_timesteps else None
        self.writer = SummaryWriter(log_dir=str(folder), purge_step=purge)
        self._is_closed = False


def tensorboard_output(folder: Path, num_timesteps: int) -> KVWriter:
    """What writes TensorBoard files, see `_TensorBoard`.

    Raises:
        DependencyUnavailable: If tensorboard is not installed.
    """
    try:
        return _TensorBoard(folder, num_timesteps)
    except ImportError as error:
        raise DependencyUnavailable(
            f"atn-gym train needs tensorboard ({error}): pip install 'atn_gym[rl]'"
        ) from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log; a line that is not JSON, such as one cut off by a kill, is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and all(type(value) in (int, float) for value in row.values()):
            rows.append(row)
    return [row for row in rows if STEPS in row]


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
