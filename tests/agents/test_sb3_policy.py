"""Models of Stable-Baselines3 beside the baselines, in one call and in one config."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from small_envs import SMALL
from stable_baselines3 import PPO, SAC

import atn_gym
from atn_gym import cli
from atn_gym.agents import SB3Policy
from atn_gym.agents.model_card import ModelCard
from atn_gym.config import load_config
from atn_gym.envs.wrappers import FlatObservation
from atn_gym.errors import InvalidArgument
from atn_gym.eval.running.failures import PolicyError
from atn_gym.eval.storage.experiment import read_experiment

ENV = "atn_gym/DigitsCnn-DataShift-v0"


def small_env(flat, **kwargs):
    env = gym.make(ENV, **{**SMALL, **kwargs})
    return FlatObservation(env) if flat else env


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    made = {
        "flat": PPO("MlpPolicy", small_env(flat=True), n_steps=8, batch_size=8, seed=0),
        "dict": PPO("MultiInputPolicy", small_env(flat=False), n_steps=8, batch_size=8, seed=0),
    }
    for name, model in made.items():
        model.learn(8)
        model.save(folder / f"{name}.zip")
    return {name: str(folder / f"{name}.zip") for name in made}


@pytest.mark.parametrize("name", ["flat", "dict"])
def test_a_model_acts_as_in_its_own_loop(models, name):
    evaluation = atn_gym.evaluate(SB3Policy(models[name]), ENV, seeds=2, twins=False, **SMALL)
    env = small_env(flat=name == "flat")
    model = PPO.load(models[name])
    for run in evaluation.runs:
        observation, _ = env.reset(seed=run.seed)
        for row in run.trace:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, _, _, info = env.step(action)
            assert info["hyperparameter_values"]["learning_rate"] == pytest.approx(
                row["learning_rate"], rel=1e-5
            )
    assert evaluation.runs[0].trace[-1]["learning_rate"] != 0.05


class Mine:
    """A policy of a user's, in ten lines."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions = np.zeros((len(observation["progress"]), 3), np.float32)
        actions[:, 0] = -0.1
        return actions, state


METHOD = """
import numpy as np
from atn_gym.agents import Method

class Mine(Method):
    def policy(self, env, seeds):
        return self

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        actions = np.zeros((len(observation["progress"]), 3), np.float32)
        actions[:, 0] = -0.1
        return actions, state
"""


def test_one_config_evaluates_a_model_and_a_policy_beside_the_baselines(
    models, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rl_own.py").write_text(METHOD)
    config = {
        "experiment": "beside",
        "envs": [{"id": ENV, **SMALL}],
        "controllers": ["fixed", {"name": "rl", "path": models["flat"]}, "rl_own:Mine"],
        "seeds": 2,
    }
    (tmp_path / "beside.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["run", "--config", "beside.yaml"]) == 0
    assert "6 runs complete, 0 failed" in capsys.readouterr().out
    direct = atn_gym.evaluate(Mine(), ENV, seeds=2, **SMALL)
    runs = read_experiment(tmp_path / "results" / "beside").runs
    losses = {run.metric("final_val_loss") for run in runs}
    assert {summary["final_val_loss"] for summary in direct.summaries} <= losses


def test_another_model_under_the_same_path_is_another_run(models, tmp_path):
    path = tmp_path / "model.zip"
    digests = set()
    for name in ("flat", "dict"):
        path.write_bytes(Path(models[name]).read_bytes())
        digests.add(SB3Policy(str(path)).digest())
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"window": 5}, "was trained with window=10, but this env has 5"),
        ({"hyperparameters": ["momentum"]}, "was trained with hyperparameters="),
        ({}, "damaged or of another kind"),
    ],
)
def test_a_model_that_does_not_suit_is_named_when_a_config_is_loaded(
    models, tmp_path, env, message
):
    path = tmp_path / "model.zip"
    path.write_bytes(Path(models["flat"]).read_bytes())
    ModelCard("PPO", 8, 10, ["learning_rate", "momentum", "weight_decay"]).write(path)
    if not env:
        path.write_bytes(path.read_bytes()[:-100])
    config = {
        "experiment": "suits",
        "envs": [{"id": ENV, **SMALL}, {"id": ENV, **SMALL, **env}],
        "controllers": ["fixed", {"name": "rl", "path": str(path)}],
        "seeds": 2,
    }
    (tmp_path / "suits.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InvalidArgument, match=message):
        load_config(tmp_path / "suits.yaml")


def test_what_users_get_wrong(models, tmp_path):
    with pytest.raises(InvalidArgument, match=r"'no\.zip': no such file"):
        SB3Policy("no.zip")
    with pytest.raises(InvalidArgument, match="did you mean 'PPO'"):
        SB3Policy(models["flat"], algorithm="PP0")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(Path(models["flat"]).read_bytes()[:500])
    with pytest.raises(InvalidArgument, match="must be a model file that Stable-Baselines3"):
        atn_gym.evaluate(SB3Policy(str(broken)), ENV, seeds=1, **SMALL)
    with pytest.raises(PolicyError, match=r"method SB3Policy .*trained to observe in .* window"):
        atn_gym.evaluate(SB3Policy(models["flat"]), ENV, seeds=1, window=5, **SMALL)
    with pytest.raises(PolicyError, match="trained to observe in"):
        atn_gym.evaluate(
            SB3Policy(models["dict"]), ENV, seeds=1, hyperparameters=["learning_rate"], **SMALL
        )
    SAC("MlpPolicy", small_env(flat=True), buffer_size=10).save(tmp_path / "sac.zip")
    with pytest.raises(PolicyError, match="must be a PPO model"):
        atn_gym.evaluate(SB3Policy(str(tmp_path / "sac.zip")), ENV, seeds=1, **SMALL)


@pytest.mark.parametrize("algorithm", ["TRPO", "RecurrentPPO", "QRDQN", "TQC"])
def test_models_of_sb3_contrib_are_scored(algorithm, tmp_path):
    sb3_contrib = pytest.importorskip("sb3_contrib")
    env = small_env(flat=True)
    if algorithm == "QRDQN":
        env = gym.wrappers.DiscretizeAction(env, bins=3)
    policy = "MlpLstmPolicy" if algorithm == "RecurrentPPO" else "MlpPolicy"
    model = getattr(sb3_contrib, algorithm)(policy, env, seed=0, device="cpu")
    model.save(tmp_path / "model.zip")
    method = SB3Policy(str(tmp_path / "model.zip"), algorithm=algorithm)
    (run,) = atn_gym.evaluate(method, ENV, seeds=1, twins=False, **SMALL).runs
    observation, _ = env.reset(seed=run.seed)
    state, start = None, np.array([True])
    for row in run.trace:
        action, state = model.predict(observation, state, start, deterministic=True)
        observation, _, _, _, info = env.step(action)
        start = np.array([False])
        assert info["hyperparameter_values"]["learning_rate"] == pytest.approx(
            row["learning_rate"], rel=1e-5
        )
