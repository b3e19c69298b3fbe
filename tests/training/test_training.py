"""`atn-gym train`: what it writes, what it goes on from, and what it refuses."""

import errno
import signal

import numpy as np
import pytest
import torch
import yaml
from small_envs import SMALL
from small_trainings import ENV, POOR, VALUES
from strikes import strike

import atn_gym
from atn_gym import cli
from atn_gym.agents import Agent, SB3Policy, controller_method
from atn_gym.agents.algorithms import load_model
from atn_gym.agents.model_card import read_card
from atn_gym.errors import DataUnavailable, InvalidArgument
from atn_gym.training import TuningVecEnv
from atn_gym.training import train as training_module
from atn_gym.training.checkpoint import checkpoints
from atn_gym.training.config import TrainingConfig, check_training
from atn_gym.training.envs import make_training_env
from atn_gym.training.log import LOG, STEPS, final_evaluations, read_log
from atn_gym.training.train import TrainingError, train

OFF_POLICY = {"learning_starts": 40, "buffer_size": 1000, "batch_size": 16}
VARIANTS = {
    "PPO": {"normalize": True},
    "PPO, shuffled": {"shuffle_signals": True, "falls": True},
    "RecurrentPPO": {
        "policy": "MlpLstmPolicy",
        "hyperparameters": {"n_steps": 8, "batch_size": 16, "policy_kwargs": {"net_arch": [8]}},
    },
    "SAC": {"hyperparameters": OFF_POLICY},
    "TD3": {
        "normalize": True,
        "hyperparameters": {**OFF_POLICY, "noise_type": "normal", "noise_std": 0.1},
    },
    "A2C": {"hyperparameters": {}},
}


class Interruption(Exception):
    pass


def interrupt(steps):
    if steps >= 100:
        raise Interruption


def training(**changes):
    config = TrainingConfig.model_validate({**VALUES, **changes})
    check_training(config)
    return config


