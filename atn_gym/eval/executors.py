"""Where jobs run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor

from atn_gym.errors import DependencyUnavailable, InvalidArgument

_CONNECT_SECONDS = 10


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Processes on this machine, ended at once on an interrupt.

    They are spawned: a fork of a process that has used threads can stand still for ever.

    Args:
        workers: Number of processes, >= 1.
    """
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    executor.shutdown()


def _begin_worker() -> None:
    # An interrupt of the terminal reaches all processes: the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Ends this worker when the process that began it is gone, killed perhaps."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster, which must see the folder of the results.

    Args:
        address: Address of the scheduler, such as "tcp://host:8786".

    Raises:
        DependencyUnavailable: If Dask is not installed.
        InvalidArgument: If there is no scheduler at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DependencyUnavailable(
            f"--dask needs Dask's distributed ({error}): pip install 'atn_gym[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidArgument(
            f"no Dask scheduler answers at {address!r} ({error}): start one with `dask scheduler`"
        ) from error
    with client:
        yield client.get_executor()
