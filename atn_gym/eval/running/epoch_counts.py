"""How many epochs worker processes have trained, for whoever shows progress."""

from __future__ import annotations

import os
from multiprocessing.context import BaseContext

_PLACES = 1024


class EpochCounts:
    """Counts that worker processes share with the one that began them.

    Each process writes to a place of its own, so that there is no lock that one may die with.

    Args:
        context: Starts the processes.
    """

    def __init__(self, context: BaseContext) -> None:
        self._places = context.RawArray("q", _PLACES)

    def add(self, runs: int) -> None:
        """Notes that this process trained an epoch of some runs."""
        self._places[os.getpid() % _PLACES] += runs

    @property
    def total(self) -> int:
        """Epochs of all processes."""
        return sum(self._places)


_of_this_worker: EpochCounts | None = None


def count_here(counts: EpochCounts) -> None:
    """Has this process count its epochs there."""
    global _of_this_worker
    _of_this_worker = counts


def count_epoch(runs: int) -> None:
    """Notes an epoch of some runs, if this is a worker that counts."""
    if _of_this_worker is not None:
        _of_this_worker.add(runs)
