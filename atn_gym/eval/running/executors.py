"""Worker processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from atn_gym.errors import AtnGymError
from atn_gym.eval.running.epoch_counts import EpochCounts, count_here

_KEPT = "complete runs are kept; run the same command again to resume"
_MOST_DEATHS = 3
"""Times that a worker may die without a job done in between."""
_END_WITHIN_S = 5.0
"""Seconds that a worker has to end after its last job."""


class WorkerLost(AtnGymError, RuntimeError):
    """A worker process died, and with it the runs that it was making."""


class WorkerDied(WorkerLost):
    """A worker died with a job that another one may take."""


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Processes on this machine, ended at once on an interrupt.

    They are spawned: a fork of a process that has used threads can deadlock. If one
    dies, all are started again, and the jobs that are not done raise `WorkerDied`.

    Args:
        workers: Number of processes, >= 1.
    """
    # Started first, for its start lets interrupts through again.
    with _quiet_tracker():
        resource_tracker.ensure_running()
    executor = _Renewed(workers)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in _workers():
            process.terminate()
        raise
    executor.shutdown(wait=False)
    for process in _workers():
        process.join(_END_WITHIN_S)
        # A controller's thread that still runs would keep it.
        process.terminate()


def _workers() -> list[SpawnProcess]:
    return [each for each in multiprocessing.active_children() if isinstance(each, _Worker)]


@contextlib.contextmanager
def _quiet_tracker() -> Iterator[None]:
    """Has a tracker that starts within say nothing of what a process that was killed left."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, "ignore:resource_tracker"]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


class _Renewed(Executor):
    """A pool of processes, in whose place another one comes when it breaks."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._deaths = 0
        self._counts = EpochCounts(_Spawning())
        self._pool = self._make_pool()

    def _make_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, _Spawning(), initializer=_begin, initargs=(self._counts,)
        )

    def _pool_after(self, broken: ProcessPoolExecutor, cause: BaseException) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is broken:
                self._deaths += 1
                if self._deaths >= _MOST_DEATHS:
                    raise WorkerLost(
                        "a worker process died again and again, perhaps because memory ran out: "
                        f"{_KEPT}, with fewer workers if it recurs"
                    ) from cause
                self._pool = self._make_pool()
            return self._pool

    @property
    def epochs_trained(self) -> int:
        """Epochs that the processes have trained so far."""
        return self._counts.total

    @property
    def num_workers(self) -> int:
        """Number of processes."""
        return self._workers

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a call in one of the processes.

        Its future raises `WorkerDied` if that dies, and `WorkerLost` once processes die again and
        again without a result in between.
        """
        outer: Future[Any] = Future()

        def begin(pool: ProcessPoolExecutor) -> None:
            try:
                inner = pool.submit(fn, *args, **kwargs)
            except BrokenProcessPool as error:
                begin(self._pool_after(pool, error))
            else:
                inner.add_done_callback(lambda inner: end(inner, pool))

        def end(inner: Future[Any], pool: ProcessPoolExecutor) -> None:
            if inner.cancelled():
                outer.cancel()
                return
            error = inner.exception()
            if isinstance(error, BrokenProcessPool):
                # Nothing is raised within a callback, but for a pool that is shut down.
                try:
                    self._pool_after(pool, error)
                    outer.set_exception(WorkerDied(f"a worker process died: {_KEPT}"))
                except RuntimeError as instead:
                    outer.set_exception(instead)
            elif error is not None:
                outer.set_exception(error)
            else:
                self._deaths = 0
                outer.set_result(inner.result())

        begin(self._pool)
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


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


def _begin(counts: EpochCounts) -> None:
    """Begins a worker."""
    count_here(counts)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Ends this worker when the process that began it is gone, killed perhaps."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
