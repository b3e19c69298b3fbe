"""Sweeps by a Dask cluster, whose scheduler and workers are started by their own command lines."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml
from distributed import Client
from sweeps import SWEEP, children, contents, run, start

from atn_gym.eval.running.cluster import dask_cluster
from atn_gym.eval.running.executors import WorkerLost


def test_a_dask_address_without_a_scheduler_is_named(sweep, tmp_path, capsys, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("atn_gym.eval.running.cluster._CONNECT_SECONDS", 1)
    assert run(sweep, tmp_path, "--dask", f"tcp://127.0.0.1:{port}") == 2
    assert "no Dask scheduler answers at" in capsys.readouterr().err


def test_an_empty_dask_address_is_no_local_run(sweep, tmp_path, capsys):
    assert run(sweep, tmp_path, "--dask", "") == 2
    assert "--dask must be the address of a scheduler" in capsys.readouterr().err


def wait_until_listening(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.fail(f"nothing listens at port {port}")


@pytest.fixture
def dask_scheduler(request):
    """A scheduler with two worker processes of one thread each, on loopback."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "error",
        **getattr(request, "param", {}),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard"]
    options = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        subprocess.Popen(
            [*dask, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **options
        )
    ]
    try:
        wait_until_listening(port)
        for _ in range(2):
            started.append(
                subprocess.Popen([*worker, "--nthreads", "1", "--nworkers", "1"], **options)
            )
        yield address, started
    finally:
        # The scheduler last: workers that are left alone look for it for a while.
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.slow
def test_results_do_not_depend_on_dask_nor_on_a_worker_killed(
    sweep, undisturbed, tmp_path, dask_scheduler
):
    address, (_, first, _) = dask_scheduler
    process = start(sweep, tmp_path, "--dask", address)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("parts/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in [first.pid, *children(first.pid)]:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert contents(tmp_path) == undisturbed


FAILS_AT_ONCE = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@pytest.mark.parametrize("dask_scheduler", [FAILS_AT_ONCE], indirect=True)
def test_a_job_that_kills_its_dask_worker_is_named_and_processes_are_counted(dask_scheduler):
    address, _ = dask_scheduler
    with Client(address) as client:
        client.wait_for_workers(2, timeout=60)
    message = "a job killed the Dask workers that ran it.*run the same command again"
    with dask_cluster(address) as (_, workers):
        assert workers == 2
    with pytest.raises(WorkerLost, match=message), dask_cluster(address) as (executor, _):
        executor.submit(os._exit, 1).result(60)


@pytest.mark.slow
def test_a_lost_dask_scheduler_is_named(tmp_path, dask_scheduler):
    address, (scheduler, *_) = dask_scheduler
    # Work for ten seconds at least, of which some is left whenever the first result is seen.
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(yaml.safe_dump({**SWEEP, "seeds": 300}))
    process = start(sweep, tmp_path, "--dask", address)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("parts/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    scheduler.kill()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2
    assert f"atn-gym: error: the Dask scheduler at '{address}' is lost" in output
    assert "Traceback" not in output, output
