"""Controllers that end their process, or do not let it end: named, and no run of others is lost."""

import os
import subprocess
import sys

import pytest
import yaml

from atn_gym.config import EnvConfig, ExperimentConfig
from atn_gym.eval.running.experiment import run_experiment
from atn_gym.eval.running.run_config import run_configs
from atn_gym.eval.storage.experiment import read_experiment
from atn_gym.eval.storage.keys import run_key
from atn_gym.eval.storage.store import ResultStore

MODULE = '''
import os
import threading
import time

from atn_gym.agents import Fixed


class Deadly(Fixed):
    """Ends its process in the run whose random numbers say so."""

    def __init__(self, setting, seed, status=0):
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


CONTROLLER_SEED = EnvConfig.model_validate(ENV).params().resolved().controller_seed(1)
DEADLY = {"name": "isolated_own:Deadly", "seed": CONTROLLER_SEED, "status": 7}


def experiment(tmp_path, controller):
    return ExperimentConfig.model_validate(
        {
            "experiment": "isolated",
            "envs": [ENV],
            "controllers": [controller],
            "seeds": [1],
            "twins": False,
        }
    )


def test_a_run_whose_process_died_is_made_in_another_one(tmp_path, monkeypatch):
    (tmp_path / "isolated_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    store = ResultStore(tmp_path / "results")
    claims = tmp_path / "results" / ".claims"
    for controller in (DEADLY, {"name": "fixed"}):
        config = experiment(tmp_path, controller)
        (run,) = run_configs(config.envs[0], config.controllers[0], [1], False)
        # As a process leaves it that dies.
        (claims / run_key(run)).touch()
        (outcome,) = run_experiment(config, store)
        if controller is DEADLY:
            assert "exit status 7" in outcome.failures[1]
            assert (claims / run_key(run)).exists(), "it ends its process the next time as well"
        else:
            assert len(outcome.summaries) == 1
            assert not (claims / run_key(run)).exists()
    (failure,) = read_experiment(store.root).failures
    assert "exit status 7" in failure.reason


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


def test_a_process_whose_command_is_gone_before_it_read_its_runs_ends_in_silence(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "atn_gym.eval.running.isolation", str(tmp_path / "runs")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert ended.returncode == 1
    assert not ended.stdout + ended.stderr
    assert not list(tmp_path.iterdir())
