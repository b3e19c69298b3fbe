"""Training files: YAML with the names of RL Baselines3 Zoo, read into a validated model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt

from atn_gym.agents.sb3.algorithms import algorithm_class
from atn_gym.config import EnvConfig, parse_seeds, string_as, validate_config
from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.training.hyperparameters import algorithm_arguments

_EnvConfigs = list[Annotated[EnvConfig, string_as("id")]]


class TrainingConfig(BaseModel):
    """The training of one agent.

    Args:
        experiment: Name of the folder of its files.
        algorithm: One of `atn_gym.agents.model_card.ALGORITHMS`.
        policy: Name of its policy class.
        envs: What it is trained on, all at once.
        n_envs: Networks that are trained at once; the envs share them evenly.
        n_timesteps: Epochs of all networks that it is trained on, at least.
        hyperparameters: Arguments of the algorithm, and RL Baselines3 Zoo's additions: see
            `algorithm_arguments`.
        normalize: Whether observations and rewards are normalised by `VecNormalize`.
        shuffle_signals: Whether loss and accuracy traces are exchanged among the networks at
            random: a control, for an agent that needs none of them gains nothing by them.
        seed: Seed of the agent and its envs.
        eval_envs: What it is evaluated on from time to time, by its deterministic actions.
        eval_seeds: Seeds of these runs, or their number.
        eval_freq: Epochs of all networks from one evaluation to the next.
        checkpoint_freq: The same of checkpoints, from which an interrupted training goes on.
        results: Folder of all results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    algorithm: str
    policy: str = "MlpPolicy"
    envs: Annotated[_EnvConfigs, Field(min_length=1)]
    n_envs: PositiveInt
    n_timesteps: PositiveInt
    hyperparameters: Mapping[str, Any] = {}
    normalize: bool = False
    shuffle_signals: bool = False
    seed: NonNegativeInt = 0
    eval_envs: _EnvConfigs = []
    eval_seeds: Annotated[list[int], BeforeValidator(parse_seeds)] = list(range(10))
    eval_freq: PositiveInt = 50_000
    checkpoint_freq: PositiveInt = 20_000
    results: Path = Path("results")


def load_training_config(file: str | Path) -> TrainingConfig:
    """Reads a training file.

    Args:
        file: A YAML file, or the name of a shipped one, such as "train_ppo_digits".

    Raises:
        InvalidArgument: If the file is missing, empty or no YAML, a key is unknown, or a
            value breaks its requirement.
    """
    return validate_config(TrainingConfig, file, check_training)


def check_training(config: TrainingConfig) -> None:
    """Checks what the fields alone do not show.

    Raises:
        InvalidArgument: If the algorithm, its policy, a hyperparameter or an env is unknown or
            invalid, or the networks cannot be shared out evenly.
        DependencyUnavailable: If the algorithm's library is not installed.
    """
    algorithm = algorithm_class(config.algorithm)
    if config.policy not in algorithm.policy_aliases:
        raise unknown_name(f"policy of {config.algorithm}", config.policy, algorithm.policy_aliases)
    if not has_flat_observations(config) and (config.normalize or config.shuffle_signals):
        raise InvalidArgument(
            "normalize and shuffle_signals need flat observations, but "
            f"{config.policy} observes a Dict: choose another policy"
        )
    if config.n_envs % len(config.envs):
        raise InvalidArgument(
            f"n_envs must be a multiple of the {len(config.envs)} envs, got {config.n_envs}"
        )
    settings = []
    for env in (*config.envs, *config.eval_envs):
        params = env.params()
        settings.append((params.window, params.make_space().names))
    if len(set(settings)) > 1:
        raise InvalidArgument(
            "all envs must have the same window and hyperparameters, got "
            + " and ".join(str(setting) for setting in sorted(set(settings)))
        )
    algorithm_arguments(config.algorithm, config.hyperparameters, len(settings[0][1]))


def has_flat_observations(config: TrainingConfig) -> bool:
    """Whether the policy observes the vector of `FlatObservation`, and not the Dict of the env."""
    return not config.policy.startswith("MultiInput")