def weights(algorithm, path):
    return load_model(algorithm, str(path)).policy.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_an_interrupted_training_ends_with_the_agent_of_an_undisturbed_one(name, tmp_path):
    algorithm = name.partition(",")[0]
    config = training(algorithm=algorithm, **VARIANTS[name])
    with pytest.raises(Interruption):
        train(config, tmp_path / "interrupted", interrupt)
    assert 64 <= int(checkpoints(tmp_path / "interrupted/checkpoints")[-1].name) <= 100
    first = weights(algorithm, train(config, tmp_path / "interrupted"))
    second = weights(algorithm, train(config, tmp_path / "undisturbed"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_killed_training_goes_on_from_its_last_checkpoint_without_a_gap_in_the_log(
    tmp_path, capsys
):
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(VALUES))
    arguments = ["train", "--config", str(tmp_path / "small.yaml"), "--results", str(tmp_path)]
    folder = tmp_path / "small"
    # A checkpoint renames its checksums and then itself.
    killed = strike(arguments, folder / "checkpoints", writes=6, delay=0)
    assert killed == -signal.SIGKILL
    assert len(checkpoints(folder / "checkpoints")) == 2
    assert not (folder / "model.zip").exists()
    assert cli.main(arguments) == 0
    assert "PPO, 192 steps" in capsys.readouterr().out
    steps = [row[STEPS] for row in read_log(folder / "log.jsonl")]
    assert steps == sorted(steps)
    assert steps[-1] == 192
    gaps = [after - before for before, after in zip([0, *steps], steps, strict=False)]
    assert max(gaps) <= VALUES["checkpoint_freq"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(training(normalize=True), folder)


def test_the_log_holds_returns_losses_and_evaluations(trained):
    rows = read_log(trained.parent / "log.jsonl")
    assert any("rollout/ep_rew_mean" in row for row in rows)
    assert any("train/value_loss" in row for row in rows)
    name = "eval/DigitsCnn-Mixture-v0/anytime_performance"
    assert [row[STEPS] for row in rows if name in row] == [64, 128, 192]
    assert list((trained.parent / "tensorboard").glob("events.*"))


def test_the_last_evaluation_is_that_of_the_saved_model(trained):
    rows = read_log(trained.parent / "log.jsonl")
    logged = rows[-1]["eval/DigitsCnn-Mixture-v0/anytime_performance"]
    env = dict(VALUES["eval_envs"][0])
    found = atn_gym.evaluate(SB3Policy(str(trained)), env.pop("id"), seeds=2, twins=False, **env)
    assert found.mean("anytime_performance") == logged


def test_a_model_carries_its_config_and_normalisation(trained):
    card = read_card(trained)
    assert card is not None
    assert card.algorithm == "PPO"
    assert card.num_timesteps == 192
    assert card.window == 10
    assert card.hyperparameters == ["learning_rate", "momentum", "weight_decay"]
    assert card.config["seed"] == 0
    assert card.normalisation is not None
    assert len(card.normalisation.mean) == 44


def test_the_algorithm_of_a_trained_model_need_not_be_named(tmp_path):
    config = training(algorithm="SAC", hyperparameters=OFF_POLICY, n_timesteps=48)
    path = train(config, tmp_path)
    found = atn_gym.evaluate(SB3Policy(str(path)), ENV["id"], seeds=1, twins=False, **SMALL)
    assert len(found.summaries) == 1


def test_a_recurrent_agent_keeps_its_state_from_step_to_step(tmp_path):
    variant = VARIANTS["RecurrentPPO"]
    path = train(training(algorithm="RecurrentPPO", **variant), tmp_path)
    found = atn_gym.evaluate(SB3Policy(str(path)), ENV["id"], seeds=2, twins=False, **SMALL)
    model = load_model("RecurrentPPO", str(path))
    env = TuningVecEnv(ENV["id"], 1, **SMALL)
    env.seed(0)
    observation, state, start = env.reset(), None, [True]
    for row in found.runs[0].trace:
        action, state = model.predict(observation, state, start, deterministic=True)
        observation, _, start, infos = env.step(action)
        if not start[0]:
            rate = infos[0]["hyperparameter_values"]["learning_rate"]
            assert rate == pytest.approx(row["learning_rate"], rel=1e-5)


def test_a_complete_training_is_not_trained_again(trained):
    before = trained.stat().st_mtime_ns
    assert train(training(normalize=True), trained.parent) == trained
    assert trained.stat().st_mtime_ns == before


def exported_and_scored(model, agent):
    """The evaluation of an exported agent, after a comparison with that of its model."""
    assert cli.main(["export", str(model), str(agent)]) == 0
    ours, theirs = (
        atn_gym.evaluate(policy, "atn_gym/DigitsCnn-Stationary-v0", seeds=2, **SMALL)
        for policy in (Agent(str(agent)), controller_method("rl", path=str(model)))
    )
    metric = "anytime_performance"
    np.testing.assert_allclose(ours.values(metric), theirs.values(metric), atol=1e-3)
    return ours


def test_an_agent_that_observes_falls_is_trained_exported_and_scored(tmp_path):
    exported_and_scored(train(training(falls=True), tmp_path), tmp_path / "agent.safetensors")


def test_an_agent_that_observes_gradients_has_them_in_the_env_and_the_scheduler(tmp_path):
    envs = [{**env, "signals": "gradient"} for env in (ENV, POOR)]
    model = train(training(envs=envs, eval_envs=envs[:1]), tmp_path)
    agent = tmp_path / "agent.safetensors"
    ours = exported_and_scored(model, agent)
    assert all("alignment" in row for row in ours.runs[0].trace)
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    scheduler = atn_gym.HyperparameterScheduler(
        optimizer, Agent(str(agent)), num_epochs=3, num_classes=2
    )
    layer(torch.ones(1, 2)).square().sum().backward()
    optimizer.step()
    scheduler.step(1.0)
    norm, *_, steps = (track[-3] for track in scheduler.state_dict()["signals"])
    assert norm > 0
    assert steps == 1


@pytest.mark.parametrize("falls", [False, True])
def test_shuffled_signals_are_exchanged_among_the_networks(falls):
    env = make_training_env(training(shuffle_signals=True, falls=falls))
    plain = make_training_env(training(falls=falls))
    observations = []
    for one in (env, plain):
        one.reset()
        observations.append(one.step(np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32))[0])
    shuffled, own = observations
    signals = np.delete(shuffled, range(40, 44), axis=1), np.delete(own, range(40, 44), axis=1)
    assert signals[0].shape == (4, 58 if falls else 40)
    np.testing.assert_array_equal(shuffled[:, 40:44], own[:, 40:44])
    assert not np.array_equal(*signals)
    assert {row.tobytes() for row in signals[0]} == {row.tobytes() for row in signals[1]}


def test_what_an_algorithm_refuses_is_said_in_one_sentence(tmp_path):
    for refused in ({"learning_rate": -1}, {"policy_kwargs": {"net_arch": [-1]}}):
        with pytest.raises(InvalidArgument, match="PPO does not accept its hyperparameters"):
            train(training(hyperparameters=refused), tmp_path)


def test_a_refused_config_can_be_corrected_under_the_same_name(tmp_path):
    with pytest.raises(InvalidArgument, match="does not accept"):
        train(training(hyperparameters={"learning_rate": -1}), tmp_path)
    assert train(training(), tmp_path).is_file()


def test_a_folder_without_a_checkpoint_is_left_to_another_config(tmp_path):
    config = training(checkpoint_freq=1000)
    with pytest.raises(Interruption):
        train(config, tmp_path, interrupt)
    assert max(row[STEPS] for row in read_log(tmp_path / "log.jsonl")) > 64
    (tmp_path / "config.yaml").write_text("")
    train(training(seed=1, n_timesteps=64), tmp_path)
    assert max(row[STEPS] for row in read_log(tmp_path / "log.jsonl")) == 64
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["seed"] == 1


def test_a_config_that_was_not_read_from_a_file_is_checked_too(tmp_path):
    config = TrainingConfig.model_validate({**VALUES, "n_envs": 3})
    with pytest.raises(InvalidArgument, match="n_envs must be a multiple of the 2 envs, got 3"):
        train(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_agent_that_diverges_is_told_of_in_one_sentence(tmp_path, capsys):
    values = {**VALUES, "hyperparameters": {"n_steps": 8, "batch_size": 16, "learning_rate": 1e30}}
    (tmp_path / "wild.yaml").write_text(yaml.safe_dump(values))
    arguments = ["train", "--config", str(tmp_path / "wild.yaml"), "--results", str(tmp_path)]
    assert cli.main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("atn-gym: error: training failed at step 32 (ValueError: ")
    assert "checkpoints are kept: change its hyperparameters, such as to a smaller" in message
    assert message.count("\n") == 1


def test_a_training_that_fails_for_want_of_room_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    def full(*arguments, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "evaluate", full)
        with pytest.raises(TrainingError, match=r"step 64 \(OSError: .*No space.* make room"):
            train(training(), tmp_path)
    assert [path.name for path in checkpoints(tmp_path / "checkpoints")] == [f"{32:012d}"]
    assert train(training(), tmp_path).is_file()


def test_what_the_caller_raises_is_no_failure_of_the_training(tmp_path):
    raised = ValueError("enough")

    def on_steps(steps):
        raise raised

    with pytest.raises(ValueError, match=r"^enough$") as caught:
        train(training(), tmp_path, on_steps)
    assert caught.value is raised


def test_results_that_cannot_be_written_are_named(tmp_path, capsys):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(VALUES))
    assert cli.main(["train", "--config", str(path), "--results", str(path)]) == 2
    message = "small.yaml/small cannot be made or written (Not a directory): choose another one"
    assert message in capsys.readouterr().err


def test_evaluations_that_cannot_be_made_are_found_before_training(tmp_path):
    steps = []
    absent = {"id": "atn_gym/MnistCnn-Mixture-v0", **SMALL, "data_dir": "/proc/nothing"}
    with pytest.raises(DataUnavailable, match="/proc/nothing"):
        train(training(eval_envs=[ENV, absent]), tmp_path, steps.append)
    assert steps == []


def test_how_an_agent_is_evaluated_may_change_while_it_is_trained(tmp_path):
    with pytest.raises(Interruption):
        train(training(), tmp_path / "changed", interrupt)
    changes = {"eval_envs": [POOR], "eval_seeds": 1, "eval_freq": 48, "checkpoint_freq": 1000}
    changed = train(training(**changes), tmp_path / "changed")
    first, second = weights("PPO", changed), weights("PPO", train(training(), tmp_path / "same"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    stored = yaml.safe_load((tmp_path / "changed/config.yaml").read_text())
    assert stored["eval_envs"] == [POOR]
    assert stored["checkpoint_freq"] == 1000
    assert "eval/DigitsCnnPoorInit-Mixture-v0/collapsed" in read_log(changed.parent / LOG)[-1]


def test_evaluations_on_one_id_have_names_of_their_own(tmp_path):
    envs = [{**ENV, "kind": "classes"}, {**ENV, "kind": "label_noise"}, {**ENV}, POOR]
    train(training(eval_envs=envs, eval_seeds=1, n_timesteps=32), tmp_path)
    assert list(final_evaluations(tmp_path))[::2] == [
        "DigitsCnn-Mixture-v0,kind=classes/anytime_performance",
        "DigitsCnn-Mixture-v0,kind=label_noise/anytime_performance",
        "DigitsCnn-Mixture-v0/anytime_performance",
        "DigitsCnnPoorInit-Mixture-v0/anytime_performance",
    ]


def test_an_on_policy_algorithm_logs_every_rollout(tmp_path):
    train(training(algorithm="A2C", hyperparameters={"n_steps": 8}, n_timesteps=96), tmp_path)
    rows = read_log(tmp_path / LOG)
    assert [row[STEPS] for row in rows if "time/fps" in row] == [32, 64, 96]


def test_a_folder_belongs_to_one_training(trained):
    with pytest.raises(InvalidArgument, match="a training with other values of seed: choose"):
        train(training(normalize=True, seed=1), trained.parent)


@pytest.mark.parametrize("damage", ["", "seed: [", "- 0", None])
def test_a_folder_that_does_not_say_whose_it_is_belongs_to_none(damage, tmp_path):
    with pytest.raises(Interruption):
        train(training(), tmp_path, interrupt)
    if damage is None:
        (tmp_path / "config.yaml").unlink()
    else:
        (tmp_path / "config.yaml").write_text(damage)
    with pytest.raises(InvalidArgument, match=r"which config .*, but config\.yaml .*: choose"):
        train(training(), tmp_path)


def test_models_that_do_not_suit(trained, tmp_path):
    with pytest.raises(InvalidArgument, match=r"trained with window=10, but this env has 5"):
        atn_gym.evaluate(SB3Policy(str(trained)), ENV["id"], seeds=1, window=5, **SMALL)
    with pytest.raises(InvalidArgument, match=r"trained with hyperparameters=\['learning_rate'"):
        atn_gym.evaluate(
            SB3Policy(str(trained)), ENV["id"], seeds=1, hyperparameters=["momentum"], **SMALL
        )
    truncated = tmp_path / "model.zip"
    truncated.write_bytes(trained.read_bytes()[:-100])
    with pytest.raises(InvalidArgument, match=r"must be a .* that Stable-Baselines3 .*saved"):
        atn_gym.evaluate(SB3Policy(str(truncated)), ENV["id"], seeds=1, **SMALL)
