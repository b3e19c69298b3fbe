"""Sweeps by several processes, killed and resumed: the results are always the same."""

import contextlib
import functools
import json
import multiprocessing
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from distributed import Client
from strikes import strike

from atn_gym import cli
from atn_gym.config import load_config
from atn_gym.eval.running.executors import dask_cluster, processes
from atn_gym.eval.running.experiment import Progress, WorkerLost, run_experiment
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.store import ResultStore

SWEEP = {
    "experiment": "sweep",
    "envs": [
        {"id": f"atn_gym/DigitsCnn-{regime}-v0", "num_epochs": 10}
        for regime in ("DataShift", "Stationary")
    ],
    "controllers": ["fixed", "autotunenet", {"name": "step", "gamma": 0.5}],
    "seeds": 6,
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    path = tmp_path_factory.mktemp("sweep") / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP))
    return path


def run(config, results, *arguments):
    return cli.main(["run", "--config", str(config), "--results", str(results), *arguments])


def contents(results):
    """Every file but the locks, by its path, without wall-clock.

    And without the commit: the tree may be worked in while this test runs.
    """
    files = {}
    for path in sorted((results / "sweep").rglob("*")):
        if path.is_dir() or ".claims" in path.parts:
            continue
        text = path.read_text()
        if path.name == "summary.json":
            # The checksum is of these as well.
            text = json.dumps(
                {**json.loads(text), "wall_clock_s": None, "commit": None, "checksum": None}
            )
        files[str(path.relative_to(results))] = text
    return files


@pytest.fixture(scope="module")
def undisturbed(sweep, tmp_path_factory):
    results = tmp_path_factory.mktemp("undisturbed")
    assert run(sweep, results) == 0
    return contents(results)


def start(config, results, *arguments):
    command = [sys.executable, "-m", "atn_gym.cli", "run", "--config", str(config)]
    return subprocess.Popen(
        [*command, "--results", str(results), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, a shell has them ignore interrupts.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_results_do_not_depend_on_workers(sweep, undisturbed, tmp_path, capsys):
    assert run(sweep, tmp_path, "--workers", "2") == 0
    found = contents(tmp_path)
    assert without_manifest(found) == without_manifest(undisturbed)
    assert found.keys() == undisturbed.keys()
    assert "36 runs complete, 0 failed" in capsys.readouterr().out


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_as_if_undisturbed(sweep, undisturbed, tmp_path):
    draws = random.Random(0)
    arguments = ["run", "--config", str(sweep), "--results", str(tmp_path)]
    strikes = []
    while len(strikes) < 20 and len(list(tmp_path.rglob("summary.json"))) < 36:
        delay = draws.choice([0, draws.uniform(0.001, 0.03)])
        strike(arguments, tmp_path, draws.randint(1, 12), delay)
        files = contents(tmp_path).items()
        stored = {path: text for path, text in files if Path(path).name == "summary.json"}
        assert stored.items() <= undisturbed.items()
        strikes.append(len(stored))
    assert len(strikes) >= 5
    assert len(set(strikes)) >= 3, "they struck at different stages"
    assert run(sweep, tmp_path) == 0
    assert without_manifest(contents(tmp_path)) == without_manifest(undisturbed)


def without_manifest(files):
    """Without what tells of the commands, which are others if one is killed."""
    return {path: text for path, text in files.items() if Path(path).name != "manifest.json"}


@pytest.mark.slow
def test_two_processes_on_one_folder_share_the_work(sweep, undisturbed, tmp_path):
    both = [start(sweep, tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    found = contents(tmp_path)
    assert without_manifest(found) == without_manifest(undisturbed)
    assert all("36 runs complete" in output for output in outputs)


def test_runs_claimed_elsewhere_are_waited_for_and_made_if_the_claim_ends(sweep, tmp_path):
    config = load_config(sweep).model_copy(update={"seeds": [0]})
    store = ResultStore(tmp_path)
    other = ResultStore(tmp_path)
    seen: list[int] = []
    with contextlib.ExitStack() as stack:
        (claimed,) = run_configs(config.envs[0], config.controllers[0], [0], twins=True)
        assert stack.enter_context(other.claims([claimed])) == [True]

        def on_progress(progress: Progress) -> None:
            seen.append(progress.runs_done)
            if progress.runs_done == 5:
                assert store.read(claimed) is None
                stack.close()

        outcomes = run_experiment(config, store, on_progress)
    assert seen[-1] == 6
    assert all(len(outcome.summaries) == 1 for outcome in outcomes)


def die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_named_with_the_remedy(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("atn_gym.eval.running.experiment.run_job", die)
    store = ResultStore(tmp_path)
    with (
        processes(2) as executor,
        pytest.raises(WorkerLost, match=r"worker process died.*run the same command again"),
    ):
        run_experiment(load_config(sweep), store, executor=executor, workers=2)


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(sweep, tmp_path):
    process = start(sweep, tmp_path, "--workers", "2")
    try:
        workers = children_once_begun(process)
    finally:
        process.kill()
        process.communicate()
    assert_they_end(workers)


def children_once_begun(process):
    """Two workers and the process that tracks what they share."""
    deadline = time.monotonic() + 60
    while len(found := children(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(found) == 3
    return found


def children(pid):
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if re.search(rf"^PPid:\s+{pid}$", status.read_text(), re.MULTILINE):
                found.append(int(status.parent.name))
    return found


def assert_they_end(pids):
    deadline = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(alive, pids))


def alive(pid):
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.mark.slow
def test_an_interrupt_ends_workers_at_once_and_says_how_to_resume(sweep, tmp_path):
    process = start(sweep, tmp_path, "--workers", "2")
    workers = children_once_begun(process)
    # As from a terminal, which interrupts all: the workers are still importing.
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "interrupted; run the same command again to resume" in output
    assert "Traceback" not in output, output
    assert_they_end(workers)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(sweep, tmp_path, capsys):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert run(sweep, tmp_path) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_wrong_numbers_of_workers_are_named(sweep, tmp_path, capsys):
    assert run(sweep, tmp_path, "--workers", "0") == 2
    assert "--workers must be an integer >= 1, got 0" in capsys.readouterr().err


def test_a_dask_address_without_a_scheduler_is_named(sweep, tmp_path, capsys, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("atn_gym.eval.running.executors._CONNECT_SECONDS", 1)
    assert run(sweep, tmp_path, "--dask", f"tcp://127.0.0.1:{port}") == 2
    assert "no Dask scheduler answers at" in capsys.readouterr().err


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
    while not list(tmp_path.rglob("summary.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in [first.pid, *children(first.pid)]:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    found = contents(tmp_path)
    assert without_manifest(found) == without_manifest(undisturbed)


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
    while not list(tmp_path.rglob("summary.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    scheduler.kill()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2
    assert f"atn-gym: error: the Dask scheduler at '{address}' is lost" in output
    assert "Traceback" not in output, output


def test_multiprocessing_is_left_as_it_was():
    before = multiprocessing.get_start_method()
    with processes(1) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()
    assert multiprocessing.get_start_method() == before
