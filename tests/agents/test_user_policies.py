"""Policies and models of the user's own: given directly, and by an import string."""

import gymnasium as gym
import numpy as np
import pytest
import small_envs
from gymnasium.wrappers import DiscretizeAction
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import VecNormalize

import atn_gym
from atn_gym.agents import SB3Policy, pretrained
from atn_gym.agents.registry import controller_method, source_digest
from atn_gym.config import EnvConfig
from atn_gym.envs.wrappers import FlatObservation
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.batch import evaluate_seeds
from atn_gym.training import MixedVecEnv, TuningVecEnv

ENV = "atn_gym/DigitsCnn-CurriculumShift-v0"
SMALL = {**small_envs.SMALL, "num_epochs": 4}


def traces(runs):
    return [run.trace for run in runs]


def test_runs_of_an_agent_do_not_depend_on_those_made_with_them():
    agent, env = pretrained("ppo_digits"), EnvConfig(id=ENV, train_size=128)
    together = traces(evaluate_seeds(agent, env, [0, 1, 2, 3, 4], twins=False))
    apart = [t for s in range(5) for t in traces(evaluate_seeds(agent, env, [s], twins=False))]
    pairs = traces(evaluate_seeds(agent, env, [3, 1], twins=False))
    assert together == apart
    assert pairs == [together[3], together[1]]


def test_a_model_is_evaluated_as_it_is():
    env = TuningVecEnv(ENV, 2, **SMALL)
    plain = PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0)
    assert len(atn_gym.evaluate(plain, ENV, seeds=2, twins=False, **SMALL).summaries) == 2


def test_discrete_actions_are_those_of_the_wrapper():
    small = {**SMALL, "hyperparameters": ["learning_rate", "momentum"]}
    env = DiscretizeAction(FlatObservation(gym.make(ENV, **small)), bins=3)
    model = DQN("MlpPolicy", env, buffer_size=10, seed=0)
    found = atn_gym.evaluate(model, ENV, seeds=1, twins=False, **small)
    observation, _ = env.reset(seed=0)
    for row in found.runs[0].trace:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, _, _, info = env.step(int(action))
        rates = info["hyperparameter_values"]
        assert rates["learning_rate"] == pytest.approx(row["learning_rate"], rel=1e-5)
        assert rates["momentum"] == pytest.approx(row["momentum"], rel=1e-5)


def test_a_model_beside_statistics_is_scored_with_them_or_refused(tmp_path):
    env = VecNormalize(TuningVecEnv(ENV, 2, **SMALL))
    model = PPO("MlpPolicy", env, n_steps=8, batch_size=8, seed=0)
    model.learn(16)
    path, statistics = str(tmp_path / "model.zip"), str(tmp_path / "vecnormalize.pkl")
    model.save(path)
    env.save(statistics)
    with pytest.raises(InvalidArgument, match=r"normalised.*vecnormalize\.pkl"):
        SB3Policy(path)
    with_them, without = SB3Policy(path, normalize=statistics), SB3Policy(path, normalize=False)
    assert with_them.digest() != without.digest()
    env.training = False
    found = [
        traces(atn_gym.evaluate(policy, ENV, seeds=1, twins=False, **SMALL).runs)
        for policy in (model, with_them, without)
    ]
    assert found[0] == found[1] != found[2]


MODULE = """
import numpy as np

class Lower:
    def __init__(self, by=0.1):
        self.by = by

    def digest(self):
        return f"by {self.by}"

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions = np.zeros((len(observation["progress"]), 3), np.float32)
        actions[:, 0] = -self.by
        return actions, state

def lower(by=0.1):
    return Lower(by)

def nothing():
    return None

policy = Lower()
"""


def test_a_policy_goes_by_an_import_string(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_policy.py").write_text(MODULE)
    given = [
        controller_method("own_policy:Lower", by=0.2),
        controller_method("own_policy:lower", by=0.2),
        controller_method("own_policy:policy"),
    ]
    first, second, third = (
        traces(atn_gym.evaluate(m, ENV, seeds=1, twins=False, **SMALL).runs) for m in given
    )
    assert first == second != third
    assert source_digest("own_policy:Lower") == source_digest("own_policy:lower") is not None
    assert given[0].digest() == given[1].digest() != given[2].digest()
    with pytest.raises(InvalidArgument, match="no argument 'bye'; did you mean 'by'"):
        controller_method("own_policy:lower", bye=0.2)
    with pytest.raises(InvalidArgument, match="must make an object with predict"):
        atn_gym.evaluate("own_policy:nothing", ENV, seeds=1, **SMALL)


def test_the_space_of_a_vec_env_is_that_of_one_env():
    env = TuningVecEnv(ENV, 2, **SMALL)
    assert env.get_attr("observation_space") == [env.observation_space] * 2
    assert MixedVecEnv([env]).get_attr("action_space") == [env.action_space] * 2
    assert np.shape(env.get_attr("action_space")[0].low) == (3,)
