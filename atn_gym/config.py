"""Experiment files: YAML, read into validated models."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeGuard, TypeVar

import gymnasium
import numpy as np
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.registry import controller_arguments, controller_method, import_module
from atn_gym.envs.params import TuningParams
from atn_gym.errors import InvalidArgument, did_you_mean, unknown_name
from atn_gym.registration import env_ids


class EnvConfig(BaseModel):
    """An env: its id, or "module:id" to import what registers it, and other arguments."""

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
        module, _, name = self.id.rpartition(":")
        if module:
            import_module(module, f"env id {self.id!r}")
        if name not in gymnasium.registry:
            raise unknown_name("env id", name, env_ids())
        fixed = gymnasium.spec(name).kwargs
        for argument in fixed:
            if argument in self.kwargs:
                raise InvalidArgument(f"{argument!r} is part of the env id {name!r}: leave it out")
        return TuningParams.from_kwargs({**fixed, **self.kwargs})


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

    def method(self) -> Method:
        """What makes the policy of the runs of an env.

        Raises:
            InvalidArgument: If the name or an argument is unknown or invalid.
        """
        return controller_method(self.name, **self.arguments)

    @property
    def shown(self) -> str:
        """What tables call it."""
        return self.label or self.name


def string_as(key: str) -> BeforeValidator:
    """Lets a plain string stand for a mapping with one key."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


def parse_seeds(value: object) -> list[int]:
    """Lists the seeds; a number n stands for 0 to n - 1.

    Raises:
        InvalidArgument: If it is neither a number >= 1 nor a list of different seeds.
    """
    if _is_integer(value) and int(value) >= 1:
        return list(range(int(value)))
    seeds = list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else []
    valid = all(_is_integer(seed) and int(seed) >= 0 for seed in seeds)
    if seeds and valid and len(set(seeds)) == len(seeds):
        return [int(seed) for seed in seeds]
    raise InvalidArgument(
        f"seeds must be a number >= 1, or a list of different integers >= 0, got {value!r}"
    )


def _is_integer(value: object) -> TypeGuard[int | np.integer[Any]]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


class ExperimentConfig(BaseModel):
    """An experiment: every controller on every env, with the same seeds.

    With `twins`, each run that meets a shock is run a second time without it, for the metric
    `shock_cost`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    envs: Annotated[list[Annotated[EnvConfig, string_as("id")]], Field(min_length=1)]
    controllers: Annotated[
        list[Annotated[ControllerConfig, string_as("name")]], Field(min_length=1)
    ]
    seeds: Annotated[list[int], BeforeValidator(parse_seeds)]
    twins: bool = True
    results: Path = Path("results")


class _Loader(yaml.SafeLoader):
    """The safe loader, for which 1e-4 is a number, as in YAML 1.2, and not a string."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)

SHIPPED = Path(__file__).parent / "configs"
"""The folder of the experiment files that come with the package."""


def read_yaml(file: str | Path) -> tuple[Path, dict[str, Any]]:
    """Reads a YAML file, safely.

    Args:
        file: A YAML file, or the name of a shipped one, such as "digits_data_shift".

    Returns:
        Its path and what it holds.

    Raises:
        InvalidArgument: If the file is missing, empty, no YAML or no mapping.
    """
    shipped = SHIPPED / f"{file}.yaml"
    path = shipped if shipped.is_file() else Path(file)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError as error:
        names = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
        raise InvalidArgument(
            f"config file {path} does not exist; shipped ones go by name: "
            f"{did_you_mean(path.stem, names)}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"config file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InvalidArgument(f"config file {path} is not valid YAML: {reason}") from error
    if values is None:
        raise InvalidArgument(f"config file {path} is empty; for an example see {SHIPPED}")
    if not isinstance(values, dict):
        raise InvalidArgument(
            f"config file {path} must hold a mapping of keys to values, got {values!r}"
        )
    return path, values


Model = TypeVar("Model", bound=BaseModel)


def validate_config(model: type[Model], file: str | Path, check: Callable[[Model], None]) -> Model:
    """Reads a YAML file into a model.

    Args:
        model: The model.
        file: A YAML file, or the name of a shipped one.
        check: What the fields alone do not show; raises `InvalidArgument`.

    Raises:
        InvalidArgument: If the file cannot be read, a key is unknown, or a value breaks its
            requirement.
    """
    path, values = read_yaml(file)
    try:
        config = model.model_validate(values)
        check(config)
    except ValidationError as error:
        raise InvalidArgument(f"config file {path}: {_sentence(error, model)}") from error
    except InvalidArgument as error:
        raise InvalidArgument(f"config file {path}: {error}") from error
    return config


def load_config(file: str | Path) -> ExperimentConfig:
    """Reads an experiment file.

    Args:
        file: A YAML file, or the name of a shipped one, such as "digits_data_shift".

    Raises:
        InvalidArgument: If the file is missing, empty or no YAML, a key is unknown, or a
            value breaks its requirement.
    """
    return validate_config(ExperimentConfig, file, _check_experiment)


def run_setting(env: EnvConfig) -> RunSetting:
    """What is known of the runs of an env before they begin.

    Raises:
        InvalidArgument: If the id or an argument of the env is unknown or invalid.
    """
    params = env.params()
    return RunSetting(params.make_space(), params.get_task().num_epochs, window=params.window)


def _check_experiment(config: ExperimentConfig) -> None:
    for env in config.envs:
        setting = run_setting(env)
        for controller in config.controllers:
            controller.method().check(setting)
    for i, first in enumerate(config.controllers):
        for second in config.controllers[i + 1 :]:
            if (first.name, first.arguments) == (second.name, second.arguments):
                raise InvalidArgument(
                    f"controllers must differ in name or arguments, got {first.shown!r} and "
                    f"{second.shown!r}, which make the same runs: leave one out"
                )


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    # An unknown key is often the misspelling of one that is then missing too.
    errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = errors[0]
    location = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {location!r}; {did_you_mean(location, model.model_fields)}"
    if first["type"] == "missing":
        return f"the key {location!r} is missing"
    if first["type"] == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    return f"{location}: {first['msg']}, got {first['input']!r}"
