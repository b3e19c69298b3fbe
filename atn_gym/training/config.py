"""Training files: YAML with the names of RL Baselines3 Zoo, read into a validated model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt

from atn_gym.agents.algorithms import algorithm_class
from atn_gym.agents.model_card import TRAINABLE
from atn_gym.config import EnvConfig, ExperimentName, parse_seeds, string_as, validate_config
from atn_gym.errors import InvalidArgument, unknown_name
from atn_gym.training.hyperparameters import algorithm_arguments

_EnvConfigs = list[Annotated[EnvConfig, string_as("id")]]


class TrainingConfig(BaseModel):
    """The training of one agent.

    Args:
        experiment: Name of the folder of its files.
        algorithm: One of `atn_gym.agents.model_card.TRAINABLE`.
        policy: Name of its policy class.
        envs: What it is trained on, all at once.
        n_envs: Networks that are trained at once; the envs share them evenly.
        n_timesteps: Epochs of all networks that it is trained on, at least.
        hyperparameters: Arguments of the algorithm: see `algorithm_arguments`.
        normalize: Whether observations and rewards are normalised by `VecNormalize`.
        falls: Whether flat observations hold how far the losses fell in each epoch as well: see
            `atn_gym.envs.wrappers.FlatObservation`.
        start_from: The agent whose training goes on, in place of random weights: a `model.zip` of
            `atn-gym train`, or an agent by its file or the name of one that comes with the
            package. An agent has no critic, so that this one begins at random.
        shuffle_signals: Whether loss and accuracy traces are exchanged among the networks at
            random: a control, for an agent that needs none of them gains nothing by them.
        seed: Seed of the agent and its envs.
        eval_envs: What it is evaluated on from time to time, by its deterministic actions.
        eval_seeds: Seeds of these runs, or their number.
        eval_freq: Epochs of all networks from one evaluation to the next.
        checkpoint_freq: The same for checkpoints, from which an interrupted training resumes.
        results: Folder of all results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    experiment: ExperimentName
    algorithm: str
    policy: str = "MlpPolicy"
    envs: Annotated[_EnvConfigs, Field(min_length=1)]
    n_envs: PositiveInt
    n_timesteps: PositiveInt
    hyperparameters: Mapping[str, Any] = {}
    normalize: bool = False
    falls: bool = False
    start_from: str | None = None
    shuffle_signals: bool = False
    seed: NonNegativeInt = 0
    eval_envs: _EnvConfigs = []
    eval_seeds: Annotated[list[int], BeforeValidator(parse_seeds)] = list(range(10))
    eval_freq: PositiveInt = 50_000
    checkpoint_freq: PositiveInt = 20_000
    results: Path = Path("results")


def load_training_config(file: str | Path, modules: Path | None = None) -> TrainingConfig:
    """Reads a training file.

    Args:
        file: A YAML file, or the name of a shipped one, such as "train_ppo_digits".
        modules: A folder that is searched for modules that the file names, after all else.

    Raises:
        InvalidArgument: If the file is missing, empty or no YAML, a key is unknown, or a
            value breaks its requirement.
    """
    return validate_config(TrainingConfig, file, check_training, modules)


def check_training(config: TrainingConfig) -> None:
    """Checks fields against each other.

    Raises:
        InvalidArgument: If the algorithm, its policy, a hyperparameter or an env is unknown or
            invalid, or the networks cannot be shared out evenly.
        DependencyUnavailable: If the algorithm's library is not installed.
    """
    _check_policy(config)
    flat_only = config.normalize or config.shuffle_signals or config.falls
    if not has_flat_observations(config) and flat_only:
        raise InvalidArgument(
            "normalize, falls and shuffle_signals need flat observations, but "
            f"{config.policy} observes a Dict: choose another policy"
        )
    if config.n_envs % len(config.envs):
        raise InvalidArgument(
            f"n_envs must be a multiple of the {len(config.envs)} envs, got {config.n_envs}"
        )
    if config.shuffle_signals and config.n_envs == 1:
        raise InvalidArgument(
            "shuffle_signals exchanges traces among networks: n_envs must be at least 2, got 1"
        )
    _check_settings([*config.envs, *config.eval_envs])
    names = evaluation_names(config.eval_envs)
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgument(
                f"eval_envs must differ in name or arguments, got {name} twice: leave one out"
            )
    action_size = len(config.envs[0].params().make_space().names)
    arguments = algorithm_arguments(config.algorithm, config.hyperparameters, action_size)
    if arguments.get("use_sde") or arguments.get("policy_kwargs", {}).get("use_sde"):
        raise InvalidArgument(
            "use_sde must be false, for checkpoints do not hold the noise that it draws, and an "
            "interrupted training would end with another agent: leave it out"
        )


def _check_policy(config: TrainingConfig) -> None:
    if config.algorithm not in TRAINABLE:
        raise unknown_name("algorithm", config.algorithm, TRAINABLE)
    known = list(algorithm_class(config.algorithm).policy_aliases)
    suitable = [name for name in known if not name.startswith("Cnn")]
    if config.policy not in known:
        raise unknown_name(f"policy of {config.algorithm}", config.policy, suitable)
    if config.policy not in suitable:
        raise InvalidArgument(
            f"policy {config.policy} is for images, but observations are vectors: choose "
            f"{' or '.join(suitable)}"
        )


def _check_settings(envs: Sequence[EnvConfig]) -> None:
    """Checks that all envs show and take the same."""
    first, *others = [_setting(env) for env in envs]
    for other in others:
        for name, value in other.items():
            if value != first[name]:
                raise InvalidArgument(
                    f"all envs and eval_envs must have the same {name}, got {first[name]} and "
                    f"{value}: set it alike for all"
                )


def _setting(env: EnvConfig) -> dict[str, Any]:
    params = env.params()
    return {
        "window": params.window,
        "hyperparameters": list(params.make_space().names),
        "checkpoint_rollback": params.checkpoint_rollback,
        "signals": params.signals,
    }


def evaluation_names(envs: Sequence[EnvConfig]) -> list[str]:
    """What the evaluations on some envs are called in the log.

    The name of an env is its id without its namespace. Where an id comes more than once, the
    arguments follow that are not the same for all of its envs: "X-v0,kind=classes".
    """
    names = []
    for env in envs:
        same = [other.kwargs for other in envs if other.id == env.id]
        own = [
            f"{key}={value}"
            for key, value in env.kwargs.items()
            if any(key not in kwargs or kwargs[key] != value for kwargs in same)
        ]
        names.append(",".join([env.id.rpartition("/")[2], *own]))
    return names


def has_flat_observations(config: TrainingConfig) -> bool:
    """Whether the policy observes the vector of `FlatObservation`, and not the Dict of the env."""
    return not config.policy.startswith("MultiInput")
