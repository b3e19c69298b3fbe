"""Threads: of jobs side by side, of torch on a machine that others use, and after a fork."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_log = logging.getLogger(__name__)

_SHORTEST_S = 0.2
"""Of shorter work no share is taken: clocks are too coarse."""
_WAITING = 0.8
"""Cores in use on average below which threads wait for each other: one that works uses 1."""

_has_warned = threading.Event()
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


@contextlib.contextmanager
def watched_threads() -> Iterator[None]:
    """Warns once if the work within it runs in threads that wait for busy cores.

    Threads meet after every operation, and each waits for the last: on a busy machine two of
    them can take twenty times as long as one.
    """
    wall, used = time.perf_counter(), time.process_time()
    yield
    wall, used = time.perf_counter() - wall, time.process_time() - used
    threads = torch.get_num_threads()
    if threads > 1 and wall > _SHORTEST_S and used < _WAITING * wall:
        _warn_once(threads, used / wall)


def _warn_once(threads: int, cores: float) -> None:
    if _has_warned.is_set():
        return
    _has_warned.set()
    _log.warning(
        "torch trains in %d threads, which got %.1f cores: other work keeps the machine busy, and "
        "the threads wait for each other. One may be many times faster: call "
        "torch.set_num_threads(1), or set OMP_NUM_THREADS=1",
        threads,
        cores,
    )


@functools.cache
def use_one_thread_after_fork() -> None:
    """Lets torch work in forked children, which inherit a pool of threads without the threads.

    With more than one thread they would deadlock.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))


def in_threads(
    function: Callable[[_Job], _Result], jobs: Sequence[_Job], alone: bool = False
) -> list[_Result]:
    """Applies a function to each job, with as many threads as torch would use.

    Args:
        function: What is done.
        jobs: With what.
        alone: Whether torch must use one thread for each job, so that what it adds up does not
            depend on the number of threads.
    """
    count = torch.get_num_threads()
    threads = min(len(jobs), count)
    if threads <= 1 and not (alone and jobs and count > 1):
        return [function(job) for job in jobs]
    started = threading.Barrier(threads + 1)
    # Not kept: a forked process would inherit an executor without its threads.
    pool = ThreadPoolExecutor(threads, "", _use_one_thread, (started,)) if alone else None
    with pool or ThreadPoolExecutor(threads) as executor:
        results = executor.map(function, jobs)
        if alone:
            _restore(count, started)
        return list(results)


def _use_one_thread(started: threading.Barrier) -> None:
    # Asked first, for the first use of torch in a thread sets its number.
    torch.get_num_threads()
    torch.set_num_threads(1)
    started.wait()


def _restore(count: int, started: threading.Barrier) -> None:
    """Sets what threads get that have yet to use torch, once all workers have set theirs."""
    try:
        started.wait()
    except BaseException:
        started.abort()
        raise
    torch.set_num_threads(count)
