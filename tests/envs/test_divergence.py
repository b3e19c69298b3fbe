"""How a run ends when it diverges, and how a checkpoint rollback saves it."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from small_envs import make_env

from atn_gym.envs.engines.compiled_engine import CompiledEngine
from atn_gym.envs.tuning_env import TuningEnv
from atn_gym.errors import EpisodeStateError

LN_10 = math.log(10)
IDLE = np.zeros(3, np.float32)
KEEP = np.zeros(4, np.float32)
ROLL_BACK = np.array([0, 0, 0, 1], np.float32)
RAISE_RATE_AND_ROLL_BACK = np.array([1, 0, 0, 1], np.float32)


make = functools.partial(make_env, num_epochs=6, train_size=256)


def network(env: TuningEnv) -> torch.nn.Module:
    return env.episodes._trainer._engine.model(0)


def destroy(env: TuningEnv) -> None:
    """Makes the next epoch diverge."""
    with torch.no_grad():
        next(network(env).parameters()).fill_(math.nan)


def leaves(info: dict[str, Any]) -> Iterator[Any]:
    for value in info.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def assert_finite(env: TuningEnv, observation: Any, info: dict[str, Any]) -> None:
    assert observation in env.observation_space
    assert all(np.isfinite(values).all() for values in observation.values())
    assert all(math.isfinite(v) for v in leaves(info) if isinstance(v, (int, float)))


def assert_ended_by_divergence(env: TuningEnv, step: Any, reward: float) -> None:
    observation, received, terminated, truncated, info = step
    assert info["diverged"]
    assert (received, terminated, truncated) == (reward, True, False)
    assert_finite(env, observation, info)
    assert observation["observed_val_loss"][-1] == pytest.approx(5 * LN_10)
    assert observation["observed_val_accuracy"][-1] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "reward", ["log_loss", "risk_averse", "linear", "improvement", "val_accuracy"]
)
def test_divergence_ends_the_run_at_minus_one_for_every_epoch_left(reward: str) -> None:
    env = make(reward=reward)
    env.reset(seed=0)
    env.step(IDLE)
    env.step(IDLE)
    destroy(env)
    assert_ended_by_divergence(env, env.step(IDLE), reward=-4)
    assert env.test_metrics() == pytest.approx({"test_loss": 5 * LN_10, "test_accuracy": 0.1})


def test_hyperparameters_alone_can_make_a_run_diverge() -> None:
    # An effective learning rate times weight decay of 1000 multiplies every weight by about
    # -1000 in each of 17 mini-batches, beyond the largest float32.
    shift = {"kind": "weight_decay", "severity": 1.0, "trigger": 0}
    env = make("DigitsCnn-OptimizerSensitivityShift", train_size=1150, **shift)
    env.reset(seed=0, options={"hyperparameters": {"learning_rate": 1.0, "weight_decay": 0.1}})
    assert_ended_by_divergence(env, env.step(IDLE), reward=-6)


def test_one_infinite_parameter_is_divergence_even_at_a_finite_loss() -> None:
    env = make()
    env.reset(seed=0)
    unused = torch.nn.Parameter(torch.tensor(math.inf))
    network(env).register_parameter("unused", unused)
    assert_ended_by_divergence(env, env.step(IDLE), reward=-6)


def test_a_new_episode_after_divergence_is_sound() -> None:
    env, fresh = make(), make()
    env.reset(seed=0)
    destroy(env)
    env.step(IDLE)
    env.reset(seed=1)
    fresh.reset(seed=1)
    assert env.step(IDLE)[4] == fresh.step(IDLE)[4]


def test_rollback_adds_an_action_component_that_is_off_by_default() -> None:
    assert make().action_space.shape == (3,)
    assert make(checkpoint_rollback=True).action_space.shape == (4,)
    env, plain = make(checkpoint_rollback=True), make()
    env.reset(seed=0)
    plain.reset(seed=0)
    for component in (0, -1, -0.5):
        stepped = env.step(np.array([0.1, 0, 0, component], np.float32))
        expected = plain.step(np.array([0.1, 0, 0], np.float32))
        assert stepped[1:] == expected[1:]
    assert stepped[4]["checkpoint_rollbacks"] == 0


class Recorder:
    """Copies weights and momentum of a run as they stand when an epoch begins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.starts: list[dict[str, Any]] = []
        original = CompiledEngine.train

        def train(engine: CompiledEngine, runs: Any, plans: Any) -> Any:
            self.starts.append(self.weights_and_momentum(engine))
            return original(engine, runs, plans)

        monkeypatch.setattr(CompiledEngine, "train", train)

    @staticmethod
    def weights_and_momentum(engine: Any) -> dict[str, Any]:
        weights = copy.deepcopy(engine.model(0).state_dict())
        momentum = copy.deepcopy(engine.optimizer(0).state_dict()["state"])
        return {**weights, **{i: v["momentum_buffer"] for i, v in momentum.items()}}


