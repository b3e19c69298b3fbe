"""Threads that share the work of one run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def threads_each(runs: int) -> int:
    """How many of torch's threads each of some runs may have: one, where there are many runs."""
    return max(1, torch.get_num_threads() // runs)


def as_team(function: Callable[[bool], object], threads: int) -> None:
    """Calls a function in some threads at once, of which this is the leader.

    Args:
        function: Takes whether its thread is the leader. The others may begin late, or when
            all is done.
        threads: Number of threads.
    """
    if threads <= 1:
        function(True)
        return
    with ThreadPoolExecutor(threads - 1) as executor:
        others = [executor.submit(function, False) for _ in range(threads - 1)]
        function(True)
    for other in others:
        other.result()
