"""Reads runs in the layout of earlier versions: a folder for each, with three files.

`<run key>/` holds `config.yaml`, `trace.csv` and `summary.json`; of a run that failed it holds
`config.yaml` and `failure.json`. `atn-gym pack` converts them; nothing else reads them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.parts import RunResult
from atn_gym.eval.storage.sealing import read_sealed
from atn_gym.files import Unreadable, parse_mapping, read_text

_FOLDER = re.compile(r"[0-9a-f]{16}")
_TRUTH = {"True": True, "False": False}


def run_folders(root: Path) -> list[Path]:
    """Folders in a results folder whose names are run keys, sorted."""
    return sorted(path for path in root.iterdir() if _FOLDER.fullmatch(path.name))


def read_run_folder(folder: Path) -> RunResult:
    """Reads a run, or why it failed.

    Args:
        folder: Its folder, whose name is its key.

    Raises:
        Unreadable: If the folder holds neither, or a file of it was changed.
    """
    config_text = read_text(folder / "config.yaml")
    config = parse_mapping(folder / "config.yaml", config_text)
    try:
        own = run_key(config)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"config.yaml holds what no config of a run holds: {error}") from error
    if own != folder.name or type(config.get("seed")) is not int:
        raise Unreadable(f"config.yaml is of the run {own}, not of this folder")
    if (folder / "summary.json").exists():
        trace_text = read_text(folder / "trace.csv")
        summary = read_sealed(folder / "summary.json", config_text, trace_text)
        return RunResult(config, _parse_trace(trace_text), summary)
    if (folder / "failure.json").exists():
        reason = read_sealed(folder / "failure.json", config_text).get("error")
        return RunResult(config, error=str(reason))
    raise Unreadable("has no summary.json: the run is not complete")


def _parse_trace(text: str) -> list[dict[str, Any]]:
    try:
        header, *rows = csv.reader(text.splitlines())
        columns = [_parse_column(values) for values in zip(*rows, strict=True)]
    except (ValueError, csv.Error) as error:
        raise Unreadable(f"trace.csv cannot be read: {error}") from error
    return [dict(zip(header, row, strict=True)) for row in zip(*columns, strict=True)]


def _parse_column(texts: tuple[str, ...]) -> list[Any]:
    kinds: tuple[Callable[[str], Any], ...] = (_TRUTH.__getitem__, int)
    for kind in kinds:
        try:
            return [kind(text) for text in texts]
        except (KeyError, ValueError):
            continue
    return [float(text) for text in texts]