def same(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_rollback_restores_weights_and_momentum_of_the_best_epoch_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = Recorder(monkeypatch)
    env = make(checkpoint_rollback=True, train_size=1150)
    env.reset(seed=0)
    for _ in range(3):
        observation, *_ = env.step(KEEP)
    best = recorder.weights_and_momentum(env.episodes._trainer._engine)
    lowest = observation["observed_val_loss"][-1]
    for count in (1, 2, 3):
        observation, *_, info = env.step(RAISE_RATE_AND_ROLL_BACK)
        assert info["checkpoint_rollbacks"] == count
        assert observation["observed_val_loss"][-1] > lowest
        assert same(recorder.starts[-1], best)


def test_rollback_before_the_first_epoch_restores_the_initial_weights() -> None:
    env, plain = make(checkpoint_rollback=True), make()
    env.reset(seed=0)
    plain.reset(seed=0)
    *_, info = env.step(ROLL_BACK)
    assert info["privileged"] == plain.step(IDLE)[4]["privileged"]


def test_best_checkpoint_is_chosen_by_the_observed_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    env = make("DigitsCnn-LossPerturbation", trigger=0, severity=1.0, checkpoint_rollback=True)
    engine = env.episodes._trainer._engine
    disagreements = 0
    for seed in range(8):
        env.reset(seed=seed)
        ends, observed, clean = [recorder.weights_and_momentum(engine)], [LN_10], [LN_10]
        for _ in range(4):
            observation, *_, info = env.step(KEEP)
            ends.append(recorder.weights_and_momentum(engine))
            observed.append(observation["observed_val_loss"][-1])
            clean.append(info["privileged"]["val_loss"])
        env.step(ROLL_BACK)
        assert same(recorder.starts[-1], ends[int(np.argmin(observed))])
        disagreements += int(np.argmin(observed)) != int(np.argmin(clean))
    assert disagreements


def test_divergence_does_not_end_a_run_with_rollback() -> None:
    env = make(checkpoint_rollback=True)
    env.reset(seed=0)
    *_, before = env.step(KEEP)
    destroy(env)
    for _ in range(2):
        observation, reward, terminated, _, info = env.step(KEEP)
        assert info["diverged"]
        assert (reward, terminated) == (-1, False)
        assert_finite(env, observation, info)
    with pytest.raises(EpisodeStateError):
        env.test_metrics()
    _, reward, terminated, _, info = env.step(ROLL_BACK)
    assert not info["diverged"]
    assert not terminated
    assert reward > -1
    assert info["privileged"]["val_loss"] < 2 * before["privileged"]["val_loss"]
    env.step(KEEP)
    *_, terminated, _, info = env.step(KEEP)
    assert terminated
    assert info["checkpoint_rollbacks"] == 1
    _, info = env.reset(seed=0)
    assert info["checkpoint_rollbacks"] == 0


def test_rollback_keeps_the_hyperparameters_of_the_controller() -> None:
    env = make(checkpoint_rollback=True)
    env.reset(seed=0)
    env.step(KEEP)
    *_, info = env.step(np.array([-1, 0, 0, 1], np.float32))
    assert info["hyperparameter_values"]["learning_rate"] == pytest.approx(0.005)
    optimizer = env.episodes._trainer._engine.optimizer(0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.005)
