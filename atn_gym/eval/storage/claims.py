"""Claims on runs: a file for each run in work, locked by the process that makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Claims:
    """What a process has claimed.

    Args:
        mine: Keys of the runs that were free, and are now claimed.
        suspects: Those of them that another process was making when it died.
        kept: Keys whose files are to stay, as if this process had died: whoever claims them
            next suspects them.
    """

    mine: set[str] = field(default_factory=set)
    suspects: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)


@contextlib.contextmanager
def claiming(folder: Path, keys: Sequence[str]) -> Iterator[Claims]:
    """Claims runs for this process, so that no other on this machine makes them too.

    A claim ends with the context, or with the process, however it ends. Only a process that is
    killed leaves the file of a claim. The file is removed before its lock is released: whoever
    opened it in between claims a run twice with another process, which costs time, but no result.

    Args:
        folder: Where the files lie; it exists.
        keys: Keys of the runs.

    Yields:
        The claims.

    Raises:
        OSError: If the folder cannot be written.
    """
    claims = Claims()
    with contextlib.ExitStack() as stack:
        for key in keys:
            path = folder / key
            was_there = path.exists()
            try:
                stack.enter_context(FileLock(path, blocking=False))
            except Timeout:
                continue
            claims.mine.add(key)
            if was_there:
                claims.suspects.add(key)
        try:
            yield claims
        finally:
            for key in claims.mine - claims.kept:
                (folder / key).unlink(missing_ok=True)
