"""Where jobs run: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from urllib.parse import urlsplit

from atn_gym.errors import AtnGymError, DependencyUnavailable, InvalidArgument

_CONNECT_SECONDS = 10


class WorkerLost(AtnGymError, RuntimeError):
    """A worker process died, and with it the runs that it was making."""


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Processes on this machine, ended at once on an interrupt.

    They are spawned: a fork of a process that has used threads can stand still for ever.

    Args:
        workers: Number of processes, >= 1.
    """
    # Started first, for its start lets interrupts through again.
    resource_tracker.ensure_running()
    executor = ProcessPoolExecutor(workers, _Spawning(), initializer=_follow_parent_in_background)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    executor.shutdown()


class _Worker(SpawnProcess):
    """A process that no interrupt reaches, from its first moment on.

    One of the terminal reaches all processes: the first one decides.
    """

    def start(self) -> None:
        """Starts it with interrupts held back, which it inherits."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Spawning(SpawnContext):
    Process = _Worker


def _follow_parent_in_background() -> None:
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Ends this worker when the process that began it is gone, killed perhaps."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, which must see the folder of the results.

    What goes by "module:Class" or "module:id" must be importable there: its folder belongs on
    the PYTHONPATH of the workers.

    Args:
        address: Address of the scheduler, such as "tcp://host:8786".

    Yields:
        The cluster, and the number of its processes on the host that has the most: they share
        the cores of that machine. Workers that join later are not counted.

    Raises:
        DependencyUnavailable: If Dask is not installed.
        InvalidArgument: If there is no scheduler at the address.
        WorkerLost: If a job killed its workers, or the scheduler is gone.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
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
    # What a job raises comes back as its result: tornado would log it besides, at length.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    try:
        with client:
            # A cluster that grows with its work may have none yet.
            with contextlib.suppress(TimeoutError):
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            hosts = Counter(urlsplit(worker).hostname for worker in client.nthreads())
            try:
                yield client.get_executor(), max(hosts.values(), default=1)
            except (CancelledError, CommClosedError):
                # Or else the client logs, at length, that it no longer tries to connect.
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
                raise
    except KilledWorker as error:
        raise WorkerLost(
            "a job killed the Dask workers that ran it, perhaps for want of memory: complete runs "
            "are kept; run the same command again to resume, with fewer workers a machine if it "
            "recurs"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise WorkerLost(
            f"the Dask scheduler at {address!r} is lost: complete runs are kept; start one with "
            "`dask scheduler` and run the same command again to resume"
        ) from error
