"""Sweeps by a Dask cluster, whose scheduler and workers are started by their own command lines."""

import contextlib
import os
import socket
import time

import pytest
import yaml
from dask_processes import Cluster
from distributed import Client
from sweeps import SWEEP, contents, run, start

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


@pytest.fixture
def dask(request):
    """A cluster of two workers."""
    with contextlib.closing(Cluster(**getattr(request, "param", {}))) as cluster:
        for _ in range(2):
            cluster.add_worker()
        yield cluster


@pytest.mark.slow
def test_results_do_not_depend_on_dask_nor_on_a_worker_killed(sweep, undisturbed, tmp_path, dask):
    process = start(sweep, tmp_path, "--dask", dask.address)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("parts/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    dask.kill(dask.workers[0])
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert contents(tmp_path) == undisturbed


FAILS_AT_ONCE = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@pytest.mark.parametrize("dask", [FAILS_AT_ONCE], indirect=True)
def test_a_job_that_kills_its_dask_worker_is_named_and_processes_are_counted(dask):
    address = dask.address
    with Client(address) as client:
        client.wait_for_workers(2, timeout=60)
    message = "a job killed the Dask workers that ran it.*rerun the command"
    with dask_cluster(address) as (_, workers):
        assert workers == 2
    with pytest.raises(WorkerLost, match=message), dask_cluster(address) as (executor, _):
        executor.submit(os._exit, 1).result(60)


@pytest.mark.slow
def test_a_lost_dask_scheduler_is_named(tmp_path, dask):
    address = dask.address
    # Work for ten seconds at least, of which some is left whenever the first result is seen.
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(yaml.safe_dump({**SWEEP, "seeds": 300}))
    process = start(sweep, tmp_path, "--dask", address)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("parts/*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    dask.scheduler.kill()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2
    assert f"atn-gym: error: the Dask scheduler at '{address}' is lost" in output
    assert "Traceback" not in output, output
