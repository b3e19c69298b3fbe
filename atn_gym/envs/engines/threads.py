"""Threads of torch on a machine that others use, and after a fork."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Iterator

import torch

_log = logging.getLogger(__name__)

_SHORTEST_S = 0.2
"""Of shorter work no share is taken: clocks are too coarse."""
_WAITING = 0.8
"""Cores in use on average below which threads wait for each other: one that works uses 1."""

_has_warned = threading.Event()


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
