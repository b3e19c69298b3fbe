"""Flat observations of the single and the vector env."""

from __future__ import annotations

import itertools
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import small_envs
import stable_baselines3.common.env_checker
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from atn_gym.envs.wrappers import FlatObservation, VectorFlatObservation
from atn_gym.errors import InvalidArgument

DATA_SHIFT = "atn_gym/DigitsCnn-DataShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4, "train_size": 256, "window": 3}
ACTIONS = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 3)).astype(np.float32)


def make(**kwargs: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(DATA_SHIFT, **{**SMALL, **kwargs})


def make_vector(mode: str = "NextStep", num_envs: int = 2) -> Any:
    return gymnasium.make_vec(DATA_SHIFT, num_envs=num_envs, autoreset_mode=mode, **SMALL)


def place(value: float, low: float, high: float) -> float:
    """Where a value lies between bounds, from -1 to 1."""
    return 2 * (value - low) / (high - low) - 1


def flattened(observation: dict[str, np.ndarray]) -> list[float]:
    """The flat observation, element by element."""
    flat: list[float] = []
    for split in ("train", "val"):
        for loss in observation[f"observed_{split}_loss"]:
            flat.append(min(max(math.log(math.log(10) / loss) / math.log(100), -1), 1))
        flat += [2 * accuracy - 1 for accuracy in observation[f"observed_{split}_accuracy"]]
    for log, bounds in zip(
        observation["hyperparameters"], [(-5, 0), (-2, 0), (-6, -1)], strict=True
    ):
        flat.append(place(log, *bounds))
    return [*flat, 2 * observation["progress"][0] - 1]


def test_first_flat_observation_by_hand() -> None:
    observation, _ = FlatObservation(make()).reset(seed=0)
    chance = [0, 0, 0, -0.8, -0.8, -0.8] * 2
    # Learning rate 0.05 in [1e-5, 1], 1 - momentum = 0.1 in [0.01, 1], weight decay 1e-4 in
    # [1e-6, 0.1].
    hyperparameters = [place(math.log10(0.05), -5, 0), 0, -0.2]
    np.testing.assert_allclose(observation, [*chance, *hyperparameters, -1], atol=1e-6)


def test_flat_observation_holds_every_entry_in_the_stated_order() -> None:
    plain, flat = make(), FlatObservation(make())
    plain.reset(seed=0)
    flat.reset(seed=0)
    for action in ACTIONS[:4]:
        expected, *_ = plain.step(action)
        observation, *_ = flat.step(action)
        np.testing.assert_allclose(observation, flattened(expected), atol=1e-6)
    assert observation[-1] == 1


@pytest.mark.parametrize("names", [["learning_rate"], ["weight_decay", "momentum"]])
def test_size_follows_window_and_hyperparameters(names: list[str]) -> None:
    env = FlatObservation(make(hyperparameters=names, window=5))
    size = 4 * 5 + len(names) + 1
    assert env.observation_space == gymnasium.spaces.Box(-1, 1, (size,), np.float32)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space


def test_falls_of_the_losses_follow_at_the_end() -> None:
    plain, flat = make(), FlatObservation(make(), falls=True)
    plain.reset(seed=0)
    flat.reset(seed=0)
    for action in ACTIONS[:4]:
        expected, *_ = plain.step(action)
        observation, *_ = flat.step(action)
        falls = []
        for split in ("train", "val"):
            losses = [float(loss) for loss in expected[f"observed_{split}_loss"]]
            for before, after in itertools.pairwise(losses):
                fall = math.log(before / after)
                place = math.log1p(abs(fall) / 0.002) / math.log1p(math.log(100) / 0.002)
                falls.append(math.copysign(place, fall))
        np.testing.assert_allclose(observation, [*flattened(expected), *falls], atol=1e-6)
        assert observation in flat.observation_space


def test_falls_tell_rates_apart_that_levels_do_not() -> None:
    """Both rates are far too low; one is ten times the other."""
    seen = {}
    for falls in (False, True):
        env = FlatObservation(make(train_size=200), falls=falls)
        rows = []
        for rate in (1e-5, 1e-4):
            env.reset(seed=0, options={"hyperparameters": {"learning_rate": rate}})
            observation, *_ = env.step(np.zeros(3, np.float32))
            rows.append(np.delete(observation, slice(12, 16)))
        seen[falls] = np.abs(rows[1] - rows[0]).max()
    assert seen[True] > 5 * seen[False]


@pytest.mark.parametrize("falls", [False, True])
def test_gradient_signals_are_last(falls: bool) -> None:
    plain = make(signals="gradient")
    flat = FlatObservation(make(signals="gradient"), falls=falls)
    without = FlatObservation(make(), falls=falls)
    for env in (plain, flat, without):
        env.reset(seed=0)
    for action in ACTIONS[:3]:
        expected, *_ = plain.step(action)
        observation, *_ = flat.step(action)
        size = without.observation_space.shape[0]
        np.testing.assert_array_equal(observation[:size], without.step(action)[0])
        names = ("gradient_norm", "alignment", "distance", "update_size", "weight_norm")
        bounds = [(-1, 1) if name == "alignment" else (-8, 4) for name in names]
        last = [place(v, *b) for n, b in zip(names, bounds, strict=True) for v in expected[n]]
        np.testing.assert_allclose(observation[size:], last, atol=1e-6)
        assert observation in flat.observation_space


def test_a_window_of_one_epoch_has_no_falls() -> None:
    env = FlatObservation(make(window=1), falls=True)
    assert env.observation_space == FlatObservation(make(window=1)).observation_space
    assert env.reset(seed=0)[0] in env.observation_space


def test_bounds_hold_at_the_extremes() -> None:
    env = FlatObservation(make(num_epochs=6))
    extremes = {"learning_rate": 1.0, "momentum": 0.99, "weight_decay": 0.1}
    observation, _ = env.reset(seed=0, options={"hyperparameters": extremes})
    np.testing.assert_allclose(observation[-4:-1], [1, -1, 1])
    for _ in range(6):
        observation, _, ended, _, _ = env.step(np.zeros(3, np.float32))
        assert observation.dtype == np.float32
        assert observation in env.observation_space
        if ended:
            break
    lowest = {"learning_rate": 1e-5, "momentum": 0.0, "weight_decay": 1e-6}
    observation, _ = env.reset(seed=0, options={"hyperparameters": lowest})
    np.testing.assert_allclose(observation[-4:-1], [-1, 1, -1])


def test_sb3_accepts_the_flat_env() -> None:
    stable_baselines3.common.env_checker.check_env(FlatObservation(make()))


def test_rows_of_the_vector_env_are_those_of_single_envs() -> None:
    env = VectorFlatObservation(make_vector())
    singles = [FlatObservation(make()) for _ in range(2)]
    rows, _ = env.reset(seed=5)
    expected = [single.reset(seed=5 + i)[0] for i, single in enumerate(singles)]
    np.testing.assert_array_equal(rows, expected)
    assert env.single_observation_space == singles[0].observation_space
    assert rows in env.observation_space
    for action in ACTIONS[:4]:
        rows, *_ = env.step(np.tile(action, (2, 1)))
        expected = [single.step(action)[0] for single in singles]
        np.testing.assert_array_equal(rows, expected)
        assert rows in env.observation_space


def test_final_observation_of_same_step_mode_is_flat_too() -> None:
    env = VectorFlatObservation(make_vector("SameStep"))
    single = FlatObservation(make())
    env.reset(seed=5)
    single.reset(seed=5)
    for action in ACTIONS[:4]:
        rows, _, ended, _, infos = env.step(np.tile(action, (2, 1)))
        last, *_ = single.step(action)
    assert ended.all()
    assert infos["_final_obs"].all()
    np.testing.assert_array_equal(infos["final_obs"][0], last)
    np.testing.assert_array_equal(rows[0], single.reset()[0])


def test_falls_of_the_vector_env_are_those_of_single_envs() -> None:
    env = VectorFlatObservation(make_vector(), falls=True)
    single = FlatObservation(make(), falls=True)
    env.reset(seed=5)
    single.reset(seed=5)
    for action in ACTIONS[:4]:
        rows, *_ = env.step(np.tile(action, (2, 1)))
        np.testing.assert_array_equal(rows[0], single.step(action)[0])


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_wrapped_vector_env_keeps_its_mode_and_statistics(mode: str) -> None:
    env = RecordEpisodeStatistics(VectorFlatObservation(make_vector(mode)))
    env.reset(seed=0)
    for action in ACTIONS[:4]:
        *_, infos = env.step(np.tile(action, (2, 1)))
    assert env.metadata["autoreset_mode"].value == mode
    assert infos["episode"]["l"].tolist() == [4, 4]


def test_other_envs_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"must be a Dict of hyperparameters.*got Box"):
        FlatObservation(gymnasium.make("CartPole-v1"))
    with pytest.raises(InvalidArgument, match=r"must be a Dict of hyperparameters.*got Box"):
        VectorFlatObservation(gymnasium.make_vec("CartPole-v1", num_envs=1))
