"""Experiment files: YAML, read into validated models."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeGuard, TypeVar

import gymnasium
import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from atn_gym.agents.controller import RunSetting
from atn_gym.agents.method import Method
from atn_gym.agents.registry import (
    CONTROLLERS,
    controller_arguments,
    controller_class,
    controller_method,
    import_module,
    takes_argument,
)
from atn_gym.config_file import read_yaml
from atn_gym.envs.params import TuningParams
from atn_gym.envs.randomness import MAX_SEED
from atn_gym.errors import InvalidArgument, did_you_mean, shown, unknown_name
from atn_gym.registration import env_ids

_LONGEST_NAME = 200


class EnvConfig(BaseModel):
    """An env of an experiment; further keys are its arguments.

    Args:
        id: Its id, or "module:id" to import the module that registers it.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    id: Annotated[str, Field(max_length=_LONGEST_NAME)]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Arguments for `gymnasium.make`."""
        return dict(self.model_extra or {})

    def made_for(self, method: Method) -> EnvConfig:
        """The env with the arguments that a method needs.

        Raises:
            InvalidArgument: If it has others already, or no engine serves it with these.
        """
        needed = method.env_arguments()
        for name, value in needed.items():
            if self.kwargs.get(name) not in (None, value):
                raise InvalidArgument(
                    f"{name} must be {value!r} for {type(method).__name__}, got "
                    f"{self.kwargs[name]!r}: leave it out"
                )
        made = EnvConfig(id=self.id, **{**self.kwargs, **needed})
        if needed:
            made.params().resolved()
        return made

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
    """A controller of an experiment; further keys are its arguments.

    Args:
        name: Its name; or "module:Class" with a `Controller`, a `Method` or a class with
            `predict`, "module:function" that makes a policy, or "module:policy".
        label: What tables call it; its name if null.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: Annotated[str, Field(max_length=_LONGEST_NAME)]
    label: Annotated[str, Field(max_length=_LONGEST_NAME)] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments, defaults filled in.

        Raises:
            InvalidArgument: If the name or an argument is unknown.
        """
        given = dict(self.model_extra or {})
        for key in given:
            hint = did_you_mean(key, ["label"])
            if hint.startswith("did") and not takes_argument(controller_class(self.name), key):
                raise InvalidArgument(f"unknown key {key!r} of controller {self.name!r}; {hint}")
        return controller_arguments(self.name, given)

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
        InvalidArgument: If it is neither a number from 1 to 100,000 nor a list of different
            seeds that 64 bits hold.
    """
    if _is_integer(value) and 1 <= int(value) <= MOST_SEEDS:
        return list(range(int(value)))
    seeds = list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else []
    valid = all(_is_integer(seed) and 0 <= int(seed) <= MAX_SEED for seed in seeds)
    if seeds and valid and len(set(seeds)) == len(seeds):
        return [int(seed) for seed in seeds]
    raise InvalidArgument(
        f"seeds must be a number from 1 to {MOST_SEEDS:,}, or a list of different integers from 0 "
        f"to 2**63 - 1, got {shown(value)}"
    )


def _is_integer(value: object) -> TypeGuard[int | np.integer[Any]]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


MOST_SEEDS = 100_000
"""More are given as a list."""
DEFAULT_SEEDS = list(range(10))
"""Seeds of an experiment that names none, as in `atn_gym.evaluate`."""


ExperimentName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=_LONGEST_NAME)
]
"""The name of a folder."""


