"""Experiment files: YAML, read into validated models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import gymnasium
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
)

from atn_gym.agents.registry import controller_arguments
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument, did_you_mean, unknown_name
from atn_gym.registration import env_ids


class EnvConfig(BaseModel):
    """An env: its id, and any argument of `TuningParams`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    id: str

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments for `gymnasium.make`."""
        return dict(self.model_extra or {})

    def params(self) -> TuningParams:
        """All parameters of the env, validated.

        Raises:
            InvalidArgument: If the id or an argument is unknown or invalid.
        """
        if self.id not in gymnasium.registry:
            raise unknown_name("env id", self.id, env_ids())
        return TuningParams.from_kwargs({**gymnasium.spec(self.id).kwargs, **self.kwargs})


class ControllerConfig(BaseModel):
    """A controller: its name or "module:Class", its arguments, and a label for tables."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    label: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments, defaults filled in.

        Raises:
            InvalidArgument: If the name or an argument is unknown.
        """
        return controller_arguments(self.name, dict(self.model_extra or {}))

    @property
    def shown(self) -> str:
        """What tables call it."""
        return self.label or self.name


def _from_string(key: str) -> BeforeValidator:
    """Lets a plain string stand for a mapping with one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class ExperimentConfig(BaseModel):
    """An experiment: every controller on every env, with the same seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    envs: Annotated[list[Annotated[EnvConfig, _from_string("id")]], Field(min_length=1)]
    controllers: Annotated[
        list[Annotated[ControllerConfig, _from_string("name")]], Field(min_length=1)
    ]
    seeds: PositiveInt | Annotated[list[NonNegativeInt], Field(min_length=1)]
    results: Path = Path("results")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: int | list[int]) -> int | list[int]:
        if isinstance(seeds, list) and len(set(seeds)) != len(seeds):
            raise ValueError("seeds must differ")
        return seeds

    @property
    def seed_list(self) -> list[int]:
        """The seeds themselves; a number n stands for 0 to n - 1."""
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)


def load_config(path: str | Path) -> ExperimentConfig:
    """Reads an experiment file.

    Args:
        path: A YAML file.

    Raises:
        InvalidArgument: If the file is missing, empty or no YAML, a key is unknown, or a
            value breaks its requirement.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidArgument(f"config file {path} does not exist; see configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"config file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidArgument(f"config file {path} is not valid YAML: {error}") from error
    if values is None:
        raise InvalidArgument(f"config file {path} is empty; see configs/ for examples")
    if not isinstance(values, dict):
        raise InvalidArgument(
            f"config file {path} must hold a mapping of keys to values, got {values!r}"
        )
    try:
        config = ExperimentConfig.model_validate(values)
        for env in config.envs:
            env.params()
        for controller in config.controllers:
            controller.arguments  # noqa: B018
    except ValidationError as error:
        raise InvalidArgument(f"config file {path}: {_sentence(error)}") from error
    except InvalidArgument as error:
        raise InvalidArgument(f"config file {path}: {error}") from error
    return config


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {location!r}; {did_you_mean(location, ExperimentConfig.model_fields)}"
    if first["type"] == "missing":
        return f"the key {location!r} is missing"
    return f"{location}: {first['msg']}, got {first['input']!r}"
