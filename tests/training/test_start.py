"""Trainings that go on from an agent."""

import dataclasses

import numpy as np
import pytest
import torch
import yaml
from small_envs import SMALL
from small_trainings import ENV, VALUES

from atn_gym import cli
from atn_gym.agents.agent_file import read_agent
from atn_gym.agents.algorithms import load_model
from atn_gym.agents.model_card import read_card
from atn_gym.training.config import TrainingConfig
from atn_gym.training.export import export
from atn_gym.training.train import train

# With a rate of 0 a training ends with the weights that it began with.
STILL = {**VALUES["hyperparameters"], "learning_rate": 0.0}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    return train(TrainingConfig.model_validate({**VALUES, "seed": 5}), folder)


def state(path, algorithm="PPO"):
    return load_model(algorithm, str(path)).policy.state_dict()


def go_on(folder, **changes):
    values = {**VALUES, "n_timesteps": 64, "hyperparameters": STILL, **changes}
    return train(TrainingConfig.model_validate(values), folder)


def test_a_training_starts_from_actor_and_critic_of_a_model(first, tmp_path):
    stored, begun = state(first), state(go_on(tmp_path, start_from=str(first)))
    assert stored.keys() == begun.keys()
    assert all(torch.equal(stored[name], begun[name]) for name in stored)


def test_a_training_starts_from_the_actor_of_an_agent_file(first, tmp_path):
    file = tmp_path / "agent.safetensors"
    exported = export(first, file).network
    begun = go_on(tmp_path / "second", start_from=str(file))
    observations = np.random.default_rng(0).uniform(-1, 1, (50, 44)).astype(np.float32)
    ours = export(begun, tmp_path / "begun.safetensors").network.predict(observations)[0]
    np.testing.assert_array_equal(ours, exported.predict(observations)[0])
    assert not torch.equal(state(first)["value_net.weight"], state(begun)["value_net.weight"])


def test_a_training_starts_from_an_agent_of_the_package(tmp_path):
    hyperparameters = {**STILL, "policy_kwargs": {"net_arch": [128, 64]}}
    begun = go_on(tmp_path, start_from="ppo_adaptive", falls=True, hyperparameters=hyperparameters)
    card = read_card(begun)
    assert card.started_from.config["experiment"].startswith("train_ppo_adaptive")
    assert card.all_timesteps == card.num_timesteps + card.started_from.all_timesteps


def test_what_came_before_counts_among_the_runs_of_making(first, tmp_path):
    path = go_on(tmp_path, start_from=str(first))
    card, earlier = read_card(path), read_card(first)
    assert (card.num_timesteps, earlier.num_timesteps, card.all_timesteps) == (64, 192, 256)
    assert earlier.making_runs == 192 / SMALL["num_epochs"]
    assert card.making_runs == 256 / SMALL["num_epochs"]
    exported = export(path, tmp_path / "agent.safetensors")
    assert read_agent(tmp_path / "agent.safetensors").card == exported.card == card
    unknown = dataclasses.replace(card, started_from=dataclasses.replace(earlier, config={}))
    assert unknown.making_runs is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_from": "no/model.zip"}, "got 'no/model.zip': no such file; train it first"),
        ({"start_from": "ppo_adaptiv"}, "did you mean 'ppo_adaptive'"),
        ({"start_from": "ppo_adaptive"}, "start_from=ppo_adaptive has another network"),
        ({"start_from": "FIRST", "falls": True}, "has another network than this training"),
        ({"start_from": "FIRST", "policy": "MultiInputPolicy"}, "has another network than this"),
    ],
)
def test_what_users_get_wrong_in_start_from(changes, message, first, tmp_path, capsys):
    changes = {name: str(first) if v == "FIRST" else v for name, v in changes.items()}
    values = {**VALUES, "envs": [ENV], **changes}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(values))
    arguments = ["train", "--config", str(path), "--results", str(tmp_path)]
    assert cli.main(arguments) == 2
    assert message in capsys.readouterr().err
