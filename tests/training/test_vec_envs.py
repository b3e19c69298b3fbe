"""The vector env as a `VecEnv` of Stable-Baselines3."""

import gymnasium as gym
import numpy as np
import pytest
from small_envs import SMALL
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from atn_gym.envs.wrappers import FlatObservation
from atn_gym.errors import InvalidArgument
from atn_gym.training import MixedVecEnv, TuningVecEnv

ENV = "atn_gym/DigitsCnn-Mixture-v0"


def adapter(num_envs=2, **kwargs):
    return TuningVecEnv(ENV, num_envs, **{**SMALL, **kwargs})


def single(flat):
    env = gym.make(ENV, **SMALL)
    return FlatObservation(env) if flat else env


def assert_same(first, second):
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(value, second[key])
    else:
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("flat", [True, False])
def test_it_is_the_vec_env_of_single_envs_over_several_episodes(flat):
    ours = adapter(3, flat=flat)
    reference = DummyVecEnv([lambda: single(flat)] * 3)
    draws = np.random.default_rng(0)
    for env in (ours, reference):
        env.seed(7)
    assert_same(ours.reset(), reference.reset())
    ended = 0
    for _ in range(8):
        actions = draws.uniform(-1, 1, (3, 3)).astype(np.float32)
        steps = [env.step(actions) for env in (ours, reference)]
        for ours_part, reference_part in zip(steps[0][:3], steps[1][:3], strict=True):
            assert_same(ours_part, reference_part)
        for mine, theirs in zip(steps[0][3], steps[1][3], strict=True):
            assert mine.keys() == theirs.keys()
            assert mine["TimeLimit.truncated"] is theirs["TimeLimit.truncated"] is False
            assert mine["privileged"] == theirs["privileged"]
            assert mine["epoch"] == theirs["epoch"]
            if "terminal_observation" in mine:
                assert_same(mine["terminal_observation"], theirs["terminal_observation"])
                ended += 1
        assert steps[0][1].dtype == np.float32
    assert ended >= 6


def test_infos_of_a_reset_are_at_hand():
    env = adapter()
    env.reset()
    assert [info["epoch"] for info in env.reset_infos] == [0, 0]


def test_initial_hyperparameters_come_as_options():
    env = adapter()
    env.set_options({"hyperparameters": {"learning_rate": np.array([0.01, 0.02])}})
    env.reset()
    rates = [info["hyperparameter_values"]["learning_rate"] for info in env.reset_infos]
    assert rates == [0.01, 0.02]
    env.reset()
    assert env.reset_infos[0]["hyperparameter_values"]["learning_rate"] == 0.05
    env.set_options([{"hyperparameters": {"momentum": 0.5}}, {}])
    with pytest.raises(InvalidArgument, match="options must be the same for all envs"):
        env.reset()


@pytest.mark.parametrize("algorithm", [PPO, SAC])
def test_algorithms_wrappers_and_callbacks_work_on_it(algorithm, tmp_path):
    env = VecNormalize(VecMonitor(adapter()))
    evaluation = VecNormalize(VecMonitor(adapter(1, split="test")), training=False)
    arguments = {"n_steps": 6, "batch_size": 6} if algorithm is PPO else {"learning_starts": 2}
    model = algorithm("MlpPolicy", env, seed=0, **arguments)
    callback = EvalCallback(evaluation, n_eval_episodes=1, eval_freq=6, log_path=str(tmp_path))
    model.learn(12, callback=callback)
    assert len(model.ep_info_buffer) >= 2
    assert all(info["l"] <= 3 for info in model.ep_info_buffer)
    assert (tmp_path / "evaluations.npz").is_file()
    mean, deviation = evaluate_policy(model, evaluation, n_eval_episodes=2)
    assert np.isfinite([mean, deviation]).all()


def test_dict_observations_suit_the_multi_input_policy():
    model = PPO("MultiInputPolicy", adapter(flat=False), n_steps=3, batch_size=6)
    model.learn(6)


def test_attributes_methods_and_pictures():
    env = adapter(render_mode="rgb_array")
    assert env.get_attr("render_mode") == ["rgb_array"] * 2
    assert env.env_is_wrapped(Monitor) == [False, False]
    env.reset()
    env.step(np.zeros((2, 3), np.float32))
    assert len(env.env_method("get_state", indices=[1])) == 1
    images = env.get_images()
    assert len(images) == 2
    assert images[0].ndim == 3
    with pytest.raises(InvalidArgument, match="must be an argument of the env"):
        env.set_attr("severity", 0.5)
    env.close()


POOR = "atn_gym/DigitsCnnPoorInit-Mixture-v0"


@pytest.mark.parametrize("flat", [True, False])
def test_a_mixed_env_is_its_parts_side_by_side(flat):
    def parts():
        return [adapter(2, flat=flat), TuningVecEnv(POOR, 1, flat, **SMALL | {"num_epochs": 2})]

    mixed, alone = MixedVecEnv(parts()), parts()
    mixed.seed(5)
    alone[0].seed(5)
    alone[1].seed(7)
    draws = np.random.default_rng(0)
    observations = [part.reset() for part in alone]
    whole = mixed.reset()
    for _ in range(6):
        for part, where in zip(observations, (slice(0, 2), slice(2, 3)), strict=True):
            for key in whole if isinstance(whole, dict) else [slice(None)]:
                np.testing.assert_array_equal(whole[key][where], part[key])
        actions = draws.uniform(-1, 1, (3, 3)).astype(np.float32)
        whole, rewards, dones, infos = mixed.step(actions)
        steps = [alone[0].step(actions[:2]), alone[1].step(actions[2:])]
        observations = [step[0] for step in steps]
        np.testing.assert_array_equal(rewards, np.concatenate([step[1] for step in steps]))
        np.testing.assert_array_equal(dones, np.concatenate([step[2] for step in steps]))
        epochs = [info["epoch"] for info in infos]
        assert epochs == [info["epoch"] for step in steps for info in step[3]]
    assert mixed.get_attr("num_envs") == [2, 2, 1]
    assert mixed.get_attr("num_envs", [2]) == [1]
    assert len(mixed.env_method("get_state", indices=[0, 2])) == 2
    assert mixed.env_is_wrapped(Monitor) == [False] * 3


def test_a_mixed_env_goes_back_to_a_state():
    mixed = MixedVecEnv([adapter(1), TuningVecEnv(POOR, 1, **SMALL)])
    mixed.seed(0)
    mixed.reset()
    state = mixed.get_state()
    actions = np.full((2, 3), 0.2, np.float32)
    first = [mixed.step(actions)[1] for _ in range(4)]
    mixed.set_state(state)
    assert_same(np.array(first), np.array([mixed.step(actions)[1] for _ in range(4)]))


def test_envs_of_different_spaces_do_not_mix():
    with pytest.raises(InvalidArgument, match="mixed envs must have the same observation_space"):
        MixedVecEnv([adapter(1), adapter(1, window=5)])
    with pytest.raises(InvalidArgument, match="at least one vec env"):
        MixedVecEnv([])
