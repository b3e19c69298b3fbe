"""Sweeps by several processes, killed and resumed: the results are always the same."""

import contextlib
import multiprocessing
import os
import signal
import stat
import time
from pathlib import Path

import pytest
from sweeps import children, contents, run, start

from atn_gym.config import load_config
from atn_gym.eval.running.executors import WorkerLost, processes
from atn_gym.eval.running.experiment import Progress, run_experiment
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.store import ResultStore


@pytest.mark.slow
def test_results_do_not_depend_on_workers(sweep, undisturbed, tmp_path, capsys):
    assert run(sweep, tmp_path, "--workers", "2") == 0
    assert contents(tmp_path) == undisturbed
    assert "36 runs complete, 0 failed" in capsys.readouterr().out


@pytest.mark.slow
def test_two_processes_on_one_folder_share_the_work(sweep, undisturbed, tmp_path):
    both = [start(sweep, tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert contents(tmp_path) == undisturbed
    assert all("36 runs complete" in output for output in outputs)


def test_runs_claimed_elsewhere_are_waited_for_and_made_if_the_claim_ends(sweep, tmp_path):
    config = load_config(sweep).model_copy(update={"seeds": [0]})
    store = ResultStore(tmp_path)
    other = ResultStore(tmp_path)
    seen: list[int] = []
    with contextlib.ExitStack() as stack:
        (first,) = run_configs(config.envs[0], config.controllers[0], [0], twins=True)
        claimed = run_key(first)
        assert stack.enter_context(other.claims([claimed])).mine == {claimed}

        def on_progress(progress: Progress) -> None:
            seen.append(progress.runs_done)
            if progress.runs_done == 5:
                assert not store.has(claimed)
                stack.close()

        outcomes = run_experiment(config, store, on_progress)
    assert seen[-1] == 6
    assert all(len(outcome.summaries) == 1 for outcome in outcomes)


def die(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_worker_is_named_with_the_remedy(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("atn_gym.eval.running.dispatch.run_job", die)
    store = ResultStore(tmp_path)
    with (
        processes(1) as executor,
        pytest.raises(WorkerLost, match=r"worker process died.*run the same command again"),
    ):
        run_experiment(load_config(sweep), store, executor=executor)


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


def test_multiprocessing_is_left_as_it_was():
    before = multiprocessing.get_start_method()
    with processes(1) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()
    assert multiprocessing.get_start_method() == before
