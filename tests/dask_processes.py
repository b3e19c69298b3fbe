"""A Dask scheduler and its workers, started by their own command lines on loopback."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

from sweeps import children


class Cluster:
    """A scheduler on a port of its own, and the processes that join it."""

    def __init__(self, **environment):
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error",
            **environment,
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler = self._start_scheduler()
        self.workers = []

    def _start_scheduler(self):
        options = ["--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"]
        process = self._start([sys.executable, "-m", "distributed.cli.dask_scheduler", *options])
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), 1),
            ):
                return process
            time.sleep(0.1)
        raise TimeoutError(f"nothing listens at port {self._port}")

    def _start(self, command, cwd=None, **environment):
        return subprocess.Popen(
            command,
            cwd=cwd,
            env={**self._environment, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def add_worker(self, *options, within=(), cwd=None, **environment):
        """Starts a worker of one thread, within a command that runs it, if there is one."""
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address]
        options = ["--no-dashboard", "--nthreads", "1", "--nworkers", "1", *options]
        self.workers.append(self._start([*within, *command, *options], cwd, **environment))
        return self.workers[-1]

    def kill(self, worker):
        """Kills a worker, and the process that would begin it anew."""
        for pid in [worker.pid, *children(worker.pid)]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        worker.wait()

    def restart(self):
        """Kills the scheduler, and starts another one at the same address."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()

    def close(self):
        """Ends all; the scheduler last, for workers that are left alone look for it."""
        for process in [*self.workers, self.scheduler]:
            process.terminate()
        for process in [*self.workers, self.scheduler]:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
