"""Agents exported from models of Stable-Baselines3."""

import gymnasium
import numpy as np
import pytest
import stable_baselines3
from small_envs import SMALL
from torch import nn

import atn_gym
from atn_gym import cli
from atn_gym.agents import Agent, controller_method
from atn_gym.agents.agent_file import read_agent
from atn_gym.agents.model_card import ModelCard, Normalisation
from atn_gym.errors import InvalidArgument
from atn_gym.training.export import export

ENV = "atn_gym/DigitsCnn-DataShift-v0"
SIZE = 4 * 10 + 3 + 1


class Spaces(gymnasium.Env):
    """The spaces of a flat env, in which nothing happens."""

    observation_space = gymnasium.spaces.Box(-1, 1, (SIZE,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


def saved(folder, algorithm="PPO", normalisation=None, policy="MlpPolicy", **policy_kwargs):
    """A model with random weights, large enough for its actions to saturate now and then."""
    made = getattr(stable_baselines3, algorithm)(
        policy, Spaces(), seed=0, policy_kwargs=policy_kwargs, device="cpu"
    )
    for parameter in made.policy.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    path = folder / f"{algorithm}.zip"
    made.save(path)
    names = ["learning_rate", "momentum", "weight_decay"]
    ModelCard(algorithm, 100, 10, names, normalisation).write(path)
    return path, made


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "SAC", "TD3", "DDPG"])
def test_an_exported_agent_acts_as_its_model(algorithm, tmp_path):
    path, model = saved(tmp_path, algorithm)
    network = export(path, tmp_path / "agent.safetensors").network
    observations = np.random.default_rng(0).uniform(-1, 1, (200, SIZE)).astype(np.float32)
    wanted, _ = model.predict(observations, deterministic=True)
    for ours in (network, read_agent(tmp_path / "agent.safetensors").network):
        actions, _ = ours.predict(observations)
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, wanted, atol=2e-5)
    assert wanted.std() > 0.3


def test_actions_of_a_row_do_not_depend_on_the_others(tmp_path):
    path, _ = saved(tmp_path)
    network = export(path, tmp_path / "agent.safetensors").network
    observations = np.random.default_rng(1).uniform(-1, 1, (50, SIZE)).astype(np.float32)
    together, _ = network.predict(observations)
    alone = [network.predict(row)[0] for row in observations]
    np.testing.assert_allclose(together, alone, atol=1e-7)


def test_it_is_evaluated_as_the_archive_is(tmp_path):
    normalisation = Normalisation([0.1] * SIZE, [0.5] * SIZE, 1e-8, 5.0)
    path, _ = saved(tmp_path, normalisation=normalisation)
    file = tmp_path / "agent.safetensors"
    assert cli.main(["export", str(path), str(file)]) == 0
    ours, theirs = (
        atn_gym.evaluate(policy, ENV, seeds=3, twins=False, **SMALL).values("anytime_performance")
        for policy in (Agent(str(file)), controller_method("rl", path=str(path)))
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_what_cannot_be_exported_is_named(tmp_path, capsys):
    path, model = saved(tmp_path, activation_fn=nn.ELU)
    with pytest.raises(InvalidArgument, match="must have ReLU or tanh activations, got ELU"):
        export(path, tmp_path / "agent.safetensors")
    model.save(tmp_path / "bare.zip")
    with pytest.raises(InvalidArgument, match="no card of its training"):
        export(tmp_path / "bare.zip", tmp_path / "agent.safetensors")
    assert not (tmp_path / "agent.safetensors").exists()
    assert cli.main(["export", str(path), str(tmp_path / "agent.zip")]) == 2
    assert "FILE must end in .safetensors" in capsys.readouterr().err


def test_a_damaged_file_is_named(tmp_path):
    path, _ = saved(tmp_path)
    file = tmp_path / "agent.safetensors"
    export(path, file)
    whole = file.read_bytes()
    for content in (b"", whole[:100], whole[: len(whole) // 2], path.read_bytes()):
        file.write_bytes(content)
        with pytest.raises(InvalidArgument, match="damaged or of another kind"):
            Agent(str(file)).read()


def test_an_agent_does_not_fit_any_env(tmp_path):
    path, _ = saved(tmp_path)
    export(path, tmp_path / "agent.safetensors")
    agent = Agent(str(tmp_path / "agent.safetensors"))
    with pytest.raises(InvalidArgument, match="was trained with window=10, but this env has 5"):
        atn_gym.evaluate(agent, ENV, seeds=1, window=5, **SMALL)


def test_paths_that_are_no_agent(tmp_path):
    with pytest.raises(InvalidArgument, match="no such file; did you mean 'ppo_digits'"):
        Agent("ppo_digit")
    path, _ = saved(tmp_path)
    with pytest.raises(InvalidArgument, match="must be a file that ends in"):
        Agent(str(path))