class ExperimentConfig(BaseModel):
    """An experiment: every controller on every env, with the same seeds.

    Args:
        experiment: Name of the folder of its results: letters, digits, dots, underscores and
            dashes.
        envs: The envs, at least one.
        controllers: The controllers, at least one.
        seeds: Seeds of the runs: a list of different integers, or a number n, which stands for
            0 to n - 1.
        twins: Whether each run that meets a shock is run a second time without it, for the
            metric `shock_cost`.
        results: Folder of all results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    experiment: ExperimentName
    envs: Annotated[list[Annotated[EnvConfig, string_as("id")]], Field(min_length=1)]
    controllers: Annotated[
        list[Annotated[ControllerConfig, string_as("name")]], Field(min_length=1)
    ]
    seeds: Annotated[list[int], BeforeValidator(parse_seeds)] = DEFAULT_SEEDS
    twins: bool = True
    results: Path = Path("results")


Model = TypeVar("Model", bound=BaseModel)


def validate_config(
    model: type[Model], file: str | Path, check: Callable[[Model], None], modules: Path | None
) -> Model:
    """Reads a YAML file into a model.

    Args:
        model: The model.
        file: A YAML file, or the name of a shipped one.
        check: Checks fields against each other; raises `InvalidArgument`.
        modules: A folder that is searched, last, for modules that the file names.

    Raises:
        InvalidArgument: If the file cannot be read, a key is unknown, or a value breaks its
            requirement.
    """
    path, values = read_yaml(file)
    try:
        config = model.model_validate(values)
        if modules is not None and _names_module(config) and str(modules) not in sys.path:
            sys.path.append(str(modules))
        check(config)
    except ValidationError as error:
        raise InvalidArgument(f"config file {path}: {_sentences(error, model)}") from error
    except InvalidArgument as error:
        raise InvalidArgument(f"config file {path}: {error}") from error
    return config


def _names_module(config: BaseModel) -> bool:
    """Whether an env or a controller of a config is to be imported."""
    entries = [entry for _, value in config if isinstance(value, list) for entry in value]
    names = [e.id for e in entries if isinstance(e, EnvConfig)]
    names += [e.name for e in entries if isinstance(e, ControllerConfig)]
    return any(":" in name for name in names)


def load_config(file: str | Path, modules: Path | None = None) -> ExperimentConfig:
    """Reads an experiment file.

    Args:
        file: A YAML file, or the name of a shipped one, such as "digits_data_shift".
        modules: A folder that is searched for modules that the file names, after all else.

    Raises:
        InvalidArgument: If the file is missing, empty or no YAML, a key is unknown, or a
            value breaks its requirement.
    """
    return validate_config(ExperimentConfig, file, _check_experiment, modules)


def run_setting(env: EnvConfig) -> RunSetting:
    """What is known of the runs of an env before they begin.

    Raises:
        InvalidArgument: If the id or an argument of the env is unknown or invalid.
    """
    params = env.params()
    return RunSetting(params.make_space(), params.get_task().num_epochs, window=params.window)


def _check_experiment(config: ExperimentConfig) -> None:
    """Checks fields against each other, and names all that is wrong."""
    wrong: dict[str, None] = {}

    @contextlib.contextmanager
    def collecting_errors() -> Iterator[None]:
        try:
            yield
        except InvalidArgument as error:
            wrong[str(error)] = None

    envs = []
    for env in config.envs:
        with collecting_errors():
            run_setting(env)
            envs.append(env)
    for controller in config.controllers:
        with collecting_errors():
            method = controller.method()
            for env in envs:
                with collecting_errors():
                    method.check(run_setting(env.made_for(method)))
    if not wrong:
        with collecting_errors():
            _check_experiment_as_a_whole(config)
    if wrong:
        raise InvalidArgument(_listed(wrong))


def _check_experiment_as_a_whole(config: ExperimentConfig) -> None:
    _check_different(
        "envs",
        "id",
        [(e.id, (e.id.rpartition(":")[2], e.params().resolved())) for e in config.envs],
    )
    _check_different(
        "controllers", "name", [(c.shown, (c.name, c.arguments)) for c in config.controllers]
    )
    names = {*CONTROLLERS, *(controller.name for controller in config.controllers)}
    for controller in config.controllers:
        if controller.label in names - {controller.name}:
            raise InvalidArgument(
                f"the label of {controller.name!r} must not be the name of another controller, "
                f"got {controller.label!r}: choose another one"
            )


def _check_different(what: str, name: str, made: list[tuple[str, object]]) -> None:
    """Checks that what is shown by some name makes runs of its own."""
    for i, (first, makes) in enumerate(made):
        for second, others in made[i + 1 :]:
            if makes == others:
                raise InvalidArgument(
                    f"{what} must differ in {name} or arguments, got {first!r} and {second!r}, "
                    "which make the same runs: leave one out"
                )


def _sentences(error: ValidationError, model: type[BaseModel]) -> str:
    """All that is wrong with the fields of a config, each thing once."""
    # An unknown key is often the misspelling of one that is then missing too.
    errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    unknown = [str(e["loc"][-1]) for e in errors if e["type"] == "extra_forbidden"]
    said: dict[str, None] = {}
    for each in errors:
        if len(said) > _MOST_SAID and each["type"] == "extra_forbidden":
            # Each takes a search for what was meant.
            said[str(each["loc"])] = None
            continue
        if each["type"] != "missing" or not get_close_matches(str(each["loc"][-1]), unknown, n=1):
            said[_sentence(each, model)] = None
    return _listed(said)


_MOST_SAID = 20
"""Errors of one config that are listed."""


def _listed(sentences: Iterable[str]) -> str:
    """One sentence as it is, several on a line each."""
    several = list(sentences)
    if len(several) == 1:
        return several[0]
    left = len(several) - _MOST_SAID
    more = [f"and {left:,} more"] if left > 0 else []
    return "".join(f"\n- {each}" for each in [*several[:_MOST_SAID], *more])


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    location = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {shown(location)}; {did_you_mean(location, model.model_fields)}"
    if error["type"] == "missing":
        return f"the key {location!r} is missing"
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return f"{location}: {error['msg']}, got {shown(error['input'])}"
