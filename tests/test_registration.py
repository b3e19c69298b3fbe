"""Ids, specs and the registration of own tasks and regimes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import small_envs
import stable_baselines3.common.env_checker
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env, data_equivalence
from torch import nn

import atn_gym
from atn_gym.envs import registry
from atn_gym.envs.data import Dataset, RunData, Split, data_directory, load_dataset
from atn_gym.envs.episodes import episodes
from atn_gym.envs.regimes import Regime
from atn_gym.envs.tasks import Task
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.envs.vector_env import TuningVectorEnv
from atn_gym.envs.wrappers import FlatObservation

TASKS = (
    "MnistCnn",
    "MnistCnnPoorInit",
    "MnistCnnUnknownScale",
    "FashionCnn",
    "FashionCnnPoorInit",
    "FashionCnnUnknownScale",
    "DigitsCnn",
    "DigitsCnnPoorInit",
    "DigitsCnnUnknownScale",
    "DigitsResidual",
    "DigitsResidualPoorInit",
    "DigitsResidualUnknownScale",
    "DigitsMlp",
    "DigitsMlpPoorInit",
    "DigitsMlpUnknownScale",
    "ModularAddition",
    "ModularAdditionPoorInit",
    "ModularAdditionUnknownScale",
    "NoisyQuadratic",
    "NoisyQuadraticPoorInit",
    "NoisyQuadraticUnknownScale",
)
REGIMES = (
    "Stationary",
    "DataShift",
    "CurriculumShift",
    "OptimizerSensitivityShift",
    "LossPerturbation",
    "Mixture",
)
DATA_SHIFT = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 2}


def marked(env_id: str) -> Any:
    """The id, skipped where its images are not on disk."""
    if env_id.startswith("atn_gym/Mnist"):
        return pytest.param(env_id, marks=pytest.mark.mnist)
    raw = data_directory() / "FashionMNIST" / "raw"
    found = (raw / "train-images-idx3-ubyte").is_file() or "/Fashion" not in env_id
    skip = pytest.mark.skipif(not found, reason=f"no FashionMNIST files in {raw}")
    return pytest.param(env_id, marks=skip)


def run_episode(env: gymnasium.Env[Any, Any], seed: int = 3) -> list[Any]:
    """Every return value of one episode under a fixed sequence of actions."""
    returned: list[Any] = [env.reset(seed=seed)]
    actions = np.random.default_rng(0).uniform(-0.3, 0.3, (100, *env.action_space.shape))
    for action in actions.astype(np.float32):
        returned.append(env.step(action))
        if returned[-1][2]:
            return returned
    raise AssertionError("the episode must end")


def short_validation(*args: Any) -> Dataset:
    """A data set with its first 200 validation samples alone, so that epochs are short."""
    dataset = load_dataset(*args)
    validation = Split(dataset.validation.inputs[:200], dataset.validation.labels[:200])
    return Dataset(dataset.train, validation, dataset.test, dataset.num_classes)


def test_every_task_is_registered_with_every_regime() -> None:
    expected = {f"atn_gym/{task}-{regime}-v0" for task in TASKS for regime in REGIMES}
    assert expected <= set(atn_gym.env_ids())
    assert set(atn_gym.env_ids()) <= set(gymnasium.registry)


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, atn_gym; assert len(atn_gym.env_ids()) >= 36; print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("env_id", [marked(env_id) for env_id in atn_gym.env_ids()])
def test_both_env_checkers_pass(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "load_dataset", short_validation)
    env = gymnasium.make(env_id, **SMALL).unwrapped
    # Charts are costly and do not depend on the task.
    check_env(env, skip_render_check="/DigitsCnn-" not in env_id)
    stable_baselines3.common.env_checker.check_env(env)
    env.close()


def test_ids_are_listed_to_a_reader_that_has_left() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "atn_gym.cli", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_id_with_a_module_prefix_makes_the_env() -> None:
    env = gymnasium.make(f"atn_gym:{DATA_SHIFT}", **SMALL)
    assert isinstance(env.unwrapped, TuningEnv)
    assert env.spec.id == DATA_SHIFT


@pytest.mark.parametrize(
    "copied",
    [
        lambda spec: EnvSpec.from_json(spec.to_json()),
        lambda spec: pickle.loads(pickle.dumps(spec)),
    ],
    ids=["json", "pickle"],
)
def test_spec_round_trips_with_kwargs_and_wrapper(copied: Callable[[EnvSpec], EnvSpec]) -> None:
    kwargs = {
        "trigger": 0.5,
        "severity": 0.3,
        "kind": "rotation",
        "profile": "gradual",
        "duration": 2,
        "num_epochs": 4,
        "train_size": 128,
        "batch_size": 32,
        "initial": {"learning_rate": 0.02},
        "window": 3,
        "hyperparameters": ["weight_decay", "learning_rate"],
        "reward": "linear",
        "checkpoint_rollback": True,
        "twin": False,
        "device": "cpu",
        "data_dir": None,
    }
    env = FlatObservation(gymnasium.make(DATA_SHIFT, **kwargs))
    spec = copied(env.spec)
    again = gymnasium.make(spec)
    assert isinstance(again, FlatObservation)
    assert {name: spec.kwargs[name] for name in kwargs} == kwargs
    assert again.observation_space == env.observation_space
    assert data_equivalence(run_episode(again), run_episode(env), exact=True)


def test_make_vec_gives_the_native_vector_env() -> None:
    env = gymnasium.make_vec(DATA_SHIFT, num_envs=2, **SMALL)
    assert isinstance(env, TuningVectorEnv)
    assert env.num_envs == 2
    assert env.spec.id == DATA_SHIFT


@pytest.fixture
def own_entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    monkeypatch.setattr(registry, "_REGIMES", dict(registry._REGIMES))
    before = set(gymnasium.registry)
    yield
    for name in set(gymnasium.registry) - before:
        del gymnasium.registry[name]


def blobs(data_dir: str | None = None) -> Dataset:
    """Three Gaussian blobs in two dimensions, as images of 1x2 pixels."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.arange(384) % 3
    centres = torch.tensor([[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    points = centres[labels] + 0.3 * torch.randn(384, 2, generator=draws)
    inputs = points.view(-1, 1, 1, 2)
    parts = (slice(0, 192), slice(192, 288), slice(288, 384))
    return Dataset(*(Split(inputs[p], labels[p]) for p in parts), num_classes=3)


class Perceptron(nn.Sequential):
    """An own network; dropout draws random numbers while training."""

    def __init__(self, input_shape: tuple[int, int, int], num_classes: int, width: int) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(int(np.prod(input_shape)), width),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(width, num_classes),
        )


@dataclass(frozen=True)
class PoolShift(Regime):
    """An own regime: a share of the training samples is lost."""

    kinds = {"first": 0.5, "last": 0.5}

    def apply(
        self, epoch: int, model: nn.Module, data: RunData, optimizer: torch.optim.Optimizer
    ) -> None:
        size = len(data.clean.train)
        kept = torch.arange(size - int(self.strength(epoch) * size))
        data.pools["train"] = kept if self.kind == "last" else size - 1 - kept


BLOBS = Task(
    dataset=blobs,
    initial=({"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 1e-4},),
    num_epochs=4,
    batch_size=32,
    network=Perceptron,
    network_kwargs={"width": 8},
)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", torch.optim.RMSprop])
def test_own_task_and_own_regime_make_an_env(own_entries: None, optimizer: Any) -> None:
    atn_gym.register_task("Blobs", replace(BLOBS, optimizer=optimizer))
    atn_gym.register_regime("PoolShift", PoolShift)
    env_id = atn_gym.register_env("Blobs", "PoolShift")
    assert env_id == "atn_gym/Blobs-PoolShift-v0"
    assert env_id in atn_gym.env_ids()
    env = gymnasium.make(env_id, trigger=0.5)
    check_env(env.unwrapped, skip_render_check=True)
    stable_baselines3.common.env_checker.check_env(env.unwrapped)
    run, twin = run_episode(env), run_episode(gymnasium.make(env_id, trigger=0.5, twin=True))
    losses = [step[4]["privileged"]["train_loss"] for step in run[1:]]
    assert losses[-1] < losses[0] < 2 * np.log(3)
    assert [step[4]["privileged"]["strength"] for step in run[1:]] == [0, 0, 0.5, 0.5]
    assert data_equivalence([s[0] for s in run[:3]], [s[0] for s in twin[:3]], exact=True)
    assert not data_equivalence(run[3][0], twin[3][0], exact=True)


def test_own_regime_joins_a_built_in_task(own_entries: None) -> None:
    atn_gym.register_regime("PoolShift", PoolShift)
    env = gymnasium.make(atn_gym.register_env("DigitsCnn", "PoolShift"), kind="last", **SMALL)
    codes = run_episode(env)[-1][4]["privileged"]
    assert (codes["regime"], codes["kind"]) == (-1, 1)


def test_own_network_with_dropout_leaves_the_global_generator_alone(own_entries: None) -> None:
    atn_gym.register_task("Blobs", BLOBS)
    env = gymnasium.make(atn_gym.register_env("Blobs", "Stationary"))
    before = torch.get_rng_state()
    run_episode(env)
    assert torch.equal(torch.get_rng_state(), before)
