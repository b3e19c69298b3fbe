"""What a training file must say, and what is wrong with one."""

import pytest
import yaml
from small_trainings import ENV, VALUES

from atn_gym import cli
from atn_gym.config_file import SHIPPED
from atn_gym.training.config import load_training_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"algorithm": "PP0"}, "unknown algorithm 'PP0'; did you mean 'PPO'"),
        ({"policy": "MlpPolice"}, "unknown policy of PPO 'MlpPolice'; did you mean 'MlpPolicy'"),
        (
            {"hyperparameters": {"gama": 0.9}},
            "PPO has no hyperparameter 'gama'; did you mean 'gamma'",
        ),
        (
            {"hyperparameters": {"learning_rate": "lin_fast"}},
            "learning_rate must be a number or a schedule such as 'lin_3e-4', got 'lin_fast'",
        ),
        (
            {"hyperparameters": {"policy_kwargs": {"activation_fn": "tan"}}},
            "unknown activation_fn 'tan'; did you mean 'tanh'",
        ),
        (
            {"envs": ["atn_gym/DigitsCnn-Mixtur-v0"]},
            "did you mean 'atn_gym/DigitsCnn-Mixture-v0'",
        ),
        (
            {"policy": "MultiInputPolicy", "normalize": True},
            "normalize, falls and shuffle_signals need flat observations",
        ),
        ({"n_envs": 3}, "n_envs must be a multiple of the 2 envs, got 3"),
        (
            {"eval_envs": [{**ENV, "window": 5}]},
            "all envs and eval_envs must have the same window, got 10 and 5",
        ),
        (
            {"eval_envs": [{**ENV, "hyperparameters": ["momentum"]}]},
            "must have the same hyperparameters, got ['learning_rate', 'momentum', 'weight_decay'] "
            "and ['momentum']",
        ),
        (
            {"eval_envs": [{**ENV, "signals": "gradient"}]},
            "must have the same signals, got loss and gradient",
        ),
        (
            {"eval_envs": [{**ENV, "checkpoint_rollback": True}]},
            "must have the same checkpoint_rollback, got False and True",
        ),
        ({"eval_envs": [ENV, ENV]}, "got DigitsCnn-Mixture-v0 twice: leave one out"),
        ({"hyperparameters": {"gamma": "high"}}, "gamma must be a number, got 'high'"),
        ({"hyperparameters": {"gamma": "lin_1"}}, "gamma must be a number, got 'lin_1'"),
        ({"hyperparameters": {"n_epochs": "ten"}}, "n_epochs must be an integer, got 'ten'"),
        (
            {"hyperparameters": {"normalize_advantage": "no thanks"}},
            "normalize_advantage must be true or false, got 'no thanks'",
        ),
        ({"hyperparameters": {"use_sde": True}}, "use_sde must be false, for checkpoints"),
        (
            {"hyperparameters": {"policy_kwargs": {"use_sde": True}}},
            "use_sde must be false, for checkpoints",
        ),
        (
            {"algorithm": "TD3", "hyperparameters": {"noise_type": "ornstein-uhlenbeck"}},
            "noise_type must be 'normal'",
        ),
        (
            {"algorithm": "TD3", "hyperparameters": {"noise_type": "normal"}},
            "noise_type 'normal' needs noise_std",
        ),
        (
            {"policy": "CnnPolicy"},
            "policy CnnPolicy is for images, but observations are vectors: choose MlpPolicy or "
            "MultiInputPolicy",
        ),
        (
            {"envs": [ENV], "n_envs": 1, "shuffle_signals": True},
            "n_envs must be at least 2, got 1",
        ),
        ({"n_timestep": 100}, "unknown key 'n_timestep'; did you mean 'n_timesteps'"),
    ],
)
def test_what_users_get_wrong_in_a_config(changes, message, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({**VALUES, **changes}))
    assert cli.main(["train", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("train_*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_training_is_valid(path):
    config = load_training_config(path)
    assert config.experiment == path.stem
    assert load_training_config(path.stem) == config
