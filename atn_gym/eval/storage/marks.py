"""Marks of runs in work: they outlive a process that dies, and so tell which runs it was making."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.store import not_written


def is_marked(root: Path, config: Mapping[str, Any]) -> bool:
    """Whether a process died while it made a run. Ask only for a run that is claimed.

    Args:
        root: Folder of the experiment.
        config: Resolved config of the run.
    """
    return _mark(root, config).exists()


def unmark(root: Path, config: Mapping[str, Any]) -> None:
    """Removes the mark of a run, if it has one."""
    _mark(root, config).unlink(missing_ok=True)


@contextlib.contextmanager
def marked(root: Path, configs: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Marks claimed runs as in work, until the context ends or for ever if the process dies.

    Args:
        root: Folder of the experiment.
        configs: Resolved configs of the runs.

    Raises:
        StoreError: If a mark cannot be written.
    """
    try:
        for config in configs:
            _mark(root, config).touch()
    except OSError as error:
        raise not_written(root, error) from error
    try:
        yield
    finally:
        for config in configs:
            unmark(root, config)


def _mark(root: Path, config: Mapping[str, Any]) -> Path:
    return root / ".claims" / f"{run_key(config)}.begun"
