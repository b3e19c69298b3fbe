"""A snapshot captures a run bit-exactly, whatever happens to the run afterwards."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import data_equivalence
from small_envs import follow, make_env, run_episode
from torch import nn

import atn_gym
from atn_gym.envs import registry
from atn_gym.envs.tasks import DIGITS_CNN
from atn_gym.envs.tuning_env import TuningEnv

KINDS = [
    (name, kind)
    for name in registry.regime_names()
    if name not in ("Stationary", "Mixture")
    for kind in registry.get_regime(name).kinds
]
ACTIONS = np.random.default_rng(0).uniform(-0.3, 0.3, (20, 4)).astype(np.float32)


make = functools.partial(make_env, num_epochs=4)


def run(env: TuningEnv, seed: int | None, actions: np.ndarray = ACTIONS) -> list[Any]:
    return run_episode(env, seed, actions)


def equal(first: Any, second: Any) -> bool:
    return data_equivalence(first, second, exact=True)


class DrawingNet(nn.Sequential):
    """A network with all that a state may hold: buffers and draws while training."""

    def __init__(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__(
            nn.Flatten(),
            nn.Linear(int(np.prod(input_shape)), 16),
            nn.BatchNorm1d(16),
            nn.Dropout(0.3),
            nn.Linear(16, num_classes),
        )


@pytest.fixture(scope="module")
def own_task() -> Iterator[None]:
    """A task trained with AdamW on a network with buffers and dropout."""
    task = replace(DIGITS_CNN, network=DrawingNet, network_kwargs={}, optimizer="adamw")
    atn_gym.register_task("DrawingNet", task)
    env_id = atn_gym.register_env("DrawingNet", "DataShift")
    yield
    del gymnasium.registry[env_id], registry._TASKS["DrawingNet"]


SNAPSHOT_CASES = [
    *((f"DigitsCnn-{regime}", {"kind": kind, "trigger": 2}) for regime, kind in KINDS),
    ("DigitsCnn-Stationary", {}),
    ("DigitsCnnPoorInit-Mixture", {}),
    ("DigitsCnn-DataShift", {"trigger": 1, "profile": "gradual"}),
    ("DigitsCnn-DataShift", {"trigger": 1, "profile": "recurring", "period": 1}),
    ("DigitsCnn-DataShift", {"trigger": 2, "checkpoint_rollback": True}),
    ("DrawingNet-DataShift", {"trigger": 2}),
]


@pytest.mark.usefixtures("own_task")
@pytest.mark.parametrize(("pair", "kwargs"), SNAPSHOT_CASES, ids=str)
def test_snapshot_of_a_shifted_run_resumes_bit_identically(
    pair: str, kwargs: dict[str, Any]
) -> None:
    env, other = (make(pair, num_epochs=6, **kwargs) for _ in range(2))
    run(env, 3, ACTIONS[:3])
    state = env.get_state()
    frozen = pickle.dumps(state)

    def go_on(branch: TuningEnv) -> list[Any]:
        return [*follow(branch, ACTIONS[3:]), branch.test_metrics(), run(branch, None)]

    expected = go_on(env)
    for _ in range(2):
        env.set_state(state)
        assert equal(go_on(env), expected)
    other.set_state(pickle.loads(frozen))
    assert equal(go_on(other), expected)


def test_snapshot_branches_do_not_touch_each_other() -> None:
    env, branch = make("DigitsCnn-DataShift"), make("DigitsCnn-DataShift")
    expected = run(env, seed=3)[3:]
    run(env, 3, ACTIONS[:2])
    branch.set_state(env.get_state())
    follow(branch, -ACTIONS)
    assert equal(follow(env, ACTIONS[2:]), expected)


def test_snapshot_suits_an_env_made_from_the_json_of_its_spec() -> None:
    env = make("DigitsCnn-DataShift", hyperparameters=("learning_rate",))
    run(env, 3, ACTIONS[:2])
    spec = EnvSpec.from_json(env.spec.to_json())
    again: Any = gymnasium.make(spec).unwrapped
    again.set_state(env.get_state())
    assert equal(follow(again, ACTIONS), follow(env, ACTIONS))


def pickled(env: Any) -> Any:
    return pickle.loads(pickle.dumps(env))


@pytest.mark.usefixtures("own_task")
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
@pytest.mark.parametrize(
    ("pair", "kwargs"),
    [
        ("DigitsCnn-DataShift", {"engine": "compiled", "kind": "gaussian_noise"}),
        ("DigitsCnn-DataShift", {"engine": "torch", "kind": "rotation"}),
        ("DrawingNet-DataShift", {"checkpoint_rollback": True, "initial": {"momentum": 0.5}}),
    ],
)
def test_a_copy_of_an_env_goes_on_as_the_env_does(
    pair: str, kwargs: dict[str, Any], copied: Callable[[Any], Any]
) -> None:
    env: Any = gymnasium.make(f"atn_gym/{pair}-v0", num_epochs=5, train_size=128, **kwargs)
    assert len(pickle.dumps(env)) < 10_000
    run(env, 3, ACTIONS[:3])
    other = copied(env)
    follow(other, -ACTIONS[3:])
    other = copied(env)
    assert equal(follow(env, ACTIONS[3:]), follow(other, ACTIONS[3:]))
    assert equal(run(env, None), run(other, None))


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copy_of_a_vector_env_goes_on_as_the_env_does(copied: Callable[[Any], Any]) -> None:
    env: Any = gymnasium.make_vec(
        "atn_gym/DigitsCnn-Mixture-v0", num_envs=2, num_epochs=3, train_size=128
    )
    env.reset(seed=[4, 2])
    env.step(ACTIONS[:2, :3])
    other = copied(env)
    for action in ACTIONS[2:6, :3]:
        assert equal(env.step(np.tile(action, (2, 1))), other.step(np.tile(action, (2, 1))))


def test_a_state_of_something_else_is_refused_before_any_slot_changes() -> None:
    env: Any = gymnasium.make_vec(
        "atn_gym/DigitsCnn-DataShift-v0", num_envs=2, num_epochs=3, train_size=128
    ).unwrapped
    env.reset(seed=0)
    states = env.get_state()
    env.step(np.full((2, 3), 0.5, np.float32))
    moved = env.get_state()
    for wrong in ({"a": 1}, None):
        with pytest.raises(ValueError, match="must be one that get_state"):
            env.set_state([states[0], wrong])
    np.testing.assert_array_equal(env.get_state()[0]["episode"].values, moved[0]["episode"].values)
