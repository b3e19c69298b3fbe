"""What the controllers of an experiment are called: `labels.json` in its results folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from atn_gym.eval.storage.runs import LABELS_FILE, read_labels
from atn_gym.eval.storage.store import not_written
from atn_gym.files import Unreadable, remove_temporary, write_atomically

_log = logging.getLogger(__name__)


def set_labels(root: Path, labels: Mapping[str, str | None]) -> None:
    """Stores what some controllers are called, and leaves the labels of others.

    Args:
        root: Folder of the experiment.
        labels: Labels by the `run_key` of the resolved config of the controller; None
            removes one.

    Raises:
        StoreError: If the file cannot be written.
    """
    path = root / LABELS_FILE
    stored = _stored(path)
    if _updated(stored, labels) == stored:
        return
    lock = root / ".claims" / LABELS_FILE
    try:
        lock.parent.mkdir(exist_ok=True)
        with FileLock(lock):
            remove_temporary(root, LABELS_FILE)
            updated = _updated(_stored(path), labels)
            write_atomically(path, json.dumps(updated, indent=2) + "\n")
    except OSError as error:
        raise not_written(root, error) from error


def _updated(stored: Mapping[str, str], labels: Mapping[str, str | None]) -> dict[str, str]:
    return {key: label for key, label in {**stored, **labels}.items() if label is not None}


def _stored(path: Path) -> dict[str, str]:
    try:
        return read_labels(path) if path.exists() else {}
    except Unreadable as error:
        _log.warning("%s is damaged and written anew: %s", path, error)
        return {}
