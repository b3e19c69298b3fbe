"""Workers of a Dask cluster, which are waited for with a message and a time limit."""

from __future__ import annotations

import contextlib
import functools
import logging
import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from atn_gym.errors import DependencyUnavailable, InvalidArgument, one_line
from atn_gym.eval.running.executors import WorkerDied, WorkerLost
from atn_gym.eval.running.origin import WorkerRefused

_CONNECT_SECONDS = 10
_SAID_AFTER_S = 10.0
"""Seconds without a worker after which that is said."""
_GIVEN_UP_AFTER_S = 300.0
"""Seconds without a worker after which the command ends."""
_POLL_S = 2.0

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def dask_cluster(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a Dask cluster, which need not see the folder of the results.

    What goes by "module:Class" or "module:id" must be importable there: its folder belongs on
    the PYTHONPATH of the workers. Jobs wait for workers that are gone, which the log says after
    some seconds; after five minutes without any the jobs raise `WorkerLost`.

    Args:
        address: Address of the scheduler, such as "tcp://host:8786".

    Yields:
        The cluster, and the number of its processes on the host that has the most: they share
        the cores of that machine. Workers that join later are not counted.

    Raises:
        DependencyUnavailable: If Dask is not installed.
        InvalidArgument: If there is no scheduler at the address.
        WorkerLost: If a job killed its workers, the scheduler is gone, or all workers are.
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
    # What a job raises comes back as its result: tornado would also log it, at length.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    try:
        with client, contextlib.closing(_Watched(client, KilledWorker, address)) as executor:
            # A cluster that grows with its work may have none yet.
            with contextlib.suppress(TimeoutError):
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            hosts = Counter(urlsplit(worker).hostname for worker in client.nthreads())
            try:
                yield executor, max(hosts.values(), default=1)
            except (CancelledError, CommClosedError):
                # Or else the client logs, at length, that it no longer tries to connect.
                logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
                raise
    except (CancelledError, CommClosedError) as error:
        raise WorkerLost(
            f"the Dask scheduler at {address!r} is lost: complete runs are kept; start one with "
            "`dask scheduler` and run the same command again to resume"
        ) from error


@dataclass(frozen=True)
class _Call:
    """A call that is made when it is unpickled.

    A worker that cannot unpickle the function of a job would drop its connection, and get the job
    again and again; what fails while the job runs is the result of the job.
    """

    function: Callable[[], Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, ()


class _Watched(Executor):
    """A cluster whose workers are counted while there are jobs.

    Args:
        client: Client of the cluster.
        killed: What a job raises that killed its workers.
        address: What messages call it.
    """

    def __init__(self, client: Any, killed: type[Exception], address: str) -> None:
        self._client = client
        self._killed = killed
        self._address = address
        self._jobs: dict[str, tuple[Any, Future[Any]]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs a call on a worker."""
        outer: Future[Any] = Future()
        call = pickle.dumps(_Call(functools.partial(fn, *args, **kwargs)))
        job = self._client.submit(pickle.loads, call, pure=False)
        with self._lock:
            self._jobs[job.key] = job, outer
        job.add_done_callback(self._end)
        return outer

    @property
    def num_workers(self) -> int:
        """Jobs that the cluster runs at once, now."""
        return sum(self._client.nthreads().values())

    def close(self) -> None:
        """Ends the watch, not the cluster."""
        self._closed.set()

    def _end(self, job: Any) -> None:
        with self._lock:
            _, outer = self._jobs.pop(job.key, (None, None))
        if outer is None:
            return
        if job.status == "cancelled":
            outer.set_exception(CancelledError())
            return
        try:
            outer.set_result(job.result())
        except self._killed as error:
            died = WorkerDied(
                "a job killed the Dask workers that ran it, perhaps because memory ran out: "
                "complete runs are kept; rerun the command to resume, with fewer workers a machine "
                "if it recurs"
            )
            died.__cause__ = error
            outer.set_exception(died)
        except (ImportError, SyntaxError) as error:
            refused = WorkerRefused(
                "a Dask worker cannot import what a job needs "
                f"({type(error).__name__}: {one_line(error)}): install the same on all machines, "
                "and restart the workers"
            )
            refused.__cause__ = error
            outer.set_exception(refused)
        except Exception as error:
            outer.set_exception(error)

    def _watch(self) -> None:
        last, said = time.monotonic(), False
        while not self._closed.wait(_POLL_S):
            if not self._jobs or self._num_ready() != 0:
                last, said = time.monotonic(), False
                continue
            waited = time.monotonic() - last
            if waited > _SAID_AFTER_S and not said:
                said = True
                _log.warning(
                    "the Dask cluster at %s has no worker that takes jobs: waiting %.0f s for one; "
                    "start it with `dask worker %s`",
                    self._address,
                    max(_GIVEN_UP_AFTER_S - waited, 0),
                    self._address,
                )
            elif waited > _GIVEN_UP_AFTER_S:
                self._give_up()

    def _num_ready(self) -> int | None:
        """Workers that take jobs; None if the scheduler does not answer."""
        try:
            workers: Any = self._client.scheduler_info(n_workers=-1)["workers"].values()
        except Exception:
            return None
        return [worker.get("status", "running") for worker in workers].count("running")

    def _give_up(self) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, {}
        for _, outer in jobs.values():
            outer.set_exception(
                WorkerLost(
                    f"the Dask cluster at {self._address} has had no worker that takes jobs for "
                    f"{_GIVEN_UP_AFTER_S:.0f} s: complete runs are kept; start workers with `dask "
                    f"worker {self._address}` and run the same command again to resume"
                )
            )
