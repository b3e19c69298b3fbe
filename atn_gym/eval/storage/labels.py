"""What the controllers of an experiment are called, and which source of each is current."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.sealing import read_sealed, seal
from atn_gym.eval.storage.store import not_written
from atn_gym.files import Unreadable, remove_temporary, write_atomically

LABELS_FILE = "labels.json"

_log = logging.getLogger(__name__)
DIGESTS = ("source_digest", "content_digest")
"""Fields of the config of a controller that change when its files do."""


@dataclass(frozen=True)
class ControllerNames:
    """What `labels.json` holds.

    Args:
        labels: What controllers are called, by the `run_key` of their configs.
        current: The `run_key` of the config that the last command had, by the `contender_key`
            that it shares with those of earlier sources.
    """

    labels: dict[str, str] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)


def contender_key(controller: Mapping[str, Any]) -> str:
    """Names a controller with its arguments; versions of its files share the name."""
    return run_key({k: v for k, v in controller.items() if k not in DIGESTS})


def read_labels(path: Path) -> ControllerNames:
    """Reads what the controllers of an experiment are called.

    Raises:
        Unreadable: If it cannot be read, or was changed.
    """
    stored = read_sealed(path)
    labels, current = stored.get("labels"), stored.get("current")
    for values in (labels, current):
        texts = values.values() if isinstance(values, dict) else [values]
        for text in texts:
            if not isinstance(text, str):
                raise Unreadable(f"{path.name}: a label must be text, got {text!r}")
    assert isinstance(labels, dict)
    assert isinstance(current, dict)
    return ControllerNames(labels, current)


def set_labels(
    root: Path, labels: Mapping[str, str | None], current: Mapping[str, str] | None = None
) -> None:
    """Stores what some controllers are called, and leaves the others as they are.

    Args:
        root: Folder of the experiment.
        labels: Labels by the `run_key` of the resolved config of the controller; None
            removes one.
        current: Which configs are current, as in `ControllerNames`.

    Raises:
        StoreError: If the file cannot be written.
    """
    path = root / LABELS_FILE
    new = dict(current or {})
    stored = _stored(path)
    if _updated(stored, labels, new) == stored:
        return
    lock = root / ".claims" / LABELS_FILE
    try:
        lock.parent.mkdir(exist_ok=True)
        with FileLock(lock):
            remove_temporary(root, LABELS_FILE)
            updated = _updated(_stored(path), labels, new)
            write_atomically(path, seal({"labels": updated.labels, "current": updated.current}))
    except OSError as error:
        raise not_written(root, error) from error


def _updated(
    stored: ControllerNames, labels: Mapping[str, str | None], current: Mapping[str, str]
) -> ControllerNames:
    merged = {**stored.labels, **labels}
    kept = {key: label for key, label in merged.items() if label is not None}
    return ControllerNames(kept, {**stored.current, **current})


def _stored(path: Path) -> ControllerNames:
    try:
        return read_labels(path) if path.exists() else ControllerNames()
    except Unreadable as error:
        _log.warning("%s is damaged and written again: %s", path, error)
        return ControllerNames()
