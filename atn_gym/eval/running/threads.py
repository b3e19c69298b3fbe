"""How many threads train, so that processes on one machine do not oversubscribe its cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch


def core_count() -> int:
    """Cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


def thread_count(engine: str, workers: int) -> int:
    """Threads that an engine trains with, in each of some processes.

    The torch engine gets one thread always: its results depend on their number, and must not
    depend on the number of processes.

    Args:
        engine: A name of an engine, not "auto".
        workers: Number of processes that share the cores of this machine, >= 1.
    """
    if engine == "torch":
        return 1
    return max(1, core_count() // workers)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Gives this process a number of threads, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
