"""Controllers that end their process, or do not let it end: named, and no run of others is lost."""

import os
import subprocess
import sys

import pytest
import yaml

from atn_gym.config import ControllerConfig, EnvConfig
from atn_gym.eval.running.jobs import Job, run_job
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.marks import is_marked
from atn_gym.eval.storage.runs import read_failure
from atn_gym.eval.storage.store import ResultStore

MODULE = '''
import os
import threading
import time

from atn_gym.agents import Fixed


class Deadly(Fixed):
    """Ends its process in the run whose random numbers say so."""

    def __init__(self, setting, seed=1, status=0):
        super().__init__(setting)
        self.deadly = setting.seed == seed
        self.status = status

    def propose(self, current_params):
        if self.deadly:
            os._exit(self.status)
        return current_params


class Lingering(Fixed):
    def __init__(self, setting):
        super().__init__(setting)
        threading.Thread(target=time.sleep, args=(600,)).start()
'''


ENV = {"id": "atn_gym/DigitsCnn-Stationary-v0", "num_epochs": 2, "train_size": 128}


@pytest.fixture
def command(tmp_path):
    (tmp_path / "isolated_own.py").write_text(MODULE)

    def run(controllers, *arguments, seeds=3, timeout=120):
        config = {
            "experiment": "isolated",
            "envs": [ENV],
            "controllers": controllers,
            "seeds": seeds,
        }
        (tmp_path / "isolated.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "atn_gym.cli", "run", "--config", "isolated.yaml"]
        return subprocess.run(
            [*command, *arguments],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


DEADLY = {"name": "isolated_own:Deadly", "seed": 1, "status": 7}


def job(tmp_path, controller):
    config = ControllerConfig.model_validate(controller)
    return Job(EnvConfig.model_validate(ENV), config, (1,), False, tmp_path / "results")


def test_a_run_whose_process_died_is_made_in_another_one(tmp_path, monkeypatch):
    (tmp_path / "isolated_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    deadly = job(tmp_path, DEADLY)
    store, config = ResultStore(deadly.root), deadly.configs()[1]
    (deadly.root / ".claims").mkdir()
    leave_a_mark(deadly.root, config)
    assert "exit status 7" in run_job(deadly).failures[1]
    assert "exit status 7" in read_failure(deadly.root / run_key(config)).reason
    assert is_marked(deadly.root, config), "what ends its process does so the next time as well"
    harmless = job(tmp_path, {"name": "fixed"})
    config = harmless.configs()[1]
    leave_a_mark(deadly.root, config)
    assert run_job(harmless).done == (1,)
    assert store.has(config)
    assert not is_marked(deadly.root, config)


def leave_a_mark(root, config):
    """As a process does that dies."""
    (root / ".claims" / f"{run_key(config)}.begun").touch()
    assert is_marked(root, config)


@pytest.mark.slow
def test_a_controller_that_ends_its_process_is_named_by_the_next_command(command):
    first = command([DEADLY, "fixed"])
    assert first.returncode == 7
    second = command([DEADLY, "fixed"])
    assert second.returncode == 1
    assert "5 runs complete, 1 failed" in second.stdout
    assert "isolated_own:Deadly on DigitsCnn-Stationary, seed 1: the process that made this "
    assert "run alone ended with exit status 7" in second.stderr
    third = command([DEADLY, "fixed"])
    assert "5 runs complete, 1 failed" in third.stdout
    assert third.returncode == 1


@pytest.mark.slow
def test_workers_that_a_controller_ends_are_begun_anew_within_the_command(command):
    done = command([{**DEADLY, "status": 0}, "fixed"], "--workers", "2")
    assert done.returncode == 1, done.stderr
    assert "5 runs complete, 1 failed" in done.stdout
    assert "Deadly on DigitsCnn-Stationary, seed 1" in done.stderr
    assert "alone ended with exit status 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_thread_that_goes_on_does_not_hold_the_command_up(command, workers):
    done = command(["isolated_own:Lingering"], "--workers", workers, seeds=2)
    assert done.returncode == 0, done.stderr
    assert "2 runs complete, 0 failed" in done.stdout
