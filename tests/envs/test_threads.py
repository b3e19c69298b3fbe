"""Runs in several threads are those of one thread, and the caller's settings stay."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
import optuna
import pytest
import torch
from torch import Tensor, nn

import atn_gym
from atn_gym.envs import registry
from atn_gym.envs.data import Dataset, dataset
from atn_gym.envs.engines import threads as engine_threads
from atn_gym.envs.tasks import DIGITS_CNN

ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 3)).astype(np.float32)


class Dropping(nn.Module):
    """Draws its weights and its dropout from torch's global generator."""

    def __init__(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(int(np.prod(input_shape)), 32)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(32, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = torch.relu(self.hidden(inputs.flatten(1)))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


@pytest.fixture
def dropping(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    atn_gym.register_task("Dropping", replace(DIGITS_CNN, network=Dropping, network_kwargs={}))
    name = atn_gym.register_env("Dropping", "Stationary")
    yield
    del gymnasium.registry[name]


def in_threads(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    with ThreadPoolExecutor(4) as executor:
        return list(executor.map(function, jobs))


def rewards(job: tuple[str, str, int]) -> list[float]:
    """Rewards of one run of a (task, regime) pair."""
    pair, engine, seed = job
    env = gymnasium.make(f"atn_gym/{pair}-v0", num_epochs=4, train_size=128, engine=engine)
    env.reset(seed=seed)
    return [float(env.step(action)[1]) for action in ACTIONS]


def generators() -> str:
    legacy = np.random.get_state()  # noqa: NPY002
    return f"{random.getstate()} {legacy} {torch.get_rng_state().tolist()}"


def test_trajectories_of_four_threads_equal_serial_ones(dropping: None) -> None:
    jobs = [
        (f"DigitsCnn-{regime}", engine, seed)
        for regime in registry.regime_names()
        for engine in ("torch", "compiled")
        for seed in (0, 1)
    ]
    assert len(jobs) == 24
    jobs += [("Dropping-Stationary", "torch", seed) for seed in range(8)]
    expected = [rewards(job) for job in jobs]
    before = generators()
    for _ in range(3):
        assert in_threads(rewards, jobs) == expected
        assert generators() == before


def test_runs_of_the_built_in_network_borrow_no_global_generator() -> None:
    env = gymnasium.make("atn_gym/DigitsCnn-Stationary-v0", num_epochs=4, train_size=128)
    expected = rewards(("DigitsCnn-Stationary", "auto", 0))
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            torch.rand(100)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(20):
            env.reset(seed=0)
            assert [float(env.step(action)[1]) for action in ACTIONS] == expected
    finally:
        stop.set()
        thread.join()


def test_a_default_data_type_of_the_callers_stays_and_does_not_matter(dropping: None) -> None:
    jobs = [("Dropping-Stationary", "torch", 0), ("DigitsCnn-LossPerturbation", "compiled", 0)] * 8
    expected = [rewards(job) for job in jobs]
    torch.set_default_dtype(torch.float64)
    try:
        assert in_threads(rewards, jobs) == expected
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_optuna_study_with_two_jobs_has_the_values_of_one() -> None:
    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-3, 1, log=True)
        env = gymnasium.make("atn_gym/DigitsCnn-Stationary-v0", num_epochs=1, train_size=64)
        total = 0.0
        for seed in range(10):
            env.reset(seed=seed, options={"hyperparameters": {"learning_rate": rate}})
            total += float(env.step(np.zeros(3, np.float32))[1])
        return total

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=36, n_jobs=2)
    values = [trial.value for trial in study.trials]
    assert values == [objective(optuna.trial.FixedTrial(trial.params)) for trial in study.trials]


@dataclass(frozen=True)
class Plus:
    """Adds a number to every pixel."""

    number: int

    def __call__(self, inputs: Tensor, split: str) -> Tensor:
        return inputs + self.number


def test_shifted_inputs_are_shared_by_threads_within_their_memory(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = digits.train.inputs.nbytes
    monkeypatch.setattr(dataset, "KEPT_BYTES", 2 * size)
    numbers = np.random.default_rng(0).integers(8, size=4000).tolist()
    shifted = in_threads(lambda n: digits.transformed(Plus(n), "train")[0, 0, 0, 0].item(), numbers)
    clean = digits.train.inputs[0, 0, 0, 0]
    assert shifted == [(clean + n).item() for n in numbers]
    kept = sum(inputs.nbytes for inputs in dataset._kept._inputs.values())
    assert kept == dataset._kept.nbytes <= 2 * size


_FORKED = """
import gymnasium, multiprocessing, numpy as np, sys, torch
import atn_gym
from atn_gym.envs.engines import compiled_engine

compiled_engine._SMALL_FLOPS = 0
torch.set_num_threads(2)
env = gymnasium.make("atn_gym/DigitsCnn-DataShift-v0", engine=sys.argv[1], num_epochs=2)

def rewards():
    env.reset(seed=0)
    return [float(env.step(np.zeros(3, np.float32))[1]) for _ in range(2)]

mine = rewards()
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=lambda: queue.put(rewards()), daemon=True)
child.start()
child.join(60)
assert not child.is_alive(), "it stands still"
np.testing.assert_allclose(queue.get(), mine, rtol=1e-3)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_a_child_forked_after_training_in_two_threads_trains_too(engine: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", _FORKED, engine]
    subprocess.run(command, env=environment, check=True, timeout=240)


@pytest.mark.parametrize(
    ("threads", "wall_s", "used_s", "warned"),
    [(2, 2.0, 0.5, True), (1, 2.0, 0.5, False), (2, 2.0, 2.1, False), (2, 0.1, 0.01, False)],
)
def test_threads_that_wait_for_busy_cores_are_warned_of_once(
    threads: int,
    wall_s: float,
    used_s: float,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clocks = {"perf_counter": [0, wall_s] * 2, "process_time": [0, used_s] * 2}
    for name, times in clocks.items():
        monkeypatch.setattr(engine_threads.time, name, iter(times).__next__)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(engine_threads, "_has_warned", threading.Event())
    for _ in range(2):
        with engine_threads.watched_threads():
            pass
    assert ["torch.set_num_threads(1)" in r.getMessage() for r in caplog.records] == [True] * warned
